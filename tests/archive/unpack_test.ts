import { assert, assertEquals, assertRejects } from "@std/assert";
import { Budget } from "../../src/archive/entry.ts";
import { tarEntries } from "../../src/archive/tar_entries.ts";
import { FileWriter, unpack } from "../../src/archive/unpack.ts";
import { RunnerError } from "../../src/errors.ts";
import { isInside } from "../../src/job_path.ts";
import { createTar, type TarEntry } from "../helpers/archives.ts";
import { Random } from "../helpers/random.ts";
import {
  listFiles,
  makeFiles,
  openToAll,
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

const PARTS = ["a", "b", "c", "..", ".", ""];

/** A path from a few names, so that entries collide. */
function randomPath(random: Random, wildness: number): string {
  const length = 1 + random.below(4);
  return Array.from({ length }, () =>
    // Names that are rejected immediately would hide later problems.
    PARTS[random.below(random.below(wildness) === 0 ? PARTS.length : 3)])
    .join("/");
}

function randomEntry(random: Random): TarEntry {
  const type = ["0", "0", "1", "2", "2", "5"][random.below(6)];
  return {
    name: randomPath(random, 20),
    type,
    ...type === "0" ? { content: "evil" } : {},
    ...type === "1" ? { target: randomPath(random, 20) } : {},
    ...type === "2" ? { target: randomPath(random, 2) } : {},
  };
}

Deno.test("unpack() writes nothing outside and leaves no link that leads out, for any archive", async () => {
  const random = new Random();
  let acceptedCount = 0;
  for (let round = 0; round < 150; round++) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const root = `${path}/x/y/root`;
    const outside = { "a": "mine", "x/b": "mine", "x/y/c": "mine" };
    await makeFiles(path, outside);
    await Deno.mkdir(root);
    const entries = Array.from(
      { length: 1 + random.below(6) },
      () => randomEntry(random),
    );
    const bytes = createTar(entries);
    const context = `seed ${random.seed}, round ${round}: ${
      JSON.stringify(entries)
    }`;
    const budget = new Budget(
      { maxEntries: 100, maxBytes: 1e6, maxRatio: 100 },
      bytes.length,
    );
    const isAccepted = await unpack(tarEntries(streamOf(bytes), budget), root, {
      stripTop: random.below(4) === 0,
      budget,
      signal: new AbortController().signal,
    }).then(() => true, (error) => {
      assert(error instanceof RunnerError, `${context}\n${error}`);
      return false;
    });
    // An archive may contain directories that only root can list.
    await openToAll(path);
    const all = Object.entries(await listFiles(path));
    const around = all.filter(([name, content]) =>
      content !== "" && !name.startsWith("x/y/root")
    );
    assertEquals(Object.fromEntries(around), outside, context);
    if (!isAccepted) continue;
    acceptedCount++;
    for (const [name, content] of all) {
      if (!content.startsWith("-> ")) continue;
      // A dangling link leads nowhere until its target is created, even inside.
      const real = await Deno.realPath(`${path}/${name}`).catch(() => root);
      assert(isInside(root, real), `${context}\n${name} leads to ${real}`);
    }
  }
  assert(acceptedCount > 10, `only ${acceptedCount}, seed ${random.seed}`);
});

Deno.test("unpack() can be stopped within an endless file", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const stop = new AbortController();
  const content = async function* () {
    for (let count = 0;; count++) {
      if (count === 10) stop.abort(new DOMException("stopped", "AbortError"));
      yield await Promise.resolve(new Uint8Array(64 * 1024));
    }
  };
  const entries = async function* () {
    yield await Promise.resolve({
      name: "endless",
      type: "file" as const,
      mode: 0o644,
      content: content(),
    });
  };
  await assertRejects(
    () =>
      unpack(entries(), path, {
        stripTop: false,
        budget: new Budget({ maxEntries: 1, maxBytes: 1, maxRatio: 1 }, 1),
        signal: stop.signal,
      }),
    DOMException,
    "stopped",
  );
});

/** Chunks of odd sizes, as from a pipe. */
async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 777) {
    yield await Promise.resolve(bytes.subarray(at, at + 777));
  }
}
