import { assert, assertEquals } from "@std/assert";
import { assembledScanModule, currentScanModule } from "../../scripts/scan.ts";
import { LIST, Scanner } from "../../src/secrets/mask/scanner.ts";
import { Random } from "../helpers/random.ts";

Deno.test("the module of the scanner is what its code gives", async () => {
  const assembled = assembledScanModule();
  assertEquals(await currentScanModule(), assembled, "run `deno task scan`");
});

/** What the scanner finds in a text: marks, and numbers. */
function placesIn(text: string): { marks: number[]; numbers: number[] } {
  const scanner = new Scanner();
  scanner.roomForFilter(10).fill(-1);
  const bytes = new TextEncoder().encode(text);
  const marks: number[] = [];
  const numbers: number[] = [];
  for (let from = 0; from < bytes.length; from = scanner.end) {
    scanner.scan(bytes, from);
    for (const found of scanner.places.subarray(0, scanner.count)) {
      const place = (found & ~LIST) - scanner.shift;
      if (found < 0) numbers.push(place);
      else if (place >= from && place < scanner.end) marks.push(place);
    }
  }
  return { marks, numbers };
}

Deno.test("Scanner finds each mark, wherever it stands", () => {
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    const text = random.text(150_000, "abcdefgh 0123456789:,.\n%&\\\x1b");
    const marks = [...text].flatMap((char, at) =>
      "\n%&\\\x1b".includes(char) ? [at] : []
    );
    assertEquals(placesIn(text).marks, marks, `seed ${random.seed}`);
  }
});

Deno.test("Scanner finds numbers in a row, wherever they stand", () => {
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
