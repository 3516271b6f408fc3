import { dirname } from "@std/path/posix/dirname";
import { equalBytes } from "../bytes.ts";
import type { JobConfig } from "../config/job_config.ts";
import { lstatIfThereSync } from "../fs/files.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { isInside } from "../job_path.ts";
import { MAX_DOCUMENT_BYTES } from "../triggers/triggers_file.ts";
import { realParent, realPath } from "../workspace/guard.ts";
import { removeTree } from "../workspace/remove.ts";
import { outputPath, variablesPath, workspacePath } from "./job_workspace.ts";
import type { RunnerContext } from "./runner_context.ts";

/**
 * Returns the files that untrusted steps must not change: follow-up jobs and
 * outputs, which a worker reads after the job, and the variables of the workflow.
 *
 * A follow-up job may refer to secrets, so no untrusted step may write one.
 *
 * @returns Absolute paths.
 */
export function protectedFiles(
  runner: RunnerContext,
  config: JobConfig,
): readonly string[] {
  return [
    workspacePath(runner, config.triggers.file),
    outputPath(runner),
    variablesPath(runner),
  ];
}

/** Permission of a directory's owner to use it. */
const OWN_USE = 0o700;

/** Contents of files at one time. */
export interface FileSnapshot {
  /**
   * Restores the files that have changed since.
   *
   * @returns Paths of the files that had changed.
   * @throws {RunnerError} `output-failed` or `workspace`, if a file cannot be
   * restored.
   */
  restore(): Promise<readonly string[]>;
}

/**
 * Reads files, so that changes to them can be undone.
 *
 * @param paths Absolute paths.
 * @param base Absolute path of the directory in which steps may replace
 * directories.
 */
export async function snapshotFiles(
  paths: readonly string[],
  base: string,
): Promise<FileSnapshot> {
  const root = await realPath(base);
  const files = await Promise.all(paths.map(async (path) => {
    const real = await realParent(path);
    return { path: real, before: await contentAt(real) };
  }));
  const directories = new Set(files.map(({ path }) => dirname(path)));
  return {
    async restore() {
      const changed: string[] = [];
      const moved = new Set<string>();
      for (const directory of directories) {
        if (await reopen(root, directory)) moved.add(directory);
      }
      for (const { path, before } of files) {
        const directory = dirname(path);
        const isMoved = moved.delete(directory);
        if (!isMoved && isSame(before, await contentAt(path))) continue;
        changed.push(path);
        await removeTree(path);
        if (before.kind !== "file") continue;
        await Deno.mkdir(directory, { recursive: true });
        await writeAtomic(path, before.bytes, { mode: before.mode });
      }
      return changed;
    },
  };
}

/** State of a path. */
type Content =
  | { readonly kind: "nothing" }
  | {
    readonly kind: "file";
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly mode: number;
  }
  /** A directory, for example, or a file that nothing would read. */
  | { readonly kind: "other"; readonly id: string };

async function contentAt(path: string): Promise<Content> {
  const info = lstatIfThereSync(path);
  if (info === undefined) return { kind: "nothing" };
  const { dev, ino, size, mtime, ctime, isFile, mode } = info;
  if (isFile && size <= MAX_DOCUMENT_BYTES) {
    try {
      const bytes = await readUntrusted(path, { maxBytes: MAX_DOCUMENT_BYTES });
      return { kind: "file", bytes, mode: (mode ?? 0o644) & 0o777 };
    } catch {
      // It has been replaced by now, or this user may not read it.
    }
  }
  const id = [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join();
  return { kind: "other", id };
}

function isSame(before: Content, now: Content): boolean {
  switch (before.kind) {
    case "nothing":
      return now.kind === "nothing";
    case "file":
      return now.kind === "file" && before.mode === now.mode &&
        equalBytes(before.bytes, now.bytes);
    case "other":
      return now.kind === "other" && before.id === now.id;
  }
}

/**
 * Removes links and files that have replaced components of a path, and lets the
 * runner use its directories again.
 *
 * @param root Absolute path of a directory, whose parents are left alone.
 * @param directory Absolute path that had no links.
 * @returns Whether components had been replaced.
 */
async function reopen(root: string, directory: string): Promise<boolean> {
  if (!isInside(root, directory)) return false;
  let path = root;
  for (const name of ["", ...directory.slice(root.length).split("/")]) {
    if (name !== "") path += `/${name}`;
    const info = lstatIfThereSync(path);
    if (info === undefined) return false;
    if (!info.isDirectory) {
      await Deno.remove(path);
      return true;
    }
    const mode = (info.mode ?? OWN_USE) & 0o7777;
    if ((mode & OWN_USE) === OWN_USE) continue;
    // A directory of another user was not changed by a step.
    await Deno.chmod(path, mode | OWN_USE).catch(() => {});
  }
  return false;
}
