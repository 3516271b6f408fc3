import { assertEquals, assertThrows } from "@std/assert";
import { booleanProblem, parseBoolean, readBoolean } from "../src/boolean.ts";
import { RunnerError } from "../src/errors.ts";

const OTHER_WORDS = ["", "True", "FALSE", " true", "1", "0", "yes", "maybe"];

Deno.test("parseBoolean() accepts true and false, and nothing else", () => {
  assertEquals(parseBoolean("true"), true);
  assertEquals(parseBoolean("false"), false);
  for (const word of OTHER_WORDS) {
    assertEquals(parseBoolean(word), undefined, word);
  }
});

Deno.test("parseBoolean() accepts the words of a worker if enabled", () => {
  const parse = (text: string) =>
    parseBoolean(text, { acceptsWorkerWords: true });
  for (const word of ["true", "1", "yes", "TRUE", " Yes "]) {
    assertEquals(parse(word), true, word);
  }
  for (const word of ["false", "0", "no", "FALSE", " No "]) {
    assertEquals(parse(word), false, word);
  }
  for (const word of ["", "on", "y", "maybe", "2"]) {
    assertEquals(parse(word), undefined, word);
  }
});

Deno.test("readBoolean() throws for any other word", () => {
  assertEquals(readBoolean({}, "X"), undefined);
  assertEquals(readBoolean({ X: "" }, "X"), undefined);
  assertEquals(readBoolean({ X: "false" }, "X"), false);
  assertThrows(
    () => readBoolean({ X: "yes" }, "X"),
    RunnerError,
    'Cannot use X: it must be true or false, not "yes"; did you mean true?',
  );
});

Deno.test("booleanProblem() suggests a boolean only for a word that means one", () => {
  assertEquals(
    booleanProblem("OFF"),
    'must be true or false, not "OFF"; did you mean false?',
  );
  assertEquals(
    booleanProblem("never"),
    'must be true or false, not "never"',
  );
});
