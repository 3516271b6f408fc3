import { assertEquals } from "@std/assert";
import { equalBytes, hasByte } from "../src/bytes.ts";
import { Random } from "./helpers/random.ts";

Deno.test("hasByte() finds a byte at any position, as includes() does", () => {
  const random = new Random();
  for (let round = 0; round < 20_000; round++) {
    const room = Uint8Array.from(
      { length: random.below(100) },
      () => random.pick([12, 13, 14, 0, 0x8d, 255, 1]),
    );
    const start = random.below(room.length + 1);
    const end = start + random.below(room.length + 1 - start);
    const bytes = room.subarray(start, end);
    const byte = random.pick([13, 0, 255]);
    const message = `${room} ${start} ${end} ${byte}, seed ${random.seed}`;
    assertEquals(hasByte(bytes, byte), bytes.includes(byte), message);
  }
});

Deno.test("equalBytes() compares the whole content", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  assertEquals(equalBytes(bytes(), bytes()), true);
  assertEquals(equalBytes(bytes(1, 2), bytes(1, 2)), true);
  assertEquals(equalBytes(bytes(1, 2), bytes(1)), false);
  assertEquals(equalBytes(bytes(1), bytes(1, 2)), false);
  assertEquals(equalBytes(bytes(1, 2), bytes(1, 3)), false);
});
