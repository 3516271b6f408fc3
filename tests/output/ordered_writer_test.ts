import { assert, assertEquals } from "@std/assert";
import { type ByteWriter, OrderedWriter } from "../../src/output/log_file.ts";
import { ByteLog } from "../helpers/byte_log.ts";
import { Random } from "../helpers/random.ts";
import { soon } from "../helpers/soon.ts";

const encoder = new TextEncoder();

/**
 * A file that accepts only a part of each write, and at some point nothing
 * more.
 */
class SlowFile extends ByteLog implements ByteWriter {
  readonly #random: Random;
  readonly #size: number;
  writes = 0;

  constructor(random: Random, size = Infinity) {
    super();
    this.#random = random;
    this.#size = size;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (this.length >= this.#size) throw new Error("No space left on device");
    const count = 1 + this.#random.below(bytes.length);
    const taken = bytes.subarray(0, Math.min(count, this.#size - this.length));
    this.add(taken);
    return taken.length;
  }
}

Deno.test("OrderedWriter keeps the order of writes of any size", async () => {
  const random = new Random();
  for (const size of [Infinity, 150_000]) {
    const file = new SlowFile(random, size);
    const [all, unwritten] = [new ByteLog(), new ByteLog()];
    const failures: unknown[] = [];
    const writer = new OrderedWriter(file, {
      onFailure: (cause) => failures.push(cause),
      onUnwritten: (bytes) => unwritten.add(bytes),
    });
    for (let count = 0; count < 100; count++) {
      const length = random.pick([0, 1, 10, 1_000, 70_000]);
      const bytes = encoder.encode(random.text(length, "abc"));
      all.add(bytes);
      const written = writer.write(bytes);
      if (random.below(3) === 0) await soon(written, "a write");
      if (length < 65_536) bytes.fill(0);
    }
    await soon(writer.flush(), "the last write");
    const message = `seed ${random.seed}`;
    assert(all.text === file.text + unwritten.text, message);
    assertEquals(writer.writtenBytes, file.length, message);
    assertEquals(failures.length, size === Infinity ? 0 : 1, message);
  }
});

Deno.test("OrderedWriter combines small writes, and waits if there are many", async () => {
  const file = new SlowFile(new Random());
  const writer = new OrderedWriter(file, { onFailure: () => {} });
  let isDone = false;
  for (let count = 0; count < 64; count++) {
    await writer.write(encoder.encode("x".repeat(100)));
  }
  assertEquals(file.length, 0);
  const waiting = writer.write(encoder.encode("x".repeat(65_000)))
    .then(() => isDone = true);
  await Promise.resolve();
  assertEquals(isDone, false);
  await soon(waiting, "a write");
  assertEquals(file.length, 71_400);
  assert(file.writes < 64, `${file.writes} writes`);
});

Deno.test("OrderedWriter survives a full disk", async () => {
  using full = await Deno.open("/dev/full", { write: true });
  const failures: unknown[] = [];
  const writer = new OrderedWriter(full, {
    onFailure: (cause) => failures.push(cause),
  });
  for (const text of ["a", "b".repeat(100_000), "c"]) {
    await writer.write(encoder.encode(text));
  }
  await soon(writer.flush(), "the last write");
  assertEquals(failures.length, 1);
});
