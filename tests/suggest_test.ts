import { assertEquals } from "@std/assert";
import {
  didYouMean,
  listed,
  oneOf,
  suggest,
  suggestName,
} from "../src/suggest.ts";

const FIELDS = ["name", "dependsOn", "condition", "priority", "env"];

Deno.test("suggest() finds the word that was mistyped", () => {
  for (
    const [word, meant] of [
      ["depends_on", "dependsOn"],
      ["DEPENDS-ON", "dependsOn"],
      ["condtion", "condition"],
      ["prioritty", "priority"],
      ["nmae", "name"],
      ["naem", "name"],
      ["envs", "env"],
    ]
  ) assertEquals(suggest(word, FIELDS), meant, word);
});

Deno.test("suggest() returns nothing if no candidate is close", () => {
  for (const word of ["", "_", "x", "color", "depend", "p".repeat(100_000)]) {
    assertEquals(suggest(word, FIELDS), undefined, word.slice(0, 20));
  }
  assertEquals(suggest("name", []), undefined);
});

Deno.test("suggest() prefers the nearest, then the first", () => {
  assertEquals(suggest("buidl", ["bundle", "build"]), "build");
  assertEquals(suggest("bat", ["cat", "hat"]), "cat");
});

Deno.test("oneOf() lists words", () => {
  assertEquals(oneOf(["a"]), '"a"');
  assertEquals(oneOf(["a", "b"]), '"a" or "b"');
  assertEquals(oneOf(["a", "b", "c"]), '"a", "b" or "c"');
});

Deno.test("suggestName() knows what other programs call a key or an option", () => {
  const keys = ["run", "needs", "when", "env", "continue_on_error"];
  assertEquals(suggestName("script", keys), "run");
  assertEquals(suggestName("allow_failure", keys), "continue_on_error");
  assertEquals(suggestName("if", keys.values()), "when");
  assertEquals(suggestName("rnu", keys), "run");
  assertEquals(suggestName("toString", keys), undefined);
  assertEquals(suggestName("f", ["job-file"]), "job-file");
  assertEquals(suggestName("f", ["file-count"]), undefined);
});

Deno.test("didYouMean() ends a message with the candidate, if there is one", () => {
  assertEquals(didYouMean("test"), '; did you mean "test"?');
  assertEquals(didYouMean('a"b\n'), '; did you mean "a\\"b\\n"?');
  assertEquals(didYouMean(undefined), "");
});

Deno.test("listed() counts the texts that it does not show", () => {
  assertEquals(listed([]), "");
  assertEquals(listed(["a", "b"], 2), "a, b");
  assertEquals(listed(["a", "b", "c", "d"], 2), "a, b and 2 more");
});
