import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pump } from "../../src/output/pump.ts";
import type { Sink } from "../../src/output/sink.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import {
  type ByteStream,
  type Command,
  type RunningProcess,
  spawn,
} from "../../src/process/spawn.ts";
import { supervise } from "../../src/process/supervise.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { type Gate, makeGate } from "../helpers/gate.ts";
import { naiveMask } from "../helpers/naive_mask.ts";
import { endProcess, readProcessEntry } from "../helpers/process_table.ts";
import { Random } from "../helpers/random.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { BARE_ENV } from "../helpers/running.ts";
import { soon, until } from "../helpers/soon.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const KIB = 1024;
const READ_BYTES = 64 * KIB;
const SECRET = "hunter2-swordfish";

const NO_SPACE = new Error("No space left on device");

/** A sink that fails after a short time. */
const FULL: Sink = {
  async write() {
    await Promise.resolve();
    throw NO_SPACE;
  },
};

/** A program whose pipe is pumped into a sink. */
interface Pumped extends AsyncDisposable {
  child: RunningProcess;
  masker: Masker;
  /** Stops the pump even if the stream continues. */
  stop(): void;
  /** Resolves when the pump has ended. */
  done: Promise<void>;
}

interface PumpedOptions {
  secrets?: readonly string[];
  env?: Record<string, string>;
}

function pumpOf(
  command: Command,
  sink: Sink,
  options: PumpedOptions = {},
): Pumped {
  const { secrets = [], env = {} } = options;
  const child = spawn(command, { cwd: "/", env: { ...BARE_ENV, ...env } });
  const masker = maskerOf(secrets);
  const stop = new AbortController();
  const done = soon(
    pump(child.stdout, sink, {
      startMask: () => masker.stream(),
      stop: stop.signal,
    }),
    "the end of the pump",
  );
  return {
    child,
    masker,
    stop: () => stop.abort(),
    done,
    async [Symbol.asyncDispose]() {
      child.signal("SIGKILL");
      await child.status;
      await child.stderr?.cancel();
    },
  };
}

function maskerOf(secrets: readonly string[]): Masker {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  return masker;
}

async function pumped(
  command: Command,
  options: PumpedOptions = {},
): Promise<RecordingSink> {
  const sink = new RecordingSink();
  await using running = pumpOf(command, sink, options);
  await running.done;
  return sink;
}

/** Pumps a stream that fills every read as far as possible. */
async function pumpedBytes(
  bytes: Uint8Array<ArrayBuffer>,
  secrets: readonly string[],
): Promise<RecordingSink> {
  let at = 0;
  const stream: ByteStream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest!;
      const view = request.view as Uint8Array<ArrayBuffer>;
      const piece = bytes.subarray(at, at + view.length);
      at += piece.length;
      view.set(piece);
      if (piece.length === 0) controller.close();
      request.respond(piece.length);
    },
  });
  const sink = new RecordingSink();
  await pump(stream, sink, {
    startMask: () => maskerOf(secrets).stream(),
    stop: new AbortController().signal,
  });
  return sink;
}

async function withGate(body: (gate: Gate) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  using gate = await makeGate(directory.path);
  await body(gate);
}

describe("pump() does not change bytes", () => {
  it("that are not text", async () => {
    await using directory = await temporaryDirectory();
    const random = new Random();
    const bytes = Uint8Array.from(
      { length: 300_000 },
      (_, at) => at < 256 ? at : random.below(256),
    );
    await Deno.writeFile(`${directory.path}/bytes`, bytes);
    const sink = await pumped(["cat", `${directory.path}/bytes`], {
      secrets: [SECRET],
    });
    assert(
      sink.bytes.toHex() === bytes.toHex(),
      `bytes differ, seed ${random.seed}`,
    );
  });

  it("if a pause splits a character", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      await using running = pumpOf(
        `printf 'a\\342'; read _ < "$GATE"; printf '\\202\\254\\377\\0b'`,
        sink,
        { env: { GATE: gate.path } },
      );
      await sink.reached(2);
      await gate.open();
      await running.done;
      assertEquals(sink.bytes.toHex(), "61e282acff0062");
    });
  });

  it("of 16 MiB without a line break", async () => {
    const size = 16 * KIB * KIB;
    const sink = await pumped(`head -c ${size} /dev/zero`, {
      secrets: [SECRET],
    });
    assertEquals(sink.length, size);
    assert(sink.bytes.every((byte) => byte === 0));
  });

  it("if there are none", async () => {
    const sink = await pumped("exit 0");
    assertEquals([sink.length, sink.writes], [0, 0]);
  });
});

describe("pump() masks a secret", () => {
  it("that is written byte by byte", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      const script = Array.from(
        SECRET,
        (byte) => `read _ < "$GATE"; printf %s '${byte}'`,
      );
      await using running = pumpOf(
        `printf 'is '; ${script.join("; ")}; printf .`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      for (const _ of SECRET) {
        await sink.seen("is ");
        assertEquals(sink.text, "is ");
        await gate.open();
      }
      await running.done;
      assertEquals(sink.text, "is [REDACTED].");
    });
  });

  it("that a pause splits, and holds back its first part", async () => {
    for (let at = 1; at < SECRET.length; at++) {
      await withGate(async (gate) => {
        const sink = new RecordingSink();
        await using running = pumpOf(
          `printf 'is ${SECRET.slice(0, at)}'; read _ < "$GATE"
           printf %s '${SECRET.slice(at)}.'`,
          sink,
          { secrets: [SECRET], env: { GATE: gate.path } },
        );
        await sink.seen("is ");
        assertEquals(sink.text, "is ", `split at ${at}`);
        await gate.open();
        await running.done;
        assertEquals(sink.text, "is [REDACTED].", `split at ${at}`);
      });
    }
  });

  it("but not text that only starts like one", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      await using running = pumpOf(
        `printf 'is hunter2'; read _ < "$GATE"; printf ' or hunter'`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      await sink.seen("is ");
      assertEquals(sink.text, "is ");
      await gate.open();
      await running.done;
      assertEquals(sink.text, "is hunter2 or hunter");
    });
  });

  it("that is registered during the stream, including held bytes", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      await using running = pumpOf(
        `printf 'late-secret hun'; read _ < "$GATE"; printf 'ger late-secret'`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      await sink.seen("late-secret ");
      running.masker.add("hunger");
      running.masker.add("late-secret");
      await gate.open();
      await running.done;
      assertEquals(sink.text, "late-secret [REDACTED] [REDACTED]");
    });
  });

  it("that is longer than all buffers", async () => {
    await using directory = await temporaryDirectory();
    const random = new Random();
    const key = random.text(700_000, "0123456789abcdef");
    const file = `${directory.path}/key`;
    await Deno.writeTextFile(file, key);
    const sink = await pumped(
      `printf '<'; cat ${file}; printf '><'; head -c 699999 ${file}; printf '>'`,
      { secrets: [key] },
    );
    // Most of a long secret is masked as well.
    assertMatch(
      sink.text,
      /^<\[REDACTED\]><\[REDACTED\][0-9a-f]{0,127}>$/,
      `seed ${random.seed}`,
    );
  });

  it("across reads and batches, at any position", async () => {
    for (const border of [READ_BYTES, 4 * READ_BYTES, 5 * READ_BYTES]) {
      for (let shift = -SECRET.length - 1; shift <= 1; shift++) {
        const before = ".".repeat(border + shift);
        const bytes = new TextEncoder().encode(`${before}${SECRET}.`);
        const sink = await pumpedBytes(bytes, [SECRET]);
        assert(
          sink.text === `${before}[REDACTED].`,
          `${shift} bytes from ${border}`,
        );
      }
    }
  });

  it("across reads of a real pipe", async () => {
    await using directory = await temporaryDirectory();
    const text: string[] = [];
    for (let border = 0; border < 10 * READ_BYTES; border += 4 * KIB) {
      // A different distance from each position at which a pipe may be split.
      const start = border + 4 * KIB - (border / (4 * KIB)) % SECRET.length;
      text.push(".".repeat(start - text.join("").length), SECRET);
    }
    await Deno.writeTextFile(`${directory.path}/text`, text.join(""));
    for (const blockBytes of [4 * KIB, 64 * KIB, 1000 * KIB]) {
      const sink = await pumped(
        `dd if=${directory.path}/text bs=${blockBytes} 2> /dev/null`,
        { secrets: [SECRET] },
      );
      assert(
        sink.text === text.join("").replaceAll(SECRET, "[REDACTED]"),
        `blocks of ${blockBytes}`,
      );
    }
  });

  it("wherever a naive model finds one in random output", async () => {
    await using directory = await temporaryDirectory();
    const random = new Random();
    for (let round = 0; round < 25; round++) {
      const alphabet = random.pick(["ab", "abc\n", "01234"]);
      const secrets = Array.from(
        { length: 1 + random.below(4) },
        () => random.text(4 + random.below(20), alphabet),
      ).filter((secret) => secret.trim() === secret);
      const pieces = Array.from(
        { length: 1 + random.below(6) },
        () => random.text(random.below(3_000), alphabet),
      );
      const writes = await Promise.all(pieces.map(async (piece, at) => {
        const file = `${directory.path}/${round}-${at}`;
        await Deno.writeTextFile(file, piece);
        return `dd if=${file} bs=${1 + random.below(2_000)} 2> /dev/null`;
      }));
      const sink = await pumped(writes.join("; "), { secrets });
      assertEquals(
        sink.text,
        naiveMask(pieces.join(""), secrets),
        `seed ${random.seed}, round ${round}`,
      );
    }
  });
});

describe("pump() immediately writes", () => {
  it("a prompt that waits for an answer", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      await using running = pumpOf(
        `for i in 1 2 3; do printf "$i> "; read _ < "$GATE"; done`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      for (const prompt of ["1> ", "2> ", "3> "]) {
        await sink.seen(prompt);
        await gate.open();
      }
      await running.done;
      assertEquals(sink.text, "1> 2> 3> ");
    });
  });

  it("full reads that nothing follows", async () => {
    for (let count = 1; count <= 5; count++) {
      await withGate(async (gate) => {
        const sink = new RecordingSink();
        await using running = pumpOf(
          `dd if=/dev/zero bs=${READ_BYTES} count=${count} 2> /dev/null
           read _ < "$GATE"; printf end`,
          sink,
          { secrets: [SECRET], env: { GATE: gate.path } },
        );
        await sink.reached(count * READ_BYTES);
        assertEquals(sink.length, count * READ_BYTES);
        await gate.open();
        await running.done;
        assertEquals(sink.length, count * READ_BYTES + 3);
      });
    }
  });

  it("what it read during a write", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      sink.block();
      await using running = pumpOf(
        `printf x; read _ < "$GATE"; printf y; read _ < "$GATE"; printf z
         read _ < "$GATE"`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      await until(() => sink.writes === 1, "the first write");
      await gate.open();
      await gate.open();
      sink.release();
      await sink.seen("z");
      assertEquals(sink.text, "xyz");
      await gate.open();
      await running.done;
    });
  });

  it("full reads, except for the start of a possible secret", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      const half = SECRET.slice(0, 8);
      await using running = pumpOf(
        `head -c ${2 * READ_BYTES - half.length} /dev/zero; printf '${half}'
         read _ < "$GATE"; printf '${SECRET.slice(8)}'`,
        sink,
        { secrets: [SECRET], env: { GATE: gate.path } },
      );
      await sink.reached(2 * READ_BYTES - half.length);
      assertEquals(sink.length, 2 * READ_BYTES - half.length);
      await gate.open();
      await running.done;
      assert(sink.text.endsWith("\0[REDACTED]"));
    });
  });
});

describe("pump() that is stopped", () => {
  it("writes what it has read, including held bytes", async () => {
    const sink = new RecordingSink();
    await using running = pumpOf(
      `printf 'text ${SECRET} hunter2'; exec sleep 1000`,
      sink,
      { secrets: [SECRET] },
    );
    await sink.seen("[REDACTED] ");
    running.stop();
    await running.done;
    assertEquals(sink.text, "text [REDACTED] hunter2");
  });

  it("still reads output that a program left in its pipe while the sink was slow", async () => {
    await withGate(async (gate) => {
      const sink = new RecordingSink();
      sink.block();
      // With the pauses, it is likely but not certain that the last part stays
      // unread.
      await using running = pumpOf(
        `printf 'first '; read _ < "$GATE"; printf 'second '; sleep 0.05
         head -c 60000 /dev/zero; printf ' last'`,
        sink,
        { env: { GATE: gate.path } },
      );
      await until(() => sink.writes === 1, "the first write");
      await gate.open();
      await soon(running.child.status, "the end of the program");
      running.stop();
      sink.release();
      await running.done;
      assertEquals(
        sink.text.replace(/\0+/, "zeros"),
        "first second zeros last",
      );
      assertEquals(sink.length, 60_018);
    });
  });

  it("ends even if the program keeps writing", async () => {
    const sink = new RecordingSink();
    await using running = pumpOf(["cat", "/dev/zero"], sink);
    await sink.reached(1);
    running.stop();
    await running.done;
  });

  it("before it starts ends as well", async () => {
    const sink = new RecordingSink();
    await using running = pumpOf("exec sleep 1000", sink);
    running.stop();
    await running.done;
    assertEquals(sink.length, 0);
  });
});

describe("pump() of a supervised program", () => {
  it("has written everything when the program was cancelled", async () => {
    const sink = new RecordingSink();
    const child = spawn(
      // No form of a secret contains a semicolon, so the number is not held back.
      `setsid sh -c 'printf "$$;hunter2"; exec sleep 1000' &
       while :; do sleep 0.02; done`,
      { cwd: "/", env: BARE_ENV },
    );
    const stop = new AbortController();
    const cancellation = new Cancellation();
    const drained = pump(child.stdout, sink, {
      startMask: () => maskerOf([SECRET]).stream(),
      stop: stop.signal,
    });
    await sink.seen(";");
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(parseInt(sink.text)));
    cancellation.cancel("SIGTERM");
    await supervise(child, {
      graceMs: 10,
      cancellation,
      drained,
      stopDraining: () => stop.abort(),
    });
    assert(sink.text.endsWith(";hunter2"), sink.text);
    await drained;
    await child.stderr?.cancel();
  });
});

describe("pump() into a sink", () => {
  it("that is slow makes the program wait instead of buffering its output", async () => {
    const sink = new RecordingSink();
    sink.block();
    await using running = pumpOf(["cat", "/dev/zero"], sink);
    const { pid } = running.child;
    const printedBytes = () =>
      Number(
        /^rchar: (\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/io`))![1],
      );
    await until(
      () =>
        printedBytes() > READ_BYTES &&
        /pipe_write|^0$/.test(Deno.readTextFileSync(`/proc/${pid}/wchan`)) &&
        readProcessEntry(pid)?.state === "S",
      "the program to wait for its pipe",
    );
    assert(printedBytes() < 2 * KIB * KIB, `${printedBytes()} bytes`);
    endProcess(pid);
    sink.release();
    await running.done;
  });

  it("never starts a write before the previous one has ended", async () => {
    let writing = 0;
    let most = 0;
    const sink = new RecordingSink();
    const slow: Sink = {
      async write(bytes) {
        most = Math.max(most, ++writing);
        await new Promise((resolve) => setTimeout(resolve, 0));
        await sink.write(bytes);
        writing--;
      },
    };
    const size = 4 * KIB * KIB;
    await using running = pumpOf(`head -c ${size} /dev/zero`, slow);
    await running.done;
    assertEquals([most, writing, sink.length], [1, 0, size]);
  });

  it("that fails rejects with its error and closes the pipe of the program", async () => {
    await using running = pumpOf(["cat", "/dev/zero"], FULL);
    assertEquals(await assertRejects(() => running.done, Error), NO_SPACE);
    assertEquals(
      (await soon(running.child.status, "a broken pipe")).signal,
      "SIGPIPE",
    );
  });

  it("that fails rejects even if the program prints nothing more", async () => {
    await using running = pumpOf("printf x; exec sleep 1000", FULL);
    assertEquals(await assertRejects(() => running.done, Error), NO_SPACE);
  });
});
