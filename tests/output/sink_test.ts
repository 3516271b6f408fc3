import { assertEquals, assertRejects } from "@std/assert";
import type { HostStream } from "../../src/host.ts";
import { streamSink } from "../../src/output/sink.ts";

const encoder = new TextEncoder();

/**
 * A stream that accepts what the next result allows: a number of bytes, or an error.
 */
class ScriptedStream implements HostStream {
  readonly #answers: (number | Error)[];
  readonly #decoder = new TextDecoder();
  /** Bytes that it accepted. */
  text = "";
  /** Number of writes. */
  calls = 0;

  constructor(answers: readonly (number | Error)[] = []) {
    this.#answers = [...answers];
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.calls++;
    // Like a real stream, it takes some time, and some writes take longer.
    await new Promise((resolve) => setTimeout(resolve, this.calls % 2));
    const answer = this.#answers.shift() ?? bytes.length;
    if (answer instanceof Error) throw answer;
    const taken = bytes.subarray(0, answer);
    this.text += this.#decoder.decode(taken, { stream: true });
    return taken.length;
  }

  isTerminal(): boolean {
    return false;
  }
}

Deno.test("streamSink() continues after partial writes", async () => {
  const stream = new ScriptedStream([1, 3, 2]);
  await streamSink(stream).write(encoder.encode("0123456789"));
  assertEquals([stream.text, stream.calls], ["0123456789", 4]);
});

Deno.test("streamSink() writes nothing without bytes", async () => {
  const stream = new ScriptedStream();
  await streamSink(stream).write(new Uint8Array());
  assertEquals(stream.calls, 0);
});

Deno.test("streamSink() keeps the order of writes that do not await each other", async () => {
  const stream = new ScriptedStream([2, 1, new Deno.errors.WouldBlock(), 1]);
  const sink = streamSink(stream);
  const words = ["one ", "two ", "three ", "four "];
  await Promise.all(words.map((word) => sink.write(encoder.encode(word))));
  assertEquals(stream.text, words.join(""));
});

Deno.test("streamSink() retries if the stream is full", async () => {
  const full = () => new Deno.errors.WouldBlock("try again");
  const stream = new ScriptedStream([full(), full(), 4, full()]);
  await streamSink(stream).write(encoder.encode("0123456789"));
  assertEquals([stream.text, stream.calls], ["0123456789", 5]);
});

Deno.test("streamSink() drops output once the reader has closed the stream", async () => {
  const stream = new ScriptedStream([3, new Deno.errors.BrokenPipe("gone")]);
  const sink = streamSink(stream);
  await sink.write(encoder.encode("0123456789"));
  await sink.write(encoder.encode("more"));
  assertEquals([stream.text, stream.calls], ["012", 2]);
});

Deno.test("streamSink() rejects only the write that failed", async () => {
  const stream = new ScriptedStream([3, new Error("No space left on device")]);
  const sink = streamSink(stream);
  const first = assertRejects(
    () => sink.write(encoder.encode("0123456789")),
    Error,
    "No space left on device",
  );
  const second = sink.write(encoder.encode("more"));
  await first;
  await second;
  assertEquals(stream.text, "012more");
});

Deno.test("streamSink() rejects only the write that failed of those that it joins", async () => {
  for (const taken of [0, 3, 7]) {
    const full = new Error("No space left on device");
    const stream = new ScriptedStream([5, ...taken > 0 ? [taken] : [], full]);
    const sink = streamSink(stream);
    const words = ["first", "one", "two ", "three"];
    const ends = await Promise.allSettled(
      words.map((word) => sink.write(encoder.encode(word))),
    );
    const failed = { 0: 1, 3: 2, 7: 3 }[taken]!;
    assertEquals(
      ends.map(({ status }) => status === "rejected"),
      words.map((_, at) => at === failed),
    );
    const kept = words.filter((_, at) => at !== failed).join("");
    assertEquals(stream.text, kept);
  }
});

Deno.test("streamSink() rejects on a full disk", async () => {
  using full = await Deno.open("/dev/full", { write: true });
  await assertRejects(() => streamSink(full).write(encoder.encode("x")));
});

Deno.test("streamSink() ends only a line without a line break", async () => {
  for (
    const [writes, text] of [
      [[], ""],
      [["line\n"], "line\n"],
      [["a line", ""], "a line\n"],
      [["one\n", "two"], "one\ntwo\n"],
      [["one", "\n"], "one\n"],
    ] as const
  ) {
    const stream = new ScriptedStream([2, 1]);
    const sink = streamSink(stream);
    const writing = writes.map((word) => sink.write(encoder.encode(word)));
    await Promise.all([...writing, sink.endLine(), sink.endLine()]);
    assertEquals(stream.text, text);
  }
});

Deno.test("streamSink() does not end a line of a closed stream", async () => {
  const stream = new ScriptedStream([3, new Deno.errors.BrokenPipe("gone")]);
  const sink = streamSink(stream);
  await sink.write(encoder.encode("0123456789"));
  await sink.endLine();
  assertEquals([stream.text, stream.calls], ["012", 2]);
});

Deno.test("streamSink() holds writes back while it is held", async () => {
  const stream = new ScriptedStream();
  const sink = streamSink(stream);
  await sink.write(encoder.encode("1"));
  const first = await sink.hold();
  const second = sink.hold();
  const write = sink.write(encoder.encode("2"));
  assertEquals(stream.text, "1");
  first[Symbol.dispose]();
  const last = await second;
  assertEquals(stream.text, "1");
  last[Symbol.dispose]();
  await write;
  assertEquals(stream.text, "12");
});

Deno.test("streamSink() joins small writes while one is pending, in their order", async () => {
  const stream = new ScriptedStream([2]);
  const sink = streamSink(stream);
  const large = "x".repeat(5_000);
  const texts = ["one ", "two ", large, "three ", "four\n", "five"];
  const writes = texts.map((text) => sink.write(encoder.encode(text)));
  const held = sink.hold();
  const last = [sink.endLine(), sink.write(encoder.encode("end"))];
  (await held)[Symbol.dispose]();
  await Promise.all([...writes, ...last]);
  assertEquals(stream.text, `${texts.join("")}\nend`);
  // The first one is cut, and three of the others are joined.
  assertEquals(stream.calls, 7);
});
