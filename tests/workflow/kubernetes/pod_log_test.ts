import { assert, assertEquals, assertRejects } from "@std/assert";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
  type ClusterTransport,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import {
  followLog,
  LogCursor,
} from "../../../src/workflow/kubernetes/pod_log.ts";
import { Random } from "../../helpers/random.ts";

const encoder = new TextEncoder();

/** Formats a line of a log; the number is its time in nanoseconds. */
function line(at: number, text: string): string {
  return `2026-11-29T10:00:00.${String(at).padStart(9, "0")}Z ${text}`;
}

/** Yields the text of one stream of a log, and may end the container in between. */
type Stream = (
  ended: AbortController,
  signal: AbortSignal,
) => AsyncGenerator<string, void>;

/** Follows a log whose streams are given; the last one is repeated. */
async function follow(...streams: Stream[]) {
  const ended = new AbortController();
  const parts: Uint8Array[] = [];
  let count = 0;
  const transport: Pick<ClusterTransport, "namespace" | "stream"> = {
    namespace: "ci",
    async *stream(_path, signal) {
      const stream = streams[Math.min(count++, streams.length - 1)];
      for await (const text of stream(ended, signal)) {
        yield encoder.encode(text);
      }
      signal.throwIfAborted();
    },
  };
  const problem = await followLog(new Cluster(transport as ClusterTransport), {
    pod: "pod",
    container: "job",
    ended: ended.signal,
    write: (bytes) => {
      parts.push(bytes);
      return Promise.resolve();
    },
    signal: new AbortController().signal,
    outageMs: 20,
    idleMs: 20,
    minPauseMs: 1,
  });
  const text = parts.map((part) => new TextDecoder().decode(part)).join("");
  return { text, problem, count };
}

const ALL = `${line(1, "a\n")}${line(1, "b\n")}${line(2, "c")}`;

/** Sends the complete log of a container that has ended. */
async function* whole(ended: AbortController): AsyncGenerator<string, void> {
  await Promise.resolve();
  ended.abort();
  yield ALL;
}

Deno.test("followLog() reads a log to its end, even if streams fail", async () => {
  for (let cut = 0; cut <= ALL.length; cut++) {
    const before: Record<string, Stream> = {
      async *"ends early while the container runs"() {
        yield ALL.slice(0, cut);
        await Promise.resolve();
      },
      async *"ends early, and the container ends before it"(ended) {
        ended.abort();
        yield ALL.slice(0, cut);
        await Promise.resolve();
      },
      async *"breaks"() {
        yield ALL.slice(0, cut);
        await Promise.resolve();
        throw new ClusterError("broken", { status: undefined });
      },
    };
    for (const [what, stream] of Object.entries(before)) {
      const { text, problem, count } = await follow(stream, whole);
      assertEquals([text, problem], ["a\nb\nc", undefined], `${what} ${cut}`);
      // A stream that was opened before the end may lack the last lines.
      assertEquals(count >= 2, true, what);
    }
  }
});

Deno.test("followLog() reopens a stream that does not end", async () => {
  const { text, problem } = await follow(
    async function* (ended, signal) {
      ended.abort();
      yield ALL.slice(0, -3);
      await new Promise((resolve) => signal.onabort = resolve);
    },
    whole,
  );
  assertEquals([text, problem], ["a\nb\nc", undefined]);
});

Deno.test("followLog() gives up when the log of an ended container cannot be read", async () => {
  const failures: [ClusterError | undefined, string][] = [
    [new ClusterError("no route to host", { status: 500 }), "no route to host"],
    [new ClusterError("not there", { status: 400 }), "not there"],
    [undefined, "its stream does not end"],
  ];
  for (const [error, problem] of failures) {
    const found = await follow(
      async function* (ended) {
        yield ALL;
        await Promise.resolve();
        ended.abort();
      },
      // deno-lint-ignore require-yield
      async function* (_ended, signal) {
        if (error !== undefined) throw error;
        await new Promise((resolve) => signal.onabort = resolve);
      },
    );
    assertEquals([found.text, found.problem], ["a\nb\nc\n", problem]);
  }
  await assertRejects(
    () =>
      // deno-lint-ignore require-yield
      follow(async function* () {
        await Promise.resolve();
        throw new ClusterError("pods/log is forbidden", { status: 403 });
      }),
    ClusterError,
    "forbidden",
  );
});

Deno.test("followLog() reports lines that the node has removed", async () => {
  const { text, problem } = await follow(
    async function* () {
      yield line(1, "a\n");
      await Promise.resolve();
    },
    async function* (ended) {
      ended.abort();
      yield "";
      await Promise.resolve();
    },
  );
  assertEquals(
    [text, problem],
    ["a\n", "the node removed lines before they were read"],
  );
});

/** A line of a log: its time in nanoseconds, and its text. */
type Line = readonly [time: bigint, text: string];

const START = BigInt(Date.parse("2026-11-29T10:00:00Z")) * 1_000_000n;

function rfc3339(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n)).toISOString().slice(0, 19);
  return `${date}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}

/** Returns the response of a node: all lines from the given second on. */
function answer(log: readonly Line[], since: string | undefined): Uint8Array {
  const from = since === undefined
    ? 0n
    : BigInt(Date.parse(since)) * 1_000_000n;
  return new TextEncoder().encode(
    log.filter(([time]) => time >= from)
      .map(([time, text]) => `${rfc3339(time)} ${text}`).join(""),
  );
}

function randomLog(random: Random): Line[] {
  let time = START;
  const log: Line[] = [];
  for (let count = random.below(40); count > 0; count--) {
    time += BigInt(random.pick([0, 0, 1, 1_000, 300_000_000, 3_000_000_000]));
    // Lines of two streams are not sorted exactly.
    const shown = time - BigInt(random.pick([0, 0, 700_000, 900_000_000]));
    log.push([shown, random.text(random.below(30), "ab é") + "\n"]);
  }
  if (log.length > 0 && random.below(4) === 0) {
    const [time, text] = log.at(-1)!;
    log[log.length - 1] = [time, text.slice(0, -1) || "x"];
  }
  return log;
}

Deno.test("LogCursor returns each byte exactly once, wherever streams are cut", () => {
  const random = new Random();
  console.log(`seed ${random.seed}`);
  for (let round = 0; round < 3_000; round++) {
    const log = randomLog(random);
    const cursor = new LogCursor();
    const parts: Uint8Array[] = [];
    // The log grows while it is read.
    for (let known = 0;; known += random.below(log.length - known + 1)) {
      const isEnd = random.below(6) === 0;
      const bytes = answer(isEnd ? log : log.slice(0, known), cursor.since);
      cursor.restart();
      const cut = isEnd ? bytes.length : random.below(bytes.length + 1);
      for (let at = 0; at < cut;) {
        const length = Math.min(1 + random.below(40), cut - at);
        parts.push(cursor.accept(bytes.subarray(at, at + length)));
        at += length;
      }
      if (!isEnd) continue;
      parts.push(cursor.finish());
      break;
    }
    const decoder = new TextDecoder();
    const text = parts.map((part) => decoder.decode(part, { stream: true }))
      .join("");
    assertEquals(text, log.map(([, text]) => text).join(""), `round ${round}`);
    assertEquals(cursor.hasGap, false, `round ${round}`);
  }
});

Deno.test("LogCursor keeps what is newer than a gap, and reports it", () => {
  const second = 1_000_000_000n;
  const at = (count: number, text: string): Line => [
    START + BigInt(count) * second,
    text,
  ];
  const log = [at(0, "a\n"), at(1, "b\n"), at(9, "c\n"), at(10, "d\n")];
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  for (const isCut of [false, true]) {
    const cursor = new LogCursor();
    const bytes = answer(log.slice(0, 2), undefined);
    const first = cursor.accept(isCut ? bytes.subarray(0, -1) : bytes);
    assertEquals(text(first), isCut ? "a\nb" : "a\nb\n");
    assertEquals(cursor.since, `2026-11-29T09:59:5${isCut ? 8 : 9}Z`);
    cursor.restart();
    assertEquals(
      text(cursor.accept(answer(log.slice(2), cursor.since))),
      isCut ? "\nc\nd\n" : "c\nd\n",
    );
    assert(cursor.hasGap);
  }
});

Deno.test("LogCursor accepts messages of the node and other time zones", () => {
  const cursor = new LogCursor();
  const bytes = new TextEncoder().encode(
    "2026-11-29T10:00:00.000000001+02:00 a b\n2026-11-29T10:00:00.000000001+02:00 \nunable to retrieve logs\n",
  );
  assertEquals(
    new TextDecoder().decode(cursor.accept(bytes)),
    "a b\n\nunable to retrieve logs\n",
  );
  assertEquals(cursor.since, "2026-11-29T07:59:58Z");
});

Deno.test("LogCursor accepts long messages of the node, and the lines after them", () => {
  const long = `${"x".repeat(200)}\n`;
  const line = `${rfc3339(START)} a\n`;
  const bytes = new TextEncoder().encode(long + line + long);
  for (let at = 0; at <= bytes.length; at++) {
    const cursor = new LogCursor();
    const parts = [bytes.subarray(0, at), bytes.subarray(at)]
      .map((part) => new TextDecoder().decode(cursor.accept(part)));
    assertEquals(parts.join(""), `${long}a\n${long}`, `cut at ${at}`);
  }
});

Deno.test("LogCursor finds the last line when the clock of the node was set back", () => {
  const times = [0, 9, 10, 3, 4, 5];
  const log = times.map((count, at): Line => [
    START + BigInt(count) * 1_000_000_000n,
    `${at}\n`,
  ]);
  const cursor = new LogCursor();
  const parts = [cursor.accept(answer(log.slice(0, 4), undefined))];
  cursor.restart();
  parts.push(cursor.accept(answer(log, cursor.since)), cursor.finish());
  assertEquals(
    parts.map((part) => new TextDecoder().decode(part)).join(""),
    "0\n1\n2\n3\n4\n5\n",
  );
  assertEquals(cursor.hasGap, false);
});
