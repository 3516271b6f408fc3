import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import type { StepConfig } from "../config/step_config.ts";
import { osReason, RunnerError } from "../errors.ts";
import { temporaryDirectory } from "../fs/temporary_directory.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { CI_DIRECTORY } from "../job_path.ts";
import type { Phase } from "../plugins/plugin.ts";
import { copyTree } from "../source/copy_source.ts";
import {
  changesBetween,
  type Manifest,
  takeManifest,
} from "../source/directory_manifest.ts";
import { listed } from "../suggest.ts";
import { printable } from "../terminal/text.ts";
import { realPath } from "../workspace/guard.ts";
import { recordFailure } from "./job_result.ts";
import type { RunState } from "./run_state.ts";

/** Maximum number of paths that a message lists. */
const SHOWN_COUNT = 20;

/** Contents of the files above the copy, by name. */
const BOUNDARY_FILES: Readonly<Record<string, string>> = {
  // Deno searches up to the root of a workspace, which this file declares.
  "deno.json": '{"workspace":[],"lock":false}\n',
  // Git treats the directory as a work tree whose repository is missing.
  ".git": "gitdir: none\n",
};

/**
 * Returns the path for a copy of the trusted CI source. The copy is created
 * only if a plugin or a trusted step will read it.
 *
 * @returns Absolute path with a random name.
 */
export function ciCopyPath(run: RunState): string {
  const { host: { env }, workspace } = run.runner;
  run.ci.copyDirectory ??= temporaryDirectory({ env, workspace });
  return `${run.ci.copyDirectory.path}/ci`;
}

/**
 * Seals the trusted CI source after its preparation and before any code of the
 * job runs: removes write permission and records its contents.
 *
 * Permission bits do not stop root or the owner of the files, and files can
 * change right after a comparison. Therefore plugins, and the trusted steps of
 * a job with untrusted ones, read a copy outside the workspace.
 * {@linkcode checkCiSource} detects changes of the files that the job itself
 * reads.
 *
 * @param steps Steps of the job, without those that plugins add.
 * @throws {RunnerError} `source-failed` if it cannot be read or copied.
 */
export async function sealCiSource(
  run: RunState,
  steps: readonly Pick<StepConfig, "untrusted">[] = [],
): Promise<void> {
  const prepared = run.ci.path;
  if (prepared === undefined) return;
  const signal = run.cancellation.graceful;
  run.ci.preparedPath = prepared;
  run.ci.manifest = await takeManifest(prepared, {
    makesReadOnly: true,
    signal,
  });
  if (!await isCopyRead(run, prepared, steps)) return;
  const copy = ciCopyPath(run);
  const root = await realPath(run.runner.workspace.pathOf(CI_DIRECTORY));
  const path = copy + prepared.slice(root.length);
  try {
    run.ci.hasCopy = true;
    await Deno.mkdir(path, { recursive: true });
    await copyTree(prepared, path, {
      leaveOut: [],
      onSpecialFile: () => {},
      signal,
    });
    await Deno.chmod(path, 0o555);
    if (isMixed(steps)) {
      await writeBoundary(dirname(path));
      run.ci.hasBoundary = true;
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(
      `Cannot copy "${prepared}" to "${path}": ${osReason(cause)}`,
      { code: "source-failed", cause },
    );
  }
  run.ci.copyManifest = await takeManifest(path, { signal });
  run.ci.path = path;
}

/**
 * Removes the copy of the trusted CI source, if there is one.
 *
 * @param run The run, which no longer reads the copy.
 */
export function removeCiSourceCopy(run: RunState): void {
  run.ci.copyDirectory?.[Symbol.dispose]();
  run.ci.copyDirectory = undefined;
  run.ci.hasCopy = false;
  run.ci.hasBoundary = false;
}

async function isCopyRead(
  { runner: { plugins }, settings }: RunState,
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
 * Checks that the trusted CI source has not changed since its preparation,
 * before trusted code uses it.
 *
 * After a change, the run drops the path of the source and does not check it
 * again.
 *
 * @param signal Cancels the check.
 * @throws {RunnerError} `ci-source-modified`, with the changed paths.
 */
export async function checkCiSource(
  run: RunState,
  signal: AbortSignal = run.cancellation.graceful,
): Promise<void> {
  const { manifest, preparedPath, copyManifest, path, hasBoundary } = run.ci;
  if (manifest === undefined || preparedPath === undefined) return;
  const problem = await findChanges(preparedPath, manifest, signal) ??
    (copyManifest && path &&
      await findChanges(path, copyManifest, signal, hasBoundary));
  if (!problem) return;
  run.ci.manifest = undefined;
  run.ci.path = undefined;
  throw new RunnerError(`Cannot use "${preparedPath}": ${problem.reason}`, {
    code: "ci-source-modified",
    cause: problem.cause,
  });
}

/**
 * Checks the trusted CI source before the plugins of a phase are called.
 *
 * `on_error` and `cleanup` cannot be skipped: there, a change fails the job,
 * and the plugins are called without the CI source.
 *
 * @throws {RunnerError} `ci-source-modified`, in all other phases.
 */
export async function checkCiSourceIn(
  phase: Phase,
  run: RunState,
): Promise<void> {
  if (phase !== "on_error" && phase !== "cleanup") {
    return await checkCiSource(run);
  }
  try {
    // A cancelled job is still cleaned up.
    await checkCiSource(run, new AbortController().signal);
  } catch (error) {
    recordFailure(run, error);
  }
}

async function findChanges(
  path: string,
  before: Manifest,
  signal: AbortSignal,
  hasBoundary = false,
): Promise<{ reason: string; cause?: unknown } | undefined> {
  let changes: [path: string, change: string][];
  try {
    const after = await takeManifest(path, { expected: before, signal });
    changes = [
      ...changesBetween(before, after),
      ...hasBoundary
        ? await compareBoundary(dirname(path), basename(path))
        : [],
    ];
  } catch (cause) {
    signal.throwIfAborted();
    // The files were readable when they were prepared, so they have changed.
    return { reason: "it was changed and can no longer be read", cause };
  }
  if (changes.length === 0) return undefined;
  const names = changes.map(([name, change]) =>
    `${printable(name || ".")} (${change})`
  );
  return {
    reason: `it was changed after its preparation: ${
      listed(names, SHOWN_COUNT)
    }`,
  };
}

/**
 * Writes files above the copy, at which programs stop searching parent
 * directories for their configuration. Otherwise an untrusted step could leave a
 * configuration further up, such as `/tmp/deno.json`.
 *
 * @param directory Absolute path of the directory that will contain the copy.
 */
async function writeBoundary(directory: string): Promise<void> {
  for (const [name, content] of Object.entries(BOUNDARY_FILES)) {
    await Deno.writeTextFile(`${directory}/${name}`, content, {
      createNew: true,
      mode: 0o400,
    });
  }
}

/**
 * Compares the directory above the copy with the written files.
 *
 * @param copy Name of the copy in the directory.
 * @returns Changed paths, relative to the copy, with the kind of change.
 */
async function compareBoundary(
  directory: string,
  copy: string,
): Promise<[path: string, change: string][]> {
  const changes: [string, string][] = [];
  const expected = new Set([copy, ...Object.keys(BOUNDARY_FILES)]);
  for await (const { name } of Deno.readDir(directory)) {
    if (!expected.has(name)) changes.push([`../${name}`, "added"]);
  }
  for (const [name, content] of Object.entries(BOUNDARY_FILES)) {
    const isSame = await readUntrusted(`${directory}/${name}`, {
      maxBytes: content.length,
    }).then(
      (bytes) => new TextDecoder().decode(bytes) === content,
      () => false,
    );
    if (!isSame) changes.push([`../${name}`, "changed"]);
  }
  return changes;
}
