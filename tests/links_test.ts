/**
 * Modules with the names of std behave like std and are typed as strictly.
 *
 * Functions named `misuse` are never called: that they compile is the test,
 * for a line that no longer is an error makes `@ts-expect-error` one.
 */
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { promptSecret } from "@std/cli/prompt-secret";
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { join } from "@std/path/posix/join";
import { normalize } from "@std/path/posix/normalize";
import { relative } from "@std/path/posix/relative";
import { resolve } from "@std/path/posix/resolve";
import { toBytes } from "@std/streams/to-bytes";
import { toText } from "@std/streams/to-text";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  it,
} from "@std/testing/bdd";
import { parse, parseAll } from "@std/yaml/parse";
import { stringify } from "@std/yaml/stringify";

Deno.test("@std/assert passes if an assertion holds", async () => {
  assert(1);
  assertFalse("");
  assertEquals({ a: [1] }, { a: [1] });
  assertNotEquals([1], [2]);
  assertStrictEquals("a", "a");
  assertNotStrictEquals([1], [1]);
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertExists(0);
  assertInstanceOf(new Map(), Map);
  assertIsError(new TypeError("no way"), TypeError, "way");
  assertStringIncludes("abc", "b");
  assertMatch("abc", /^a/);
  assertNotMatch("abc", /^b/);
  assertObjectMatch({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } });
  assertArrayIncludes([1, 2, 3], [3, 1]);
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess("a", "b");
  assertLessOrEqual(1, 1);
  assert(equal(new Set([1]), new Set([1])));
  const thrown = assertThrows(() => JSON.parse("{"), SyntaxError);
  assertInstanceOf(thrown, SyntaxError);
  const rejected = await assertRejects(
    () => Promise.reject(new RangeError("too far")),
    RangeError,
    "far",
  );
  assertEquals(rejected.message, "too far");
});

Deno.test("@std/assert throws if an assertion does not hold", async () => {
  const wrong: (() => unknown)[] = [
    () => assert(0),
    () => assertFalse(1),
    () => assertEquals<unknown>([1], ["1"]),
    () => assertNotEquals([1], [1]),
    () => assertStrictEquals<unknown>([1], [1]),
    () => assertNotStrictEquals("a", "a"),
    () => assertAlmostEquals(1, 1.1),
    () => assertExists(null),
    () => assertInstanceOf([], Map),
    () => assertIsError("text"),
    () => assertStringIncludes("abc", "d"),
    () => assertMatch("abc", /d/),
    () => assertNotMatch("abc", /b/),
    () => assertObjectMatch({ a: 1 }, { a: 2 }),
    () => assertArrayIncludes([1], [2]),
    () => assertGreater(1, 1),
    () => assertGreaterOrEqual(1, 2),
    () => assertLess(1, 1),
    () => assertLessOrEqual(2, 1),
    () => assertThrows(() => 1),
    () => fail("here"),
    () => unreachable(),
  ];
  for (const body of wrong) assertThrows(body, AssertionError);
  await assertRejects(
    () => assertRejects(() => Promise.resolve()),
    AssertionError,
  );
});

Deno.test("@std/cli parses arguments", () => {
  const args = ["-v", "--name", "7", "--tag=a", "--tag=b", "go", "--", "x"];
  const parsed = parseArgs(args, {
    alias: { verbose: "v" },
    boolean: ["verbose"],
    string: ["name"],
    collect: ["tag"],
    default: { depth: 1 },
    "--": true,
  });
  assertEquals({ ...parsed }, {
    _: ["go"],
    "--": ["x"],
    v: true,
    verbose: true,
    name: "7",
    tag: ["a", "b"],
    depth: 1,
  });
});

Deno.test("@std/cli offers to ask for a secret", () => {
  assertEquals(typeof promptSecret, "function");
});

Deno.test("@std/path handles paths", () => {
  assertEquals(basename("/a/b.txt", ".txt"), "b");
  assertEquals(dirname("/a/b.txt"), "/a");
  assertEquals(isAbsolute("a"), false);
  assertEquals(join("/a", "../b", "c"), "/b/c");
  assertEquals(normalize("/a/./b//../c/"), "/a/c/");
  assertEquals(relative("/a/b", "/a/c"), "../c");
  assertEquals(resolve("/a", "b"), "/a/b");
});

Deno.test("@std/streams reads streams to their ends", async () => {
  const stream = () =>
    ReadableStream.from([new Uint8Array([104]), new Uint8Array([105])]);
  assertEquals(await toBytes(stream()), new Uint8Array([104, 105]));
  assertEquals(await toText(stream()), "hi");
});

Deno.test("@std/yaml reads and writes", () => {
  assertEquals(parse("a: 010", { schema: "failsafe" }), { a: "010" });
  assertEquals(parseAll("1\n---\n2\n"), [1, 2]);
  assertEquals(stringify({ b: [1], a: "yes" }), "b:\n  - 1\na: 'yes'\n");
  assertThrows(() => parse("a: 1\na: 2"), SyntaxError, "duplicated");
});

describe("@std/testing", () => {
  const calls: string[] = [];
  beforeAll(() => {
    calls.push("beforeAll");
  });
  beforeEach(() => {
    calls.push("beforeEach");
  });
  afterEach(() => {
    calls.push("afterEach");
  });
  afterAll(() => {
    assertEquals(calls.at(-1), "afterEach");
  });
  it("sets up once for the group and once for each test", () => {
    assertEquals(calls, ["beforeAll", "beforeEach"]);
  });
  it("cleans up after each test", async () => {
    await Promise.resolve();
    assertEquals(calls.slice(2), ["afterEach", "beforeEach"]);
  });
});

Deno.test("all links lead to one version of std", async () => {
  const links = new URL("../links/", import.meta.url);
  const versions = new Set<string>();
  for (const text of await readFolder(links)) {
    for (const [, version] of text.matchAll(/npm:(deno-std@[^/"]*)/g)) {
      versions.add(version);
    }
  }
  assertEquals(versions.size, 1, `found ${[...versions].join(", ")}`);
});

async function readFolder(folder: URL): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) {
      texts.push(...await readFolder(new URL(`${name}/`, folder)));
    } else {
      texts.push(await Deno.readTextFile(new URL(name, folder)));
    }
  }
  return texts;
}

export async function misuseOfAssert(value: unknown): Promise<never> {
  // @ts-expect-error two types
  assertEquals(1, "1");
  // @ts-expect-error text is not a list
  assertArrayIncludes("abc", "b");
  // @ts-expect-error no expression
  assertMatch("abc", "a");
  // @ts-expect-error no text
  assertStringIncludes(["a"], "a");
  // @ts-expect-error no class
  assertInstanceOf(value, {});
  // @ts-expect-error not a class of errors
  assertThrows(() => 1, Map);
  // @ts-expect-error not a function
  assertThrows(1);
  // @ts-expect-error no promise
  await assertRejects(() => 1);
  // @ts-expect-error a message is needed
  throw new AssertionError();
}

export function misuseOfCli(args: readonly string[]): void {
  // @ts-expect-error no list
  parseArgs(1);
  // @ts-expect-error a list that must not be changed
  parseArgs(args);
  // @ts-expect-error no list of names
  parseArgs([], { string: [1] });
  // @ts-expect-error no such option
  parseArgs([], { strings: ["a"] });
  // @ts-expect-error the value may be anything
  parseArgs([], { string: ["a"] }).a.length;
  // @ts-expect-error may be null
  promptSecret("Token").length;
}

export function misuseOfPath(): void {
  // @ts-expect-error no path
  join(1);
  // @ts-expect-error no suffix
  basename("/a", 1);
  // @ts-expect-error two paths are needed
  relative("/a");
  // @ts-expect-error no path
  resolve("/a", undefined);
}

export async function misuseOfStreams(text: string): Promise<void> {
  // @ts-expect-error no stream
  await toText(text);
  // @ts-expect-error a stream of text
  await toBytes(new ReadableStream<string>());
}

export function misuseOfTesting(): void {
  // @ts-expect-error no name
  it(() => {});
  // @ts-expect-error no body
  describe("name");
  // @ts-expect-error no body
  beforeEach("name");
}

export function misuseOfYaml(bytes: Uint8Array): void {
  // @ts-expect-error no text
  parse(bytes);
  // @ts-expect-error no such schema
  parse("", { schema: "strict" });
  // @ts-expect-error the value may be anything
  parse("a: 1").a;
  // @ts-expect-error no such option
  stringify({}, { indentation: 2 });
}
