import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { scanJson } from "../../src/schema/json_reader.ts";

const SEED = Number(Deno.env.get("SEED") ?? Date.now() % 1e6);

Deno.test(`scanJson() reads what YAML reads (seed ${SEED})`, () => {
  const random = randomNumbers(SEED);
  let readCount = 0;
  for (let round = 0; round < 3_000; round++) {
    const text = randomDocument(random);
    const read = scanJson(text);
    if (read === undefined) continue;
    readCount++;
    assertEquals(read.written, parse(text, { schema: "failsafe" }), text);
    assertEquals(read.understood, parse(text, { schema: "core" }), text);
    assertEquals(read.understood, JSON.parse(text), text);
  }
  assert(readCount > 500, `${readCount}`);
});

Deno.test("scanJson() leaves to YAML what is not plain JSON", () => {
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
  assertEquals(scanJson(text)?.understood, { steps });
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

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
