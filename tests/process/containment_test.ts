import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  findContainment,
  findNamespace,
  tagContainment,
} from "../../src/process/containment.ts";

Deno.test("findContainment() prefers a PID namespace, which has no weakness", async () => {
  const namespace = await findNamespace();
  const found = await findContainment(false);
  if (namespace) assertEquals(found, { namespace });
  else assert(found.problem !== undefined);
});

Deno.test("tagContainment() reports when a process can remove its tag", async () => {
  const [outside, inside] = [
    await tagContainment(false),
    await tagContainment(true),
  ];
  assertStringIncludes(outside.problem ?? "", "does not allow PID namespaces");
  const status = await Deno.readTextFile("/proc/self/status");
  const effective = BigInt(`0x${/CapEff:\s*(\w+)/.exec(status)![1]}`);
  if ((effective >> 24n & 1n) === 1n) {
    assertStringIncludes(inside.problem ?? "", "root can remove its tag");
  } else {
    assertEquals(inside, {});
    assertStringIncludes(outside.problem ?? "", "could belong to another user");
  }
});
