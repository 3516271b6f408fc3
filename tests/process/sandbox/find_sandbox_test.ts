import { assertEquals, assertMatch } from "@std/assert";
import { findWeakness } from "../../../src/process/sandbox/find_sandbox.ts";

Deno.test("findWeakness() names what an older Landlock does not prevent", () => {
  assertMatch(findWeakness(5, true)!, /^signals and abstract sockets reach/);
  assertMatch(findWeakness(5, false)!, /^abstract sockets reach/);
  assertEquals(findWeakness(6, true), undefined);
  assertEquals(findWeakness(7, false), undefined);
});
