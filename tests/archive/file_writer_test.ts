import { assertEquals } from "@std/assert";
import { FileWriter } from "../../src/archive/file_writer.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A clock by which every write takes long. */
function slowClock(): Disposable {
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 100;
  return {
    [Symbol.dispose]: () => {
      performance.now = now;
    },
  };
}

Deno.test("FileWriter writes the same on a slow file system, although memory is reused", async () => {
  await using directory = await temporaryDirectory();
  using _ = slowClock();
  const writer = new FileWriter();
  const memory = new Uint8Array(100_000);
  const expected: Record<string, string> = {};
  for (let count = 0; count < 100; count++) {
    const text = `${count} `.repeat(count % 10 === 0 ? 20_000 : 10);
    const bytes = new TextEncoder().encode(text);
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += memory.length) {
        const chunk = bytes.subarray(at, at + memory.length);
        memory.set(chunk);
        yield await Promise.resolve(memory.subarray(0, chunk.length));
      }
    };
    memory.set(bytes.subarray(0, memory.length));
    const content = count % 3 === 0 || bytes.length > memory.length
      ? chunks()
      : memory.subarray(0, bytes.length);
    await writer.write(`${directory.path}/${count}`, {
      name: String(count),
      type: "file",
      mode: 0o640,
      modifiedAt: new Date(1_000_000_000_123),
      content,
    });
    expected[String(count)] = text;
  }
  await writer.drain();
  assertEquals(await listFiles(directory.path), expected);
  for (let count = 0; count < 100; count++) {
    const info = await Deno.stat(`${directory.path}/${count}`);
    assertEquals((info.mode ?? 0) & 0o777, 0o640);
    assertEquals(info.mtime?.getTime(), 1_000_000_000_123);
  }
});
