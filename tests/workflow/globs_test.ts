import { assert, assertEquals } from "@std/assert";
import { eventGlob, policyGlob } from "../../src/schema/globs.ts";
import { Random } from "../helpers/random.ts";

Deno.test("eventGlob() matches as the coordinator does", () => {
  const yes = [
    ["src/**", "src"],
    ["src/**", "src/a/b"],
    ["*", "a"],
    ["**/*.md", "x.md"],
    ["**/*.md", "a/b/x.md"],
    ["a/**/b", "a/b"],
    ["a/**/b", "a/x/y/b"],
    ["release/**", "release"],
    ["v*", "v1.0"],
    ["*", ".hidden"],
    ["[ab]c", "bc"],
    ["[!ab]c", "xc"],
    ["[]x]", "]"],
    ["[a-c]?", "b1"],
    ["[ab", "[ab"],
    ["a**b", "axxb"],
    ["**", "a/b"],
    ["?", "😀"],
    ["", ""],
  ];
  const no = [
    ["*", "a/b"],
    ["[!ab]c", "ac"],
    ["V*", "v1.0"],
    ["src/*", "src"],
    ["a**b", "a/b"],
    ["a.c", "abc"],
    ["[z-a]", "m"],
    ["main", "main/x"],
  ];
  for (const [pattern, text] of yes) assert(eventGlob(pattern)(text), pattern);
  for (const [pattern, text] of no) assert(!eventGlob(pattern)(text), pattern);
});

Deno.test("policyGlob() matches as policies do", () => {
  const yes = [["a/**", "a/b/c"], ["**", ""], ["a?c", "abc"], ["*.y", "x.y"]];
  const no = [
    ["a/**", "a"],
    ["**/x", "x"],
    ["*", "a/b"],
    ["a?c", "a/c"],
    ["[a]", "a"],
  ];
  for (const [pattern, text] of yes) assert(policyGlob(pattern)(text), pattern);
  for (const [pattern, text] of no) assert(!policyGlob(pattern)(text), pattern);
});

/** The same rules as a regular expression, which may be slow. */
function naiveEvent(pattern: string, text: string): boolean {
  const match = (parts: string[], segments: string[]): boolean => {
    if (parts.length === 0) return segments.length === 0;
    const [part, ...rest] = parts;
    if (part === "**") {
      return segments.some((_, at) => match(rest, segments.slice(at))) ||
        match(rest, []);
    }
    if (segments.length === 0) return false;
    const source = part.replace(/[.\\]/g, "\\$&").replaceAll("*", "[^]*")
      .replaceAll("?", "[^]");
    return new RegExp(`^${source}$`, "u").test(segments[0]) &&
      match(rest, segments.slice(1));
  };
  return match(pattern.split("/"), text.split("/"));
}

function naivePolicy(pattern: string, text: string): boolean {
  const source = pattern.replaceAll("**", "§").replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]").replaceAll("§", "[^]*");
  return new RegExp(`^${source}$`, "u").test(text);
}

Deno.test("globs agree with naive ones", () => {
  const random = new Random();
  for (let round = 0; round < 20_000; round++) {
    const pattern = random.text(random.below(8), "ab/*?");
    const text = random.text(random.below(8), "ab/");
    const label = `seed ${random.seed}: ${pattern} and ${text}`;
    assertEquals(
      eventGlob(pattern)(text),
      naiveEvent(pattern, text),
      label,
    );
    assertEquals(policyGlob(pattern)(text), naivePolicy(pattern, text), label);
  }
});

Deno.test("globs do not backtrack exponentially", () => {
  const text = "a".repeat(2_000);
  assert(!eventGlob("*a".repeat(200) + "b")(text));
  assert(!eventGlob("**/a/".repeat(200) + "b")("a/".repeat(2_000)));
  assert(!policyGlob("**a".repeat(200) + "b")(text));
});
