import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "@std/yaml/parse";
import { makeLocator } from "../../src/schema/locate.ts";
import { resolveMergeKeys, scanJson } from "../../src/schema/read_document.ts";
import { readProblems, readSteps, readText } from "../helpers/job_file.ts";
import { Random } from "../helpers/random.ts";

const resolve = (document: unknown) =>
  resolveMergeKeys(document, { count: () => {}, report: () => {} });

describe("a merge key", () => {
  it("merges the keys of a mapping into another one, which takes precedence", async () => {
    assertEquals(
      await readSteps(`
steps:
  - &base { name: one, run: echo, env: { A: "1", B: "2" }, timeout: 5 }
  - <<: *base
    name: two
    env: { C: "3" }
`),
      [
        {
          name: "one",
          run: "echo",
          env: { A: "1", B: "2" },
          timeoutMs: 5_000,
        },
        { name: "two", run: "echo", env: { C: "3" }, timeoutMs: 5_000 },
      ],
    );
  });

  it("merges a list, of which earlier mappings take precedence", async () => {
    const { layer } = await readText(`
command: x
environment:
  OWN: own
  <<: [{ A: "1", OWN: no }, { A: "2", B: "2" }]
  LAST: "1.0"
`);
    assertEquals(Object.entries(layer.job_env!.value), [
      ["A", "1"],
      ["B", "2"],
      ["OWN", "own"],
      ["LAST", "1.0"],
    ]);
  });

  it("reaches through mappings that merge others", async () => {
    const { layer } = await readText(`
command: x
resources:
  a: &a { A: "1", B: "1", C: "1" }
  b: &b { <<: *a, B: "2", C: "2" }
environment: { <<: *b, C: "3" }
`);
    assertEquals(layer.job_env!.value, { A: "1", B: "2", C: "3" });
  });

  it("that cannot be merged is a problem with its position", async () => {
    const texts: readonly [text: string, ...problems: string[]][] = [
      ["<<: x", "3:15: <<"],
      ["<<: [{ A: a }, x]", "3:20: <<[1]"],
      ["<<:", "3:15: <<"],
      ["<<: [[{ A: a }]]", "3:20: <<[0]"],
    ];
    for (const [text, problem] of texts) {
      const [first] = await readProblems(
        `command: x\n\nenvironment: { ${text} }\n`,
      );
      assert(first.endsWith("must be a mapping or a list of mappings"), first);
      assertEquals(first.split(" ", 2)[1], problem.split(" ")[1], first);
    }
  });

  it("that leads back to its own mapping is a problem", async () => {
    const texts = [
      "environment: &e { <<: *e, A: a }",
      "environment: &e { <<: [*e] }",
      "environment: &e { <<: { <<: *e } }",
      "environment: &e { <<: &f { <<: *e, B: b } }",
    ];
    for (const text of texts) {
      const problems = await readProblems(`command: x\n${text}\n`);
      assertMatch(problems[0], /must not merge a mapping into itself$/, text);
    }
  });

  it("bounds its work when each mapping merges many others", async () => {
    const keys = Array.from({ length: 20_000 }, (_, at) => `k${at}: v`);
    const uses = Array.from({ length: 20_000 }, () => "*a").join(",");
    const wide = `resources:\n  - &a {${keys.join(",")}}\n  - <<: [${uses}]\n`;
    const levels = Array.from(
      { length: 40 },
      (_, at) => `  - &x${at + 1} {<<: [*x${at}, *x${at}], l${at}: v}\n`,
    );
    const deep = `resources:\n  - &x0 {${keys.slice(0, 9).join(",")}}\n${
      levels.join("")
    }`;
    const [problem] = await readProblems(`${wide}command: x\n`);
    assertMatch(problem, /its aliases expand to more than 1000000 values/);
    const { layer } = await readText(`${deep}command: x\n`);
    assertEquals(layer.job_command?.value, "x");
  });

  it("does not pollute prototypes", async () => {
    const { layer } = await readText(
      "command: x\nenvironment: { <<: { __proto__: p, constructor: c } }\n",
    );
    assertEquals(Object.entries(layer.job_env!.value), [
      ["__proto__", "p"],
      ["constructor", "c"],
    ]);
    assertEquals(({} as Record<string, unknown>).p, undefined);
  });
});

/** Merges like PyYAML: a list of pairs, where later ones take precedence. */
function naiveMerge(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(naiveMerge);
  if (typeof value !== "object" || value === null) return value;
  const pairsOf = (mapping: object): [string, unknown][] => {
    const merged: [string, unknown][] = [];
    const own: [string, unknown][] = [];
    for (const [key, member] of Object.entries(mapping)) {
      if (key !== "<<") own.push([key, member]);
      else if (!Array.isArray(member)) merged.push(...pairsOf(member));
      else merged.push(...member.map(pairsOf).reverse().flat());
    }
    return [...merged, ...own];
  };
  return Object.fromEntries(
    pairsOf(value).map(([key, member]) => [key, naiveMerge(member)]),
  );
}

Deno.test("resolveMergeKeys() agrees with a naive version", () => {
  const random = new Random();
  const mapping = (depth: number): Record<string, unknown> =>
    Object.fromEntries(
      Array.from({ length: random.below(4) }, () => {
        const key = random.pick(["a", "b", "c", "<<"]);
        if (key !== "<<") {
          return [key, depth > 0 && random.below(2) ? mapping(depth - 1) : "v"];
        }
        if (depth === 0) return ["<<", {}];
        const list = Array.from(
          { length: random.below(3) },
          () => mapping(depth - 1),
        );
        return [key, random.below(2) ? list : mapping(depth - 1)];
      }),
    );
  for (let round = 0; round < 2_000; round++) {
    const document = mapping(4);
    const expected = JSON.stringify(naiveMerge(document));
    assertEquals(
      JSON.stringify(resolve(document)),
      expected,
      `seed ${random.seed}`,
    );
  }
});

Deno.test("makeLocator() finds a key where it was merged from", () => {
  const locate = makeLocator(
    "a: &a\n  x: 1\nb: &b { <<: [{ y: 1 }, *a] }\nc: { <<: *b, <<: *c }\n",
  );
  assertEquals(locate(["b", "x"]), { line: 2, column: 3 });
  assertEquals(locate(["c", "y"]), { line: 3, column: 16 });
  assertEquals(locate(["c", "z"]), { line: 4, column: 1 });
});

const SEED = Number(Deno.env.get("SEED") ?? Date.now() % 1e6);

Deno.test(`scanJson() reads what YAML reads (seed ${SEED})`, () => {
  const numbers = new Random(SEED);
  const random = () => numbers.below(2 ** 32) / 2 ** 32;
  let readCount = 0;
  for (let round = 0; round < 3_000; round++) {
    const text = randomDocument(random);
    const read = scanJson(text);
    if (read === undefined) continue;
    readCount++;
    assertEquals(read.written, parse(text, { schema: "failsafe" }), text);
    assertEquals(read.parsed, parse(text, { schema: "core" }), text);
    assertEquals(read.parsed, JSON.parse(text), text);
  }
  assert(readCount > 500, `${readCount}`);
});

Deno.test("scanJson() rejects what is not plain JSON", () => {
  const texts = [
    ...["", "a: 1", "1", '"a"', "[1,]", '{"a":1,}', "{a: 1}", "[1] # text"],
    ...['{"a":1,"a":2}', '{"<<":{}}', '{"__proto__":1}', "[1]\n---\n[2]"],
    ...[
      "[1e400]",
      "[-0]",
      "[01]",
      "[1.]",
      "[.5]",
      "[0x1]",
      "[1234567890123456]",
    ],
    ...['["\\/"]', '["\\ud83d\\ude00"]', '["\x7f"]', '["a\nb"]', "['a']"],
    ...['{"a"\n:1}', "[tru]", "[nulls]", "[1", '{"a"', '["a', "[1]]", "{1:2}"],
    "[".repeat(100) + "]".repeat(100),
    `{"${"k".repeat(2_000)}": 1}`,
  ];
  for (const text of texts) assertEquals(scanJson(text), undefined, text);
});

Deno.test("scanJson() reads a large job file", () => {
  const steps = Array.from({ length: 1_000 }, (_, at) => ({
    name: `step ${at} "é"`,
    run: "echo 'a\tb'\nexit $?",
    retries: at,
    needs: [],
    cache: { inputs: "src/**", secrets: at % 2 === 0, env: null },
  }));
  const text = JSON.stringify({ steps }, null, 2);
  assertEquals(scanJson(text)?.parsed, { steps });
});

function randomDocument(random: () => number): string {
  const pick = <T>(items: readonly T[]) =>
    items[Math.floor(random() * items.length)];
  const space = () => pick(["", "", "", " ", "\n", "\n  ", "\t", " \r\n"]);
  const string = () => {
    const pieces = [
      ...["a", "B", " ", "-", ":", "#", "é", "😀", "{", "]", ",", "'", "<<"],
      ...[
        "null",
        "1",
        "\\n",
        "\\\\",
        '\\"',
        "\\u00e9",
        "\\u0000",
        "\\t",
        "\\b",
      ],
      ...[
        "\\/",
        "\\ud83d",
        "\u2028",
        "\x85",
        "\ufeff",
        "%",
        "&",
        "*",
        "!",
        "|",
      ],
    ];
    const count = Math.floor(random() * 5);
    return `"${Array.from({ length: count }, () => pick(pieces)).join("")}"`;
  };
  const scalar = () =>
    pick([
      string,
      () => pick(["true", "false", "null", "0", "-1", "12.50", "1e3", "-0"]),
      () => pick(["123456789012345", "0.1", "9007199254740993", "~", "yes"]),
    ])();
  const value = (depth: number): string => {
    if (depth > 3 || random() < 0.4) return space() + scalar() + space();
    const count = Math.floor(random() * 4);
    const isList = random() < 0.5;
    const items = Array.from({ length: count }, () => {
      const item = value(depth + 1);
      const key = `${space()}${string()}${pick(["", "", " ", "\n"])}:`;
      return isList ? item : key + item;
    });
    const inner = items.length === 0 ? space() : items.join(",");
    return space() + (isList ? `[${inner}]` : `{${inner}}`) + space();
  };
  return value(0);
}
