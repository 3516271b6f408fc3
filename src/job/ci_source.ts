import { RunnerError } from "../errors.ts";
import type { Phase } from "../plugins/phases.ts";
import { printable } from "../printable.ts";
import { changesBetween, takeManifest } from "../source/manifest.ts";
import type { JobRun } from "./job_run.ts";

/** Most paths that a message names. */
const SHOWN_COUNT = 20;

/**
 * Closes the trusted CI source, once it is in its place: nobody may write to
 * it, and what is in it is remembered.
 *
 * Permission bits do not hold back a user who is root; that nothing was
 * changed is found out by {@linkcode checkCiSource}.
 *
 * @param run The run.
 * @throws {RunnerError} `source-failed`, if something in it cannot be read.
 */
export async function sealCiSource(run: JobRun): Promise<void> {
  if (run.ciSourcePath === undefined) return;
  run.ciManifest = await takeManifest(run.ciSourcePath, {
    isSealed: true,
    signal: run.cancellation.asked,
  });
}

/**
 * Compares the trusted CI source with what was prepared, before somebody who
 * is trusted uses it.
 *
 * After a change it counts as lost: the run does not tell its place any more,
 * and it is not compared again.
 *
 * @param run The run.
 * @param signal Stops the work.
 * @throws {RunnerError} `ci-source-modified`, with the names of what was changed.
 */
export async function checkCiSource(
  run: JobRun,
  signal: AbortSignal = run.cancellation.asked,
): Promise<void> {
  const { ciManifest, ciSourcePath } = run;
  if (ciManifest === undefined || ciSourcePath === undefined) return;
  const problem = await problemOf(ciSourcePath, ciManifest, signal);
  if (problem === undefined) return;
  run.ciManifest = undefined;
  run.ciSourcePath = undefined;
  throw new RunnerError(`Cannot use "${ciSourcePath}": ${problem.reason}`, {
    code: "ci-source-modified",
    cause: problem.cause,
  });
}

/**
 * Does the same before plugins are called in a phase.
 *
 * What ends a job cannot be left out: in `on_error` and `cleanup` a change is
 * a failure of the job, and the plugins are called without the CI source.
 *
 * @param phase The phase.
 * @param run The run.
 * @throws {RunnerError} `ci-source-modified`, in any other phase.
 */
export async function checkCiSourceIn(
  phase: Phase,
  run: JobRun,
): Promise<void> {
  if (phase !== "on_error" && phase !== "cleanup") {
    return await checkCiSource(run);
  }
  try {
    // A job that was cancelled is still cleaned up.
    await checkCiSource(run, new AbortController().signal);
  } catch (error) {
    run.fail(error);
  }
}

async function problemOf(
  path: string,
  before: NonNullable<JobRun["ciManifest"]>,
  signal: AbortSignal,
): Promise<{ reason: string; cause?: unknown } | undefined> {
  let changes: ReturnType<typeof changesBetween>;
  try {
    changes = changesBetween(before, await takeManifest(path, { signal }));
  } catch (cause) {
    signal.throwIfAborted();
    // What was readable when it was prepared is not as it was.
    return { reason: "it was changed and cannot be read any more", cause };
  }
  if (changes.length === 0) return undefined;
  const shown = changes.slice(0, SHOWN_COUNT)
    .map(([name, change]) => `${printable(name || ".")} (${change})`);
  const rest = changes.length - shown.length;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return {
    reason: `it was changed after its preparation: ${shown.join(", ")}${more}`,
  };
}
