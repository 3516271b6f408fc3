import { assert, assertEquals, assertMatch } from "@std/assert";
import { LogFileNames } from "../../src/output/log_directory.ts";
import { Random } from "../helpers/random.ts";

Deno.test("LogFileNames keeps names that are safe", () => {
  const names = new LogFileNames();
  for (const step of ["test", "Build all", "test (linux, 1)", "a.b_c-d[x]"]) {
    assertEquals(names.nameFor(step), `${step}.log`);
  }
});

Deno.test("LogFileNames encodes unsafe characters", () => {
  const names = new LogFileNames();
  const table: Record<string, string> = {
    "../x": "%2E.%2Fx.log",
    "-rf": "%2Drf.log",
    ".": "%2E.log",
    "": "%.log",
    "50%": "50%25.log",
    "é\n": "%C3%A9%0A.log",
    "a~2": "a%7E2.log",
  };
  for (const [step, name] of Object.entries(table)) {
    assertEquals(names.nameFor(step), name);
  }
});

Deno.test("LogFileNames numbers names that a file system may treat as one", () => {
  const names = new LogFileNames();
  const long = "x".repeat(300);
  assertEquals(names.nameFor("test"), "test.log");
  assertEquals(names.nameFor("Test"), "Test~2.log");
  assertEquals(names.nameFor("TEST"), "TEST~3.log");
  assertEquals(names.nameFor("Test"), "Test~2.log");
  assertEquals(names.nameFor(long), `${"x".repeat(200)}.log`);
  assertEquals(names.nameFor(`${long}y`), `${"x".repeat(200)}~2.log`);
});

Deno.test("LogFileNames never gives two steps the same name", () => {
  const random = new Random();
  const names = new LogFileNames();
  const files = new Map<string, string>();
  for (let round = 0; round < 5_000; round++) {
    const step = random.text(random.below(4), "aA.-~%2/é \ud800\udc00");
    const name = names.nameFor(step);
    assertMatch(name, /^(?![.-])[\w ~%.-]+\.log$/);
    const other = files.get(name.toLowerCase());
    const message = `${JSON.stringify([step, other])}, seed ${random.seed}`;
    assert(other === undefined || other === step, message);
    files.set(name.toLowerCase(), step);
  }
});
