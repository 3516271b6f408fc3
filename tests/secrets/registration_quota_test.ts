import { assertEquals, assertThrows } from "@std/assert";
import {
  MAX_VALUES,
  MAX_VALUES_BYTES,
  RegistrationQuota,
} from "../../src/secrets/registration_quota.ts";

Deno.test("RegistrationQuota hands each value on once", () => {
  const calls: string[][] = [];
  const quota = new RegistrationQuota((values) => void calls.push(values));
  assertEquals(quota.register(["a", "b", "a"]), true);
  assertEquals(quota.register(["b", "c"]), true);
  assertEquals(quota.register(["a"]), true);
  assertEquals(quota.register([]), true);
  assertEquals(calls, [["a", "b"], ["c"]]);
});

Deno.test("RegistrationQuota takes a limited number of values", () => {
  let count = 0;
  const quota = new RegistrationQuota((values) =>
    void (count += values.length)
  );
  const block = (from: number, length: number) =>
    Array.from({ length }, (_, i) => `value-${from + i}`);
  for (let from = 0; from < MAX_VALUES; from += 10_000) {
    assertEquals(quota.register(block(from, 10_000)), true);
  }
  assertEquals(quota.register(["one more"]), false);
  assertEquals(quota.register(["value-0", "one more"]), false);
  // What is known already costs nothing.
  assertEquals(quota.register(["value-0"]), true);
  assertEquals(count, MAX_VALUES);
});

Deno.test("RegistrationQuota takes a limited number of bytes", () => {
  const quota = new RegistrationQuota(() => {});
  const quarter = MAX_VALUES_BYTES / 4;
  for (const letter of "abc") {
    assertEquals(quota.register([letter.repeat(quarter)]), true);
  }
  assertEquals(quota.register(["é".repeat(quarter)]), false);
  assertEquals(quota.register(["é".repeat(quarter / 2)]), true);
  assertEquals(quota.register(["x"]), false);
});

Deno.test("RegistrationQuota does not take for known what could not be masked", () => {
  let isBroken = true;
  const masked: string[] = [];
  const quota = new RegistrationQuota((values) => {
    if (isBroken) throw new Error("broken");
    masked.push(...values);
  });
  assertThrows(() => quota.register(["a"]), Error, "broken");
  isBroken = false;
  assertEquals([quota.register(["a"]), masked], [true, ["a"]]);
});
