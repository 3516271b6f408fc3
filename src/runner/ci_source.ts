import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import type { StepConfig } from "../config/step_config.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { Phase } from "../plugins/plugin.ts";
import { printable } from "../terminal/text.ts";
import { copyTree } from "../source/copy.ts";
import { changesBetween, takeManifest } from "../source/manifest.ts";
import { realPath } from "../workspace/guard.ts";
import { temporaryDirectory } from "../fs/temporary_directory.ts";
import { boundaryChanges, writeBoundary } from "./ci_boundary.ts";
import type { JobRun } from "./job_run.ts";

/** Maximum number of paths that a message names. */
const SHOWN_COUNT = 20;

/**
 * Returns the path for a copy of the trusted CI source. The copy is created when
 * a plugin or a trusted step is going to read it.
 *
 * @param run The run.
 * @returns Absolute path with a random name.
 */
export function ciCopyPath(run: JobRun): string {
  const { host: { env }, workspace } = run.parts;
  run.ciCopyDirectory ??= temporaryDirectory({ env, workspace });
  return `${run.ciCopyDirectory.path}/ci`;
}

/**
 * Closes the trusted CI source, once it is in its place, and before anything
 * of the job runs: removes write permission, and records what is in it.
 *
 * Permission bits do not stop a user who is root or owns the files, and what
 * was compared may be changed a moment later. Plugins and, in a job with
 * untrusted steps, the trusted steps therefore read a copy outside of the
 * workspace. That a step changed what the job itself reads is found out by
 * {@linkcode checkCiSource}.
 *
 * @param run The run.
 * @param steps Steps of the job, without those that plugins add.
 * @throws {RunnerError} `source-failed`, if something in it cannot be read.
 */
export async function sealCiSource(
  run: JobRun,
  steps: readonly Pick<StepConfig, "untrusted">[] = [],
): Promise<void> {
  const prepared = run.ciSourcePath;
  if (prepared === undefined) return;
  const signal = run.cancellation.graceful;
  run.ciPreparedPath = prepared;
  run.ciManifest = await takeManifest(prepared, {
    makesReadOnly: true,
    signal,
  });
  if (!await isCopyRead(run, prepared, steps)) return;
  const copy = ciCopyPath(run);
  const root = await realPath(run.parts.workspace.pathOf("/job/ci"));
  const path = copy + prepared.slice(root.length);
  try {
    run.hasCiCopy = true;
    await Deno.mkdir(path, { recursive: true });
    await copyTree(prepared, path, {
      leaveOut: [],
      onSpecialFile: () => {},
      signal,
    });
    await Deno.chmod(path, 0o555);
    if (isMixed(steps)) {
      await writeBoundary(dirname(path));
      run.hasCiBoundary = true;
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(
      `Cannot copy "${prepared}" to "${path}": ${osReason(cause)}`,
      { code: "source-failed", cause },
    );
  }
  run.ciCopyManifest = await takeManifest(path, { signal });
  run.ciSourcePath = path;
}

/**
 * Removes the copy of the trusted CI source, if there is one.
 *
 * @param run The run, in which nothing reads it any more.
 */
export function removeCiCopy(run: JobRun): void {
  run.ciCopyDirectory?.[Symbol.dispose]();
  run.ciCopyDirectory = undefined;
  run.hasCiCopy = false;
  run.hasCiBoundary = false;
}

async function isCopyRead(
  { parts: { plugins }, settings }: JobRun,
  path: string,
  steps: readonly Pick<StepConfig, "untrusted">[],
): Promise<boolean> {
  return isMixed(steps) || (plugins?.plugins.length ?? 0) > 0 ||
    (settings.get("plugin_dir")?.value ?? "") !== "" ||
    await Deno.stat(`${path}/.reactorcide/plugins`)
      .then(({ isDirectory }) => isDirectory, () => false);
}

function isMixed(steps: readonly Pick<StepConfig, "untrusted">[]): boolean {
  return steps.some(({ untrusted }) => untrusted) &&
    steps.some(({ untrusted }) => !untrusted);
}

/**
 * Compares the trusted CI source with what was prepared, before somebody who
 * is trusted uses it.
 *
 * After a change it counts as lost: the run forgets its path,
 * and it is not compared again.
 *
 * @param run The run.
 * @param signal Stops the work.
 * @throws {RunnerError} `ci-source-modified`, with the names of what was changed.
 */
export async function checkCiSource(
  run: JobRun,
  signal: AbortSignal = run.cancellation.graceful,
): Promise<void> {
  const { ciManifest, ciPreparedPath, ciCopyManifest, ciSourcePath } = run;
  const { hasCiBoundary } = run;
  if (ciManifest === undefined || ciPreparedPath === undefined) return;
  const problem = await problemOf(ciPreparedPath, ciManifest, signal) ??
    (ciCopyManifest && ciSourcePath &&
      await problemOf(ciSourcePath, ciCopyManifest, signal, hasCiBoundary));
  if (!problem) return;
  run.ciManifest = undefined;
  run.ciSourcePath = undefined;
  throw new RunnerError(`Cannot use "${ciPreparedPath}": ${problem.reason}`, {
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
  hasBoundary = false,
): Promise<{ reason: string; cause?: unknown } | undefined> {
  let changes: [path: string, change: string][];
  try {
    const after = await takeManifest(path, { expected: before, signal });
    changes = [
      ...changesBetween(before, after),
      ...hasBoundary
        ? await boundaryChanges(dirname(path), basename(path))
        : [],
    ];
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
