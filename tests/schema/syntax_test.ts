import {
  assert,
  assertEquals,
  assertNotMatch,
  assertRejects,
} from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { makeExcerpts } from "../../src/schema/excerpt.ts";
import { Problems } from "../../src/schema/problems.ts";
import { parseJobText } from "../../src/schema/read_document.ts";

/** A text that is not YAML, what is wrong with it, and the line that is shown. */
const INVALID: readonly (readonly [string, string, string?])[] = [
  [
    "command: echo a: b\n",
    '1:16: put the value in quotes, because ": " starts a new key',
    "1 | command: echo a: b\n      |                ^",
  ],
  [
    "steps:\n  - name: a\n    run: echo a: b\n",
    '3:16: put the value in quotes, because ": " starts a new key',
    "3 |     run: echo a: b\n      |                ^",
  ],
  [
    "command: a\ntimeout: 1\ncommand: b\n",
    '3:1: the key "command" is defined twice; first at f:1:1',
    "3 | command: b\n      | ^",
  ],
  [
    "a: {b: c, b: d}",
    '1:11: the key "b" is defined twice; first at f:1:5',
  ],
  [
    "steps:\n\t- name: a\n",
    "2:1: a tab cannot indent a line of YAML; use spaces",
    "2 | →- name: a\n      | ^",
  ],
  [
    "a:\n  - b: c\n  \td: e\n",
    "3:3: a tab cannot indent a line of YAML; use spaces",
  ],
  ["a: |\n\tb\n", "2:1: a tab cannot indent a line of YAML; use spaces"],
  [
    "a: 1\n  b: 2\n",
    "2:3: the line is indented by 2, which matches no line above; indent it by 0",
    "2 |   b: 2\n      |   ^",
  ],
  [
    "a:\n  b: 1\n c: 2\n",
    "3:2: the line is indented by 1, which matches no line above; indent it by 0 or 2",
  ],
  [
    "steps:\n- name: a\n run: x\n",
    "3:2: the line is indented by 1, which matches no line above; indent it by 0 or 2",
  ],
  [
    'a: "b\nc: d\n',
    '1:4: the quote " is never closed',
    '1 | a: "b\n      |    ^',
  ],
  ["a: 'b\nc: d\n", "1:4: the quote ' is never closed"],
  [
    "a: 'it's'\n",
    "1:8: text follows the closing quote; write '' for a quote inside the value",
  ],
  [
    'a: "b\nc: "d"\n',
    '1:4: the quote " is never closed',
  ],
  [
    'a: "b\n   c: "d"\n',
    '1:4: the quote " is not closed on its line',
  ],
  ["a: [1, 2\nb: c\n", '1:4: the bracket "[" is never closed by "]"'],
  ['{"a": {"b": 1}', '1:1: the bracket "{" is never closed by "}"'],
  ["a: {b: c}}\n", '1:10: unmatched "}"'],
  [
    '{"a": "b" "c": 1}\n',
    '1:11: expected "," or the closing bracket before this',
  ],
  [
    "a: *x\n",
    '1:4: no anchor with this name precedes the alias; put text that starts with "*" in quotes',
  ],
  ["a: &x &y 1\n", "1:7: a value can have only one anchor"],
  [
    "a: !!python/object b\n",
    '1:4: tags are not supported; remove the tag, or put text that starts with "!" in quotes',
  ],
  ["a: @b\n", '1:4: a value cannot start with "@"; put it in quotes'],
  ["a: `b`\n", '1:4: a value cannot start with "`"; put it in quotes'],
  ["a: %b\n", '1:4: a value cannot start with "%"; put it in quotes'],
  ["a:b\nc: d\n", '1:2: a space must follow the ":" of a key'],
  [
    "a: b\nc\n",
    '2:1: the line is neither "KEY: VALUE" nor a list item ("- ITEM")',
  ],
  [
    "a: b\n- c\n",
    '2:1: a list ("- ITEM") and keys ("KEY: VALUE") cannot be mixed at the same indentation',
  ],
  [
    "- a\nb: c\n",
    '2:1: a list ("- ITEM") and keys ("KEY: VALUE") cannot be mixed at the same indentation',
  ],
  [
    "a: - b\n",
    '1:4: a list cannot start on the line of its key; put "- " on a new line, or the text in quotes',
  ],
  [
    'a: "\\q"\n',
    "1:5: unknown escape sequence; double the backslash, or use single quotes",
  ],
  [
    "a: b\n---\nc: d\n",
    "2:1: a second document starts here; a file must contain only one",
  ],
  [
    "a: b\0c\n",
    "1:5: the character U+0000 is not allowed in YAML; write it as an escape in double quotes",
    "1 | a: b�c\n      |     ^",
  ],
  [
    "<<<<<<< HEAD\na: b\n=======\na: c\n>>>>>>> x\n",
    '1:1: "<<<<<<<" marks a merge conflict; resolve it first',
  ],
  [
    "a: >x\n b\n",
    '1:4: only an indentation (1 to 9), "-" or "+" can follow "|" or ">"; start the text on the next line, or put it in quotes',
  ],
];

async function problemIn(text: string): Promise<string> {
  const { message } = await assertRejects(
    () => parseJobText(text, "f", new Problems("f")),
    RunnerError,
    'Cannot read job file "f": it is not valid YAML\n',
  );
  return message.slice(message.indexOf("\n") + 1);
}

for (const [text, problem, excerpt] of INVALID) {
  for (
    const [kind, variant] of [["", text], [
      ", with CRLF",
      text.replaceAll("\n", "\r\n"),
    ]]
  ) {
    Deno.test(`parseJobText() explains ${JSON.stringify(text)}${kind}`, async () => {
      const [line, ...shown] = (await problemIn(variant)).split("\n");
      assertEquals(line, `f:${problem}`);
      if (excerpt) assertEquals(shown.join("\n"), `    ${excerpt}`);
    });
  }
}

Deno.test("parseJobText() shows no value of a variable or of a secret", async () => {
  for (
    const text of [
      "environment:\n  A: s3cret: x\n",
      "environment: {A: s3cret, B: {\ncommand: x\n",
      'environment:\n  A: "s3cret\n  B: x\n',
      '{\n"environment": {\n"a": "s3cret" "b"\n}}',
      "jobs:\n  a:\n    env:\n    - A: s3cret: y\n",
      "A_TOKEN: s3cret: x\n",
      "password: s3cret: x\n",
      "environment:\n  A: |\n    x\n   s3cret\n",
      "environment:\n  A: *s3cret\n",
      "environment:\n  A: !s3cret x\n",
      'environment:\n  A: "\\s3cret"\n',
    ]
  ) assertNotMatch(await problemIn(text), /s3cret/);
});

Deno.test("makeExcerpts() shows the part of a long line around the position", () => {
  const excerpts = makeExcerpts(`${"a ".repeat(250)}X${" b".repeat(250)}`);
  const [line, caret] = excerpts({ line: 1, column: 501 }).split("\n");
  assertEquals(line, `    1 | …${"a ".repeat(30)}X${" b".repeat(19)} …`);
  assertEquals(caret.length, line.indexOf("X") + 1);
});

Deno.test("makeExcerpts() shows no parts of words, which could be secrets", () => {
  const secret = "s3cret-".repeat(10);
  for (let before = 0; before < 200; before++) {
    const text = `${"a ".repeat(before)}${secret}: ${"b ".repeat(100)}`;
    for (const column of [1, before, before * 2 + 5, before * 2 + 80]) {
      const shown = makeExcerpts(text)({ line: 1, column })
        .replace(secret, "");
      assert(!shown.includes("s3cret"), shown);
      assert(!shown.includes("cret-"), shown);
    }
  }
  assertEquals(makeExcerpts(secret.repeat(3))({ line: 1, column: 100 }), "");
});

Deno.test("makeExcerpts() puts the caret below wide characters and marks", () => {
  const excerpts = makeExcerpts("日本: e\u0301 X");
  const [, caret] = excerpts({ line: 1, column: 8 }).split("\n");
  assertEquals(caret, "      |         ^");
});

Deno.test("parseJobText() shows no private value where it is repeated", async () => {
  const excerpt = await problemIn(
    "environment:\n  A: s3cret\ncommand: echo s3cret a: b\n",
  );
  assertEquals(excerpt.split("\n")[1], "    3 | command: echo [REDACTED]");
});
