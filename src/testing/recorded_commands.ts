import { readRecord } from "../report/run_record.ts";
import type { RecordedCommand } from "./recorded_command.ts";

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
