import { readRecord } from "../report/run_record.ts";

/**
 * Recorded behavior of a command, which a test replays instead of running it.
 */
export interface RecordedCommand {
  /**
   * Exit code.
   *
   * @default {0}
   */
  readonly exitCode?: number;
  /**
   * Text on standard output, printed when the command starts.
   *
   * @default {""}
   */
  readonly stdout?: string;
  /**
   * Text on standard error, printed when the command starts.
   *
   * @default {""}
   */
  readonly stderr?: string;
  /**
   * How long the command runs, in milliseconds of the virtual time. Services
   * and background steps run until they are ended.
   *
   * @default {0}
   */
  readonly durationMs?: number;
  /**
   * Outputs that the command writes to `REACTORCIDE_OUTPUT` when it ends.
   *
   * @default {{}}
   */
  readonly outputs?: Readonly<Record<string, string>>;
  /**
   * Whether the command ignores SIGTERM, so that it ends only when it is killed
   * after the grace time.
   *
   * @default {false}
   */
  readonly ignoresTermination?: boolean;
}

/**
 * Recorded commands of a step: one for each time that it starts a command, of
 * which the last one repeats, or a function that decides.
 */
export type CommandReply =
  | RecordedCommand
  | readonly RecordedCommand[]
  | ((command: StartedCommand) => RecordedCommand);

/** A command that a step has started in a test. */
export interface StartedCommand {
  /** Name of the step. */
  readonly step: string;
  /** Number of commands that the step had started before. */
  readonly index: number;
  /** The command as in the step; words of a list are quoted. */
  readonly text: string;
  /** Complete environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the working directory. */
  readonly cwd: string;
  /** Start in virtual time, in milliseconds since the start of the job. */
  readonly startMs: number;
}

/** A command that a step has started in a test, and how it ended. */
export interface TestedCommand extends StartedCommand {
  /** End in virtual time, in milliseconds; unset if it never ended. */
  readonly endMs?: number;
  /** Exit code, 128+N after signal N; `null` if it never ended. */
  readonly exitCode: number | null;
  /** Signal that ended it, or `null`. */
  readonly signal: Deno.Signal | null;
}

/**
 * Reads the recorded commands of a job from the record of a real run: how long
 * each attempt at a step took, and how it ended.
 *
 * @param text Content of the file `run.jsonl` in the artifacts of the run.
 * @returns Commands by step, for {@linkcode testJob}.
 * @throws {TypeError} If the text is not a record.
 *
 * @example
 * ```ts
 * import { createRunner, Job } from "@reactorcide/runnerlib";
 * import { commandsFromRecord, testJob } from "@reactorcide/runnerlib/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const cwd = await Deno.makeTempDir();
 * const job = new Job("checks").addStep("a", "exit 3").addStep("b", "true");
 * await createRunner({ cwd }).runJob(job);
 *
 * const record = await Deno.readTextFile(`${cwd}/job/artifacts/run.jsonl`);
 * const test = await testJob(job, { commands: commandsFromRecord(record) });
 * assertEquals(test.exitCode, 3);
 * ```
 */
export function commandsFromRecord(
  text: string,
): Record<string, readonly RecordedCommand[]> {
  const record = readRecord(text);
  if (record === undefined) {
    throw new TypeError("This is not a record of a run");
  }
  return Object.fromEntries(
    record.steps
      .filter(({ attempts }) => attempts.length > 0)
      .map(({ name, attempts }) => [
        name,
        attempts.map(({ exitCode, durationMs }) => ({
          exitCode: exitCode ?? 1,
          durationMs,
        })),
      ]),
  );
}
