import { assertEquals } from "@std/assert";
import { makeLocator } from "../../src/schema/locate.ts";

function placeOf(text: string, ...path: (string | number)[]): string {
  const { line, column } = makeLocator(text)(path);
  return `${line}:${column}`;
}

Deno.test("makeLocator() finds keys in YAML", () => {
  const text = `# comment
a: 1
"b c":
  - x
d:
    e: {f: 1,
        'g': 2}
é: { h: 1 }
`;
  assertEquals(placeOf(text, "a"), "2:1");
  assertEquals(placeOf(text, "b c"), "3:1");
  assertEquals(placeOf(text, "d"), "5:1");
  assertEquals(placeOf(text, "d", "e"), "6:5");
  assertEquals(placeOf(text, "d", "e", "f"), "6:9");
  assertEquals(placeOf(text, "d", "e", "g"), "7:9");
  assertEquals(placeOf(text, "é", "h"), "8:6");
});

Deno.test("makeLocator() finds keys in JSON", () => {
  const text = '{\n  "a": {"b": 1,\n\t"c": [2]}\n}';
  assertEquals(placeOf(text, "a"), "2:3");
  assertEquals(placeOf(text, "a", "b"), "2:9");
  assertEquals(placeOf(text, "a", "c"), "3:2");
});

Deno.test("makeLocator() finds keys as they are written", () => {
  const text = "1.0: a\ntrue: b\n0x10: c\n~: d\n__proto__: e\n";
  for (const [at, key] of ["1.0", "true", "0x10", "~", "__proto__"].entries()) {
    assertEquals(placeOf(text, key), `${at + 1}:1`);
  }
});

Deno.test("makeLocator() finds members of lists", () => {
  const text = `a:
  - b: 1
    c: [x,
      y]
  -
    b: 2
  - - z
`;
  assertEquals(placeOf(text, "a", 0), "2:5");
  assertEquals(placeOf(text, "a", 0, "c"), "3:5");
  assertEquals(placeOf(text, "a", 0, "c", 1), "4:7");
  assertEquals(placeOf(text, "a", 1, "b"), "6:5");
  assertEquals(placeOf(text, "a", 2, 0), "7:7");
  assertEquals(placeOf(text, "a", 3), "1:1");
  assertEquals(placeOf('{"a": [1, {\n"b": 2}]}', "a", 1, "b"), "2:1");
});

Deno.test("makeLocator() points at the deepest key that exists", () => {
  const text = "a:\n  b: 1\nc: &x {d: 1}\ne: *x\n";
  assertEquals(placeOf(text, "a", "z"), "1:1");
  assertEquals(placeOf(text, "a", "b", "z"), "2:3");
  assertEquals(placeOf(text, "e", "d"), "4:1");
  assertEquals(placeOf(text, "z"), "1:1");
});

Deno.test("makeLocator() points at the document when there are no keys", () => {
  assertEquals(placeOf(""), "1:1");
  assertEquals(placeOf("# only a comment\n", "a"), "1:1");
  assertEquals(placeOf("\n\n- a\n"), "3:1");
  assertEquals(placeOf("text", "a"), "1:1");
});
