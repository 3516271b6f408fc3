import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  addSecrets,
  formatTable,
  parseTable,
  type SecretTable,
} from "../../src/secrets/store/store_table.ts";
import { Random } from "../helpers/random.ts";

function parse(text: string): SecretTable | undefined {
  return parseTable(new TextEncoder().encode(text));
}

function format(table: SecretTable): string {
  return new TextDecoder().decode(formatTable(table));
}

describe("formatTable()", () => {
  it("indents by two spaces", () => {
    const table: SecretTable = new Map();
    addSecrets(table, "demo/app", [["TOKEN", "s3cr3t"], ["EMPTY", ""]]);
    assertEquals(
      format(table),
      `{
  "demo/app": {
    "TOKEN": "s3cr3t",
    "EMPTY": ""
  }
}`,
    );
    assertEquals(format(new Map()), "{}");
  });

  it("round-trips through parseTable() with any names and values", () => {
    const random = new Random();
    const alphabet = [
      "a",
      "/",
      "-",
      "ä",
      "🔑",
      "\n",
      '"',
      "\\",
      "\0",
      "\u2028",
    ];
    const names = ["__proto__", "constructor", "toString", "0", "10", ""];
    const word = () =>
      random.below(3) === 0
        ? random.pick(names)
        : Array.from({ length: random.below(8) }, () => random.pick(alphabet))
          .join("");
    // After JSON.parse() of V8 15.0 has read a name that is a backslash, it reads a
    // quotation mark at the same position as a backslash. References allow neither.
    const name = () => word().replaceAll("\\", "/");
    for (let round = 0; round < 300; round++) {
      const table: SecretTable = new Map();
      for (let i = random.below(6); i > 0; i--) {
        addSecrets(table, name(), [[name(), word()], [name(), word()]]);
      }
      const read = parse(format(table))!;
      // Keys that look like numbers come first, so the order is ignored.
      assertEquals(sorted(read), sorted(table), `seed ${random.seed}`);
    }
  });
});

describe("parseTable()", () => {
  it("accepts names of object members without prototype pollution", () => {
    const table = parse(
      `{"__proto__": {"polluted": "yes", "__proto__": "x"}, "toString": {}}`,
    )!;
    assertEquals([...table.keys()], ["__proto__", "toString"]);
    assertEquals(table.get("__proto__")!.get("__proto__"), "x");
    assertEquals(({} as Record<string, unknown>).polluted, undefined);
    assertEquals(parse("{}")!.get("constructor"), undefined);
  });

  it("accepts only strings in objects in an object", () => {
    for (
      const text of [
        ...["", "null", "[]", "1", `"a"`, "{", "{} {}"],
        ...[`{"a": null}`, `{"a": []}`, `{"a": "b"}`, `{"a": 1}`],
        ...[`{"a": {"b": 1}}`, `{"a": {"b": null}}`, `{"a": {"b": {}}}`],
        ...[`{"a": {"b": "c"}, "d": {"e": ["f"]}}`],
        "[".repeat(100_000),
        `{"a":`.repeat(100_000),
      ]
    ) {
      assertEquals(parse(text), undefined, text.slice(0, 40));
    }
    assertEquals(parseTable(Uint8Array.of(0x7b, 0xff, 0x7d)), undefined);
  });
});

function sorted(table: SecretTable): unknown {
  return [...table].map(([path, keys]) => [path, [...keys].sort()]).sort();
}
