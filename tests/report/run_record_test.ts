import { assert, assertEquals, assertThrows, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runEventSchema } from "../../src/report/event_schema.ts";
import { RecordWriter } from "../../src/report/record_writer.ts";
import { type RunEvents, RunRecorder } from "../../src/report/run_event.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { isFlaky } from "../../src/report/step_outcome.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const STARTED: RunEvents["run.started"] = {
  version: 1,
  kind: "job",
  id: "1b671a64-40d5-491e-99b0-da01ff1f3341",
  runner: { version: "0.1.0", deno: "2.9.6" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
};

const SUCCESS = {
  outcome: "success",
  conclusion: "success",
  exitCode: 0,
  signal: null,
  startedAt: "2026-01-01T00:00:00.000Z",
  durationMs: 5,
  attempts: [],
} as const;

const FAILED_ATTEMPT = {
  number: 1,
  startMs: 1,
  durationMs: 2,
  outcome: "failed",
  exitCode: 7,
  signal: null,
  reason: "exit code 7",
} as const;

interface Written {
  path: string;
  warnings: string[];
}

/**
 * Writes a record into its own directory; `secrets` may grow during the run.
 */
async function write(
  directory: string,
  secrets: string[],
  fill: (recorder: RunRecorder) => void | Promise<void>,
): Promise<Written> {
  const warnings: string[] = [];
  const recorder = new RunRecorder();
  const writer = await RecordWriter.open(recorder, {
    directory,
    name: "run.jsonl",
    isOwn: true,
    maskText: (text) =>
      secrets.reduce((masked, one) => masked.replaceAll(one, "***"), text),
    secretTotal: () => secrets.length,
    onWarning: (message) => warnings.push(message),
  });
  await fill(recorder);
  await writer.finish();
  return { path: `${directory}/run.jsonl`, warnings };
}

async function inDirectory(
  body: (directory: string) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  await body(directory.path);
}

/** A run whose only step needs two attempts. */
function addFlakyRun(recorder: RunRecorder): void {
  recorder.add("run.started", STARTED);
  recorder.add("run.planned", {
    steps: [{ name: "test", dependsOn: [] }],
  });
  recorder.add("step.queued", { step: "test" });
  recorder.add("step.started", { step: "test", attempt: 1 });
  recorder.add("step.retrying", {
    step: "test",
    attempt: FAILED_ATTEMPT,
    delayMs: 0,
  });
  recorder.add("step.started", { step: "test", attempt: 2 });
  recorder.add("step.ended", {
    step: "test",
    ...SUCCESS,
    attempts: [FAILED_ATTEMPT, {
      ...FAILED_ATTEMPT,
      number: 2,
      outcome: "success",
      exitCode: 0,
    }],
  });
  recorder.add("run.ended", { status: "success", exitCode: 0, durationMs: 9 });
}

describe("RecordWriter", () => {
  it("writes lines that the reader understands, readable by the user alone", () =>
    inDirectory(async (directory) => {
      const { path, warnings } = await write(directory, [], addFlakyRun);
      assertEquals(warnings, []);
      const { mode } = await Deno.stat(path);
      assertEquals(mode! & 0o777, 0o600);
      const record = readRecord(await Deno.readTextFile(path))!;
      assertEquals(record.ended?.status, "success");
      assertEquals(record.steps.length, 1);
      assertEquals(record.steps[0].attempts.map((one) => one.exitCode), [7, 0]);
      assert(isFlaky(record.steps[0]));
    }));

  it("writes each event immediately", () =>
    inDirectory(async (directory) => {
      await write(directory, [], async (recorder) => {
        recorder.add("run.started", STARTED);
        const text = await Deno.readTextFile(`${directory}/run.jsonl`);
        assertEquals(readRecord(text)?.started.id, STARTED.id);
      });
    }));

  it("masks text of users and programs, but not words of the runner", () =>
    inDirectory(async (directory) => {
      const secrets = ["s3cret", "success", "step.ended", "job"];
      const { path } = await write(directory, secrets, (recorder) => {
        recorder.add("run.started", { ...STARTED, name: "deploy s3cret" });
        recorder.add("step.ended", {
          step: "a s3cret name",
          ...SUCCESS,
          reason: "success needs s3cret",
          outputs: ["s3cret"],
          tail: ["1", "s3cret"],
          attempts: [{ ...FAILED_ATTEMPT, reason: "s3cret" }],
        });
      });
      const text = await Deno.readTextFile(path);
      assertEquals(text.includes("s3cret"), false);
      const { steps: [step], started } = readRecord(text)!;
      assertEquals(started.name, "deploy ***");
      assertEquals(step.name, "a *** name");
      assertEquals(step.outcome, "success");
      assertEquals(step.reason, "*** needs ***");
      assertEquals(step.tail, ["1", "***"]);
    }));

  it("masks secrets that become known later", () =>
    inDirectory(async (directory) => {
      const secrets: string[] = [];
      const { path } = await write(directory, secrets, (recorder) => {
        recorder.add("run.started", { ...STARTED, name: "late" });
        secrets.push("late");
        recorder.add("trigger.submitted", { name: "late and later" });
        secrets.push("later");
        recorder.add("trigger.submitted", { name: "late or not" });
      });
      const text = await Deno.readTextFile(path);
      assertEquals(readRecord(text)?.started.name, "***");
      assertEquals(text.includes("late"), false);
    }));

  for (
    const [what, replace] of Object.entries({
      "nothing": (path: string) => Deno.remove(path),
      "a changed file": (path: string) => Deno.writeTextFile(path, "forged\n"),
      "a directory": async (path: string) => {
        await Deno.remove(path);
        await Deno.mkdir(`${path}/below`, { recursive: true });
      },
      "a link": async (path: string) => {
        await Deno.remove(path);
        await Deno.symlink("target", path);
      },
      "a file that everybody reads": (path: string) => Deno.chmod(path, 0o644),
    })
  ) {
    it(`puts its own file in the place of ${what}`, () =>
      inDirectory(async (directory) => {
        await Deno.writeTextFile(`${directory}/target`, "untouched");
        const { path, warnings } = await write(
          directory,
          [],
          async (recorder) => {
            addFlakyRun(recorder);
            await replace(`${directory}/run.jsonl`);
          },
        );
        assertEquals(warnings, []);
        const { isFile, mode } = await Deno.lstat(path);
        assert(isFile);
        assertEquals(mode! & 0o777, 0o600);
        const record = readRecord(await Deno.readTextFile(path));
        assertEquals(record?.ended?.status, "success");
        assertEquals(
          await Deno.readTextFile(`${directory}/target`),
          "untouched",
        );
      }));
  }

  it("contains events from before the file was created", () =>
    inDirectory(async (directory) => {
      const recorder = new RunRecorder();
      addFlakyRun(recorder);
      const writer = await RecordWriter.open(recorder, {
        directory,
        name: "run.jsonl",
        isOwn: true,
        maskText: (text) => text,
        onWarning: fail,
      });
      const text = await Deno.readTextFile(`${directory}/run.jsonl`);
      assertEquals(readRecord(text)?.ended?.status, "success");
      await writer.finish();
    }));

  it("leaves a directory alone that is not the runner's own", () =>
    inDirectory(async (directory) => {
      await Deno.mkdir(`${directory}/run.jsonl/kept`, { recursive: true });
      const warnings: string[] = [];
      const writer = await RecordWriter.open(new RunRecorder(), {
        directory,
        name: "run.jsonl",
        isOwn: false,
        maskText: (text) => text,
        onWarning: (message) => warnings.push(message),
      });
      await writer.finish();
      assert((await Deno.stat(`${directory}/run.jsonl/kept`)).isDirectory);
      assertEquals(warnings.length, 1);
    }));

  it("warns once if it cannot be created", () =>
    inDirectory(async (directory) => {
      await Deno.writeTextFile(`${directory}/file`, "");
      const { warnings } = await write(`${directory}/file`, [], addFlakyRun);
      assertEquals(warnings.length, 1);
      assert(
        warnings[0].startsWith(
          `Cannot write the run record "${directory}/file/run.jsonl": `,
        ),
        warnings[0],
      );
    }));
});

describe("readRecord()", () => {
  async function flakyRecord(): Promise<string> {
    let text = "";
    await inDirectory(async (directory) => {
      const { path } = await write(directory, [], addFlakyRun);
      text = await Deno.readTextFile(path);
    });
    return text;
  }

  it("reads the rest of a record that was truncated anywhere", async () => {
    const text = await flakyRecord();
    const first = text.indexOf("\n");
    for (let length = 0; length <= text.length; length++) {
      const record = readRecord(text.slice(0, length));
      assertEquals(record === undefined, length < first, `${length}`);
    }
  });

  it("lets a step start when it occupied its slot", () => {
    const { steps: [step] } = readRecord([
      startedLine(),
      recordLine("step.queued", 10, { step: "a" }),
      recordLine("step.started", 18, { step: "a", attempt: 1 }),
      recordLine("step.ended", 40, { ...SUCCESS, step: "a", durationMs: 25 }),
    ].join("\n"))!;
    assertEquals([step.queuedMs, step.startMs, step.endMs], [10, 15, 40]);
  });

  it("has a step that is still running as cancelled, with its attempts", async () => {
    const text = await flakyRecord();
    const cut = text.slice(0, text.indexOf('{"event":"step.ended"'));
    const { steps: [step], ended } = readRecord(cut)!;
    assertEquals(ended, undefined);
    assertEquals(step.outcome, "cancelled");
    assertEquals(step.attempts.map(({ outcome }) => outcome), [
      "failed",
      "cancelled",
    ]);
  });

  it("skips what it does not know", async () => {
    const text = await flakyRecord();
    const more = text.replaceAll(
      "\n",
      '\n{"event":"from.the.future","time":"2030-01-01T00:00:00.000Z","ms":1}\n' +
        'not JSON\n{"event":"step.ended","step":7}\n[]\nnull\n"x"\n' +
        '{"event":"__proto__"}\n\n',
    );
    assertEquals(readRecord(more), readRecord(text));
  });

  it("is undefined for text that does not begin with a run", async () => {
    for (const text of ["", "\n", "hello", "{}", await beheaded()]) {
      assertEquals(readRecord(text), undefined);
    }

    async function beheaded() {
      const text = await flakyRecord();
      return text.slice(text.indexOf("\n") + 1);
    }
  });

  it("refuses a record of a later version", async () => {
    const text = (await flakyRecord()).replace('"version":1', '"version":2');
    assertThrows(() => readRecord(text), RangeError, "version 2");
  });
});

describe("runEventSchema()", () => {
  it("describes each event with its name", () => {
    const { anyOf } = runEventSchema() as {
      anyOf: { properties: { event: { const: string } } }[];
    };
    const names = anyOf.map(({ properties }) => properties.event.const);
    assert(names.includes("step.ended"), names.join());
    assertEquals(new Set(names).size, names.length);
  });
});
