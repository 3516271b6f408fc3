import { assert, assertEquals } from "@std/assert";
import { assembledScanModule, currentScanModule } from "../../scripts/scan.ts";
import { LIST, ROWS, RUNS, Scanner } from "../../src/secrets/mask/scanner.ts";
import { wordAt, WordFilter } from "../../src/secrets/mask/word_index.ts";
import { Random } from "../helpers/random.ts";

Deno.test("the module of the scanner is up to date with its source", async () => {
  const assembled = assembledScanModule();
  assertEquals(await currentScanModule(), assembled, "run `deno task scan`");
});

/** Returns what the scanner finds in a text: marks, numbers, rows and runs. */
function placesIn(text: string) {
  const scanner = new Scanner();
  scanner.allocateFilter(10).fill(-1);
  const bytes = new TextEncoder().encode(text);
  const marks: number[] = [];
  const numbers: number[] = [];
  const rows: number[] = [];
  const runs: number[] = [];
  for (let from = 0; from < bytes.length; from = scanner.end) {
    scanner.scan(bytes, from);
    for (const found of scanner.places.subarray(0, scanner.count)) {
      const place = (found & ~(LIST | ROWS | RUNS)) - scanner.shift;
      if (found < 0) numbers.push(place);
      else if ((found & ROWS) !== 0) rows.push(place);
      else if ((found & RUNS) !== 0) runs.push(place);
      else if (place >= from && place < scanner.end) marks.push(place);
    }
  }
  return { marks, numbers, rows, runs };
}

Deno.test("Scanner finds each mark at any position", () => {
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    const text = random.text(150_000, "abcdefgh 0123456789:,.\n%&\\\x1b");
    const marks = [...text].flatMap((char, at) =>
      "\n%&\\\x1b".includes(char) ? [at] : []
    );
    assertEquals(placesIn(text).marks, marks, `seed ${random.seed}`);
  }
});

Deno.test("Scanner finds consecutive numbers at any position", () => {
  for (
    const list of [
      "22:70:61:73:64:65",
      "104, 117, 110, 116, 101, 114",
      "0x22,0x70,0x61,0x73,0x64,0x65",
    ]
  ) {
    for (let at = 65_400; at < 65_600; at++) {
      const { numbers } = placesIn(`${"-x".repeat(at / 2)} ${list} end`);
      assert(
        numbers.some((place) => place > at && place < at + 30),
        `${list} at ${at}`,
      );
    }
  }
});

Deno.test("Scanner finds no numbers in versions and times", () => {
  const text =
    "2023-11-14T22:43:50.123Z v1.2.3 10.0.0.1 (12/25) 7f3a9b21, 1234";
  assertEquals(placesIn(text).numbers, []);
});

Deno.test("Scanner finds rows of hex dumps at any position, and none in names and times", () => {
  const starts = ["0000000 63", "0000000   c   o", "00000010: 6563742d"];
  for (const row of starts) {
    for (let at = 65_400; at < 65_600; at++) {
      const { rows } = placesIn(`${"x|".repeat(at / 2)} ${row} end`);
      assert(rows.some((place) => place > at), `${row} at ${at}`);
    }
  }
  const text =
    "2023-11-14T22:43:50.123Z 3f2504e0-4f89-11d3-9a0c-0305e82c3301 port 8080, 1 2 3";
  assertEquals(placesIn(text).rows, []);
});

Deno.test("Scanner finds runs of digits that encode text at any position, and none in names and hashes", () => {
  const runs = [
    btoa("a text"),
    btoa("-longer text").slice(1),
    "6120746578742e2e",
  ];
  for (const run of runs.map((run) => run.padEnd(11, "x"))) {
    for (let at = 65_400; at < 65_600; at++) {
      const { runs } = placesIn(`${"-.".repeat(at / 2)}${run}.`);
      assert(
        runs.some((place) => place >= at - 1 && place < at + 8),
        `${run} at ${at}`,
      );
    }
  }
  const text = "2023-11-14T22:43:50 7f3a9b21c4d0e8f6a5b3c2d1e0f9a8b7 " +
    "reconciliation /usr/lib/libsomething.so sha512";
  assertEquals(placesIn(text).runs, []);
});

Deno.test("Scanner finds the terminal codes that a secret may span, and no others", () => {
  const scanner = new Scanner();
  const filter = new WordFilter(10, scanner.allocateFilter(10));
  const secret = "correct-horse";
  for (let at = 0; at + 4 <= secret.length; at++) {
    filter.add(wordAt(new TextEncoder().encode(secret), at, 4));
  }
  const isFound = (before: string, code: string, after: string) => {
    const start = "x".repeat(1_200) + before;
    const text = start + code + after + "x".repeat(100);
    scanner.scan(new TextEncoder().encode(text), 0);
    const places = scanner.places.subarray(0, scanner.count);
    return places.includes(start.length + scanner.shift);
  };
  const codes = [
    "\x1b[0m",
    "\x1b[0m\x1b[1;32m",
    "\x1b[0m\n\x1b[32m",
    "\n\x1b[m",
  ];
  for (const code of codes) {
    const name = JSON.stringify(code);
    assertEquals(isFound("done", code, "2026-11-28"), false, name);
    for (let at = 1; at < secret.length; at++) {
      const [before, after] = [secret.slice(0, at), secret.slice(at)];
      assert(isFound(before, code, after), `${name} ${at}`);
    }
    assert(isFound("done", code, "00000010: 63"), name);
    // The text before may be part of an escape.
    for (const escape of ["\\u0063orre", "%63orre", "\x1b]0;a title"]) {
      assert(isFound(`corr${escape}`, code, "done"), `${escape} ${name}`);
    }
  }
  scanner.keepCodes();
  assert(isFound("done", "\x1b[0m", "2026"));
});
