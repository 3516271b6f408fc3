import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  createJobLog,
  type JobLogOptions,
} from "../../src/output/create_job_log.ts";
import type { StepLog } from "../../src/output/job_log.ts";
import type { Sink } from "../../src/output/sink.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { soon } from "../helpers/soon.ts";

const encoder = new TextEncoder();

/** A log with sinks that record their input. */
function logOf(options: Partial<JobLogOptions> = {}) {
  const [stdout, stderr] = [new RecordingSink(), new RecordingSink()];
  const warnings: string[] = [];
  const log = createJobLog({
    stdout,
    stderr,
    style: "prefixed",
    steps: [],
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return { stdout, stderr, warnings, log };
}

function say(sink: Sink, text: string): Promise<void> {
  return soon(sink.write(encoder.encode(text)), "the end of a write");
}

/**
 * Returns what is shown of one step that prints these texts on standard output.
 */
async function shown(
  options: Partial<JobLogOptions>,
  ...texts: string[]
): Promise<string> {
  const { log, stdout } = logOf(options);
  const step = await log.openStep("a");
  for (const text of texts) await say(step.stdout, text);
  await step.close();
  return stdout.text;
}

/** Returns the last lines of a step that prints these texts. */
async function tailOf(...texts: string[]): Promise<readonly string[]> {
  const step = await logOf().log.openStep("a");
  for (const text of texts) await say(step.stdout, text);
  const before = step.tail();
  await step.close();
  assertEquals(step.tail(), before);
  return before;
}

describe("createJobLog() shows plain output", () => {
  it("directly through the given sinks", async () => {
    const { log, stdout, stderr } = logOf({ style: "plain" });
    const step = await log.openStep("a");
    assert(step.stdout === stdout);
    assert(step.stderr === stderr);
    assertEquals(step.tail(), []);
    await step.close();
  });

  it("unchanged and immediately, on the original stream", async () => {
    const { log, stdout, stderr } = logOf({
      style: "plain",
      maxLineBytes: 100,
    });
    const step = await log.openStep("a");
    await say(step.stdout, "50%\r");
    assertEquals(stdout.text, "50%\r");
    await say(step.stderr, "oh\r\n");
    await say(step.stdout, "100%");
    assertEquals([stdout.text, stderr.text], ["50%\r100%", "oh\r\n"]);
    await step.close();
    assertEquals([stdout.text, stderr.text], ["50%\r100%", "oh\r\n"]);
    assertEquals(step.tail(), ["oh", "100%"]);
  });

  it("and moves a character that does not fit to the next line", async () => {
    const line = "x".repeat(30);
    const options = { style: "plain", maxLineBytes: 32 } as const;
    assertEquals(await shown(options, `${line}é\n`), `${line}é\n`);
    assertEquals(await shown(options, `${line}€\n`), `${line}\n€\n`);
    assertEquals(await shown(options, `${line}yy\nz`), `${line}yy\nz`);
    assertEquals(await shown(options, `${line}yy`, "z"), `${line}yy\nz`);
  });
});

describe("createJobLog() shows prefixed lines", () => {
  it("with names padded to the longest one", async () => {
    const { log, stdout, stderr } = logOf({ steps: ["lint", "build all"] });
    const lint = await log.openStep("lint");
    const build = await log.openStep("build all");
    await say(lint.stdout, "one\ntwo\n\n");
    await say(build.stderr, "three\n");
    assertEquals(
      stdout.text,
      "lint      | one\nlint      | two\nlint      | \n",
    );
    assertEquals(stdout.writes, 1);
    assertEquals(stderr.text, "build all | three\n");
    await Promise.all([lint.close(), build.close()]);
  });

  it("in complete lines, so that steps do not mix", async () => {
    const { log, stdout } = logOf();
    const steps = [await log.openStep("a"), await log.openStep("b")];
    for (const step of steps) await say(step.stdout, "be");
    for (const step of steps) await say(step.stdout, "gin\nend");
    assertEquals(stdout.text, "a | begin\nb | begin\n");
    for (const step of steps) await step.close();
    assertEquals(stdout.text, "a | begin\nb | begin\na | end\nb | end\n");
  });

  it("with a color for each step in the prefix only", async () => {
    const { log, stdout } = logOf({ steps: ["a", "b"], color: true });
    for (const name of ["b", "a"]) {
      const step = await log.openStep(name);
      await say(step.stdout, "x\n");
      await step.close();
    }
    assertEquals(
      stdout.text,
      "\x1b[32mb |\x1b[0m x\n\x1b[36ma |\x1b[0m x\n",
    );
  });

  it("without terminal control characters from a name", async () => {
    const { log, stdout } = logOf();
    const step = await log.openStep("a\x1b[2J\nb");
    await say(step.stdout, "x\n");
    await step.close();
    assertEquals(stdout.text, "a\\u{1b}[2J\\u{a}b | x\n");
  });

  it("in their final state", async () => {
    assertEquals(await shown({}, "1%\r2%", "\r", "3%\r\n"), "a | 3%\n");
    assertEquals(await shown({}, "1%\r", "\n"), "a | 1%\n");
    assertEquals(
      await shown({}, "dos\r\n\r\nend\r"),
      "a | dos\na | \na | end\n",
    );
    assertEquals(await shown({}, "\r"), "");
  });

  it("within the limit, including the prefix", async () => {
    const text = await shown({ maxLineBytes: 32 }, "x".repeat(60), "\ny\n");
    assertEquals(
      text,
      `a | ${"x".repeat(28)}\na | ${"x".repeat(28)}\na | xxxx\na | y\n`,
    );
  });

  it("within the limit even if the name is long", async () => {
    const { log, stdout } = logOf({ maxLineBytes: 32, color: true });
    const step = await log.openStep("é".repeat(100));
    await say(step.stdout, "x".repeat(100));
    await step.close();
    for (const line of stdout.text.trimEnd().split("\n")) {
      assert(encoder.encode(line).length <= 32, line);
    }
    assertEquals(stdout.text.match(/x/g)?.length, 100);
  });

  it("in parts if a line does not end", async () => {
    const { log, stdout } = logOf();
    const step = await log.openStep("a");
    for (let count = 0; count < 10; count++) {
      await say(step.stdout, "x".repeat(20_000));
    }
    assertEquals(stdout.length, 3 * (64 * 1024 + 5));
    await step.close();
    assertEquals(stdout.text.match(/x/g)?.length, 200_000);
  });
});

describe("createJobLog() shows groups", () => {
  it("when their steps have ended, one after the other", async () => {
    const { log, stdout, stderr } = logOf({ style: "grouped" });
    const [a, b] = [await log.openStep("a"), await log.openStep("b")];
    await say(a.stdout, "one\r1\n");
    await say(b.stdout, "two\n");
    await say(a.stderr, "three");
    assertEquals([stdout.length, stderr.length], [0, 0]);
    await b.close();
    await a.close();
    assertEquals(stdout.text, "=== b\ntwo\n=== a\n1\nthree\n");
    assertEquals(stderr.length, 0);
    assertEquals(a.tail(), ["1", "three"]);
  });

  it("that are too long to be kept in memory, separately", async () => {
    const { log, stdout } = logOf({ style: "grouped", maxLineBytes: 100 });
    const names = ["a", "b"];
    await Promise.all(names.map(async (name) => {
      const step = await log.openStep(name);
      const lines = `${name.repeat(149)}\n`.repeat(2_000);
      for (let count = 0; count < 5; count++) await say(step.stdout, lines);
      await step.close();
    }));
    const blocks = names.map((name) =>
      `=== ${name}\n` +
      `${name.repeat(100)}\n${name.repeat(49)}\n`.repeat(10_000)
    );
    const isWhole = [blocks.join(""), blocks.reverse().join("")]
      .includes(stdout.text);
    assert(isWhole, "the blocks are mixed or not whole");
  });
});

describe("createJobLog() shows JSON", () => {
  it("with time, stream, message and step", async () => {
    const { log, stdout, stderr } = logOf({ style: "json" });
    const step = await log.openStep('say "a"');
    await say(step.stdout, '1\r"two" \t\nthr');
    await step.stdout.write(Uint8Array.of(0xff, 10));
    await say(step.stderr, "\x1b[31mred");
    await step.close();
    const lines = (stdout.text + stderr.text).trimEnd().split("\n")
      .map((line) => JSON.parse(line));
    for (const { timestamp } of lines) {
      assertEquals(new Date(timestamp).toISOString(), timestamp);
    }
    assertEquals(
      lines.map(({ timestamp: _, ...rest }) => rest),
      [
        { stream: "stdout", message: '"two"', step: 'say "a"' },
        { stream: "stdout", message: "thr\ufffd", step: 'say "a"' },
        { stream: "stderr", message: "\x1b[31mred", step: 'say "a"' },
      ],
    );
  });

  it("with messages whose encoded form is within the limit", async () => {
    const message = "\x01\x02😀é\x03".repeat(40);
    const text = await shown({ style: "json", maxLineBytes: 32 }, message);
    const messages = text.trimEnd().split("\n")
      .map((line) => JSON.parse(line).message);
    assertEquals(messages.join(""), message);
    for (const piece of messages) {
      assert(encoder.encode(JSON.stringify(piece)).length - 2 <= 32);
    }
  });
});

describe("createJobLog() makes a step wait", () => {
  for (const style of ["plain", "prefixed", "json"] as const) {
    it(`until its ${style} output is shown`, async () => {
      const { log, stdout } = logOf({ style, maxLineBytes: 100 });
      const step = await log.openStep("a");
      stdout.block();
      let isDone = false;
      const writing = say(step.stdout, "x\n").then(() => isDone = true);
      const next = say(step.stdout, "y\n");
      await new Promise((resolve) => setTimeout(resolve, 0));
      assertEquals([isDone, stdout.writes], [false, 1]);
      stdout.release();
      await Promise.all([writing, next]);
      assertEquals(stdout.text.match(/[xy]/g), ["x", "y"]);
      await step.close();
    });
  }

  it("and reports that its output cannot be written", async () => {
    const full = { write: () => Promise.reject(new Error("No space left")) };
    const { log } = logOf({ stdout: full });
    const step = await log.openStep("a");
    await assertRejects(() => say(step.stdout, "x\n"), Error, "No space left");
    assertEquals(step.tail(), ["x"]);
    await step.close();
  });

  it("no longer after it is closed", async () => {
    const { log, stdout } = logOf();
    const step = await log.openStep("a");
    await step.close();
    await say(step.stdout, "late\n");
    await step.close();
    assertEquals(stdout.text, "");
  });
});

describe("createJobLog() reports progress", () => {
  async function progressOf(
    options: Partial<JobLogOptions>,
    speak: (step: StepLog) => Promise<void>,
  ): Promise<string[]> {
    const told: string[] = [];
    const { log } = logOf({
      ...options,
      onProgress: (step, text) => told.push(`${step}: ${text}`),
    });
    const step = await log.openStep("a");
    await speak(step);
    await step.close();
    return told;
  }

  it("once per chunk, as plain text", async () => {
    const told = await progressOf({}, async ({ stdout }) => {
      await say(stdout, "no progress");
      await say(stdout, "\r1%\r2%\r\x1b[32m3%\x1b[K\x07\r");
      await say(stdout, "\r3%");
      await say(stdout, "\r4%\nline\n");
      await say(stdout, "line");
    });
    assertEquals(told, ["a: 3%"]);
  });

  it("with at most 200 characters", async () => {
    const [told] = await progressOf(
      {},
      ({ stdout }) => say(stdout, `\r${"x".repeat(100_000)}`),
    );
    assertEquals(told, `a: ${"x".repeat(200)}`);
  });

  it("but not for plain output, which shows it already", async () => {
    const told = await progressOf(
      { style: "plain", maxLineBytes: 50 },
      ({ stdout }) => say(stdout, "\r1%"),
    );
    assertEquals(told, []);
  });
});

describe("createJobLog() keeps the last lines", () => {
  it("20 of them, and an unfinished one", async () => {
    const lines = Array.from({ length: 50 }, (_, at) => `line ${at}`);
    assertEquals(await tailOf(lines.join("\n")), lines.slice(-20));
    assertEquals(await tailOf("one\n\ntwo\n"), ["one", "", "two"]);
    assertEquals(await tailOf(), []);
  });

  it("with their colors, and without other terminal sequences", async () => {
    assertEquals(
      await tailOf("1%\r\x1b[1;31mred\x1b[0m\t\x1b]0;title\x07\x9b\0é\n"),
      ["\x1b[1;31mred\x1b[0m\té"],
    );
    // The part that is cut off could be the beginning of a sequence.
    assertEquals(
      await tailOf(`\x1b[31m${"x".repeat(3_000)}\x1b[0m\n`),
      [`…${"x".repeat(1_999)}`],
    );
  });

  it("after a lot of output", async () => {
    const lines = Array.from({ length: 40_000 }, (_, at) => `line ${at}`);
    const text = `${lines.join("\n")}\n`;
    assertEquals(await tailOf(text), lines.slice(-20));
    assertEquals(
      await tailOf(...text.match(/.{1,999}/gs)!),
      lines.slice(-20),
    );
  });

  it("and only the ends of long ones", async () => {
    const [first, second] = await tailOf(
      `${"x".repeat(3_000)}!\n${"y".repeat(50_000)}`,
      "!",
    );
    assertEquals(first, `…${"x".repeat(1_998)}!`);
    assertEquals(second, `…${"y".repeat(1_998)}!`);
    const ends = await tailOf("z".repeat(300_000), "!");
    assertEquals(ends, [`…${"z".repeat(1_998)}!`]);
  });
});

describe("createJobLog() rejects", () => {
  it("a limit that is too small", () => {
    for (const maxLineBytes of [31, -1, 99.5, NaN]) {
      assertThrows(() => logOf({ maxLineBytes }), RangeError);
    }
  });

  it("opening a step twice", async () => {
    const { log } = logOf();
    const step = await log.openStep("a");
    await assertRejects(() => log.openStep("a"), TypeError);
    await step.close();
  });
});
