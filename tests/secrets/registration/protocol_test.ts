import { assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import {
  createFrame,
  parseReply,
  parseRequest,
  requestFrames,
} from "../../../src/secrets/registration/protocol.ts";
import { Random } from "../../helpers/random.ts";

Deno.test("createFrame() starts with the length of the bytes, in big-endian order", () => {
  assertEquals([...createFrame("é!")], [0, 0, 0, 3, 0xc3, 0xa9, 0x21]);
  assertEquals([...createFrame("x".repeat(0x10203)).subarray(0, 4)], [
    0,
    1,
    2,
    3,
  ]);
});

Deno.test("requestFrames() puts all values into as few frames as possible", () => {
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    const values = Array.from(
      { length: random.below(40) },
      () => random.pick('a"\n\u0000é€😀\ud800').repeat(random.below(90_000)),
    );
    const frames = [...requestFrames(values)];
    const read = frames.flatMap(({ frame, count }) => {
      const request = parseRequest(frame.subarray(4));
      const registered = "values" in request ? request.values : [];
      assertEquals(frame.length <= 4 + 1_048_576, true, `${random.seed}`);
      assertEquals(new DataView(frame.buffer).getUint32(0), frame.length - 4);
      assertEquals(count >= registered.length, true, `${random.seed}`);
      return registered;
    });
    const sent = values.filter((value) => value !== "");
    assertEquals(read, sent, `seed ${random.seed}`);
    const bytes = frames.reduce((sum, { frame }) => sum + frame.length, 0);
    // Two frames that follow each other would not fit into one.
    assertEquals(
      frames.length <= 1 + 2 * bytes / 1_048_576,
      true,
      `${random.seed}`,
    );
  }
});

Deno.test("requestFrames() limits the number of values per frame", () => {
  const values = Array.from({ length: 20_001 }, (_, i) => `${i}`);
  const counts = [...requestFrames(values)].map(({ count }) => count);
  assertEquals(counts, [10_000, 10_000, 1]);
  assertEquals([...requestFrames([])], []);
});

Deno.test("requestFrames() fills a frame to its last byte, and no further", () => {
  const longest = 1_048_576 -
    '{"action":"register","secrets":[""]}'.length - 1;
  const [{ frame }] = requestFrames(["x".repeat(longest)]);
  assertEquals(frame.length <= 4 + 1_048_576, true);
  const error = assertThrows(
    () => [...requestFrames(["x".repeat(longest + 2)])],
    RunnerError,
  );
  assertEquals(
    error.message,
    "Cannot register secrets: one is longer than 1048576 bytes",
  );
});

Deno.test("parseRequest() reads deep nesting", () => {
  const body = new TextEncoder().encode(
    `{"action":"register","secrets":["a",${"[".repeat(200_000)}${
      "]".repeat(200_000)
    }]}`,
  );
  assertEquals(parseRequest(body), { values: ["a"] });
});

Deno.test("parseReply() accepts only successful replies", () => {
  const granted = '{"status": "ok", "registered": 2}\n';
  assertEquals(parseReply(granted), { registered: 2 });
  assertEquals(parseReply('{"status":"ok"}'), { registered: undefined });
  const others = [
    "",
    "ok",
    "ERROR: Invalid JSON\n",
    '{"status": "error"}',
    '{"status": ["ok"]}',
    '["ok"]',
    "null",
    '{"status": "ok"',
  ];
  for (const text of others) assertEquals(parseReply(text), undefined, text);
});
