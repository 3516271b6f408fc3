import { assertEquals, assertRejects } from "@std/assert";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
  type ClusterTransport,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { followLog } from "../../../src/workflow/kubernetes/pod_log.ts";

const encoder = new TextEncoder();

/** A line of a node's log, with the number of its time. */
function line(at: number, text: string): string {
  return `2026-11-29T10:00:00.${String(at).padStart(9, "0")}Z ${text}`;
}

/** What one stream of a log sends, and what happens between. */
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

Deno.test("followLog() opens a stream again that does not end", async () => {
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
