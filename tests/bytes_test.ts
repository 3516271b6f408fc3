import { assertEquals } from "@std/assert";
import { hasByte } from "../src/bytes.ts";
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
