import type { Environment } from "../environment/variables.ts";
import {
  privateDirectories,
  privateDirectory,
  type TemporaryPlace,
} from "../fs/temporary_directory.ts";
import { isInside } from "../job_path.ts";
import type { SandboxLimits } from "../process/sandbox/find_sandbox.ts";
import { isNested } from "../process/remove_nested.ts";
import type { ProtectedPaths } from "../process/sandbox/mount_words.ts";
import type { Workspace } from "../workspace/layout.ts";
import { readOutputs } from "./output_files.ts";
import type { CommandOutputs } from "./step.ts";

/** Private files of an attempt. */
export interface AttemptFiles {
  /** Absolute path of the file in `REACTORCIDE_OUTPUT`. */
  readonly outputPath: string;
  /**
   * Reads the outputs in this file.
   *
   * @param options Whether the programs of the attempt have ended. If they have and
   * left no file, nothing has to be removed later.
   * @throws {Error} If the file cannot be read or parsed.
   */
  readonly readOutputs: (
    options?: { haveEnded?: boolean },
  ) => Promise<CommandOutputs>;
  /** Where script files are created. */
  readonly temporaryPlace: TemporaryPlace;
  /** Paths that are read-only or hidden for untrusted steps. */
  readonly protectedPaths: ProtectedPaths;
  /**
   * Paths and sockets that the kernel lets the step access, including the files
   * of the attempt.
   */
  readonly limits?: SandboxLimits;
  /** Variables of directories that belong to the attempt. */
  readonly directories?: Environment;
}

/** Options for {@linkcode openAttemptFiles}. */
export interface OpenAttemptFilesOptions {
  /** Absolute path of the private directory with the files of all attempts. */
  readonly attemptsPath: string;
  /** Whether the attempt runs untrusted code. */
  readonly isUntrusted: boolean;
  /** The workspace. */
  readonly workspace: Workspace;
  /** Directories that an untrusted step must not change. */
  readonly readOnly: readonly string[];
  /**
   * Paths and sockets that the kernel lets the step access, without the files
   * of the attempt.
   */
  readonly limits?: SandboxLimits;
  /** Environment of the step. */
  readonly env: Environment;
  /** Environment of the runner. */
  readonly inherited: Environment;
}

/**
 * Chooses the files of an attempt. Steps cannot guess the paths of other steps'
 * files, and the files are hidden from untrusted steps if the system supports
 * it.
 *
 * An untrusted or limited step gets a directory of its own, so that all other files
 * can be hidden from it. Other steps share one, because creating and removing a
 * directory takes as long as a short step.
 *
 * @returns The files, which are removed when disposed.
 */
export function openAttemptFiles(
  options: OpenAttemptFilesOptions,
): AttemptFiles & Disposable {
  return options.isUntrusted || options.limits !== undefined
    ? openInOwnDirectory(options)
    : openInSharedDirectory(options);
}

function openInSharedDirectory(
  { attemptsPath, workspace, readOnly }: OpenAttemptFilesOptions,
): AttemptFiles & Disposable {
  const id = crypto.getRandomValues(new Uint8Array(16)).toHex();
  const name = `output-${id}`;
  const outputPath = `${attemptsPath}/${name}`;
  let isMissing = false;
  return {
    outputPath,
    async readOutputs({ haveEnded = false } = {}) {
      isMissing = haveEnded && !hasFile(attemptsPath, name);
      return isMissing ? {} : await readOutputs(outputPath);
    },
    temporaryPlace: { env: { TMPDIR: attemptsPath }, workspace },
    protectedPaths: { readOnly },
    [Symbol.dispose]() {
      if (!isMissing) removeSync(outputPath);
    },
  };
}

/**
 * Checks whether a file exists. Most steps leave none, and the directory contains
 * only files of running steps, so listing it takes less time than the error for
 * a missing file.
 */
function hasFile(directory: string, name: string): boolean {
  for (const file of Deno.readDirSync(directory)) {
    if (file.name === name) return true;
  }
  return false;
}

/** Removes what a step has left at the path of a file. */
function removeSync(path: string): void {
  try {
    if (!isNested(path)) Deno.removeSync(path, { recursive: true });
  } catch {
    // It does not exist, or is removed with the directory of all attempts.
  }
}

function openInOwnDirectory(
  options: OpenAttemptFilesOptions,
): AttemptFiles & Disposable {
  const { attemptsPath, workspace, readOnly, limits } = options;
  const directory = privateDirectory([attemptsPath]);
  const { path } = directory;
  const others = privateDirectories()
    .filter((other) => !isInside(attemptsPath, other));
  const directories = limits === undefined || limits.write.includes("/")
    ? {}
    : createDirectories(path, options);
  return {
    outputPath: `${path}/output`,
    async readOutputs({ haveEnded = false } = {}) {
      const own = Object.values(directories);
      if (haveEnded && directory.removeIfEmpty(own)) return {};
      return await readOutputs(`${path}/output`);
    },
    temporaryPlace: { env: { TMPDIR: path }, workspace },
    protectedPaths: {
      readOnly,
      hidden: [
        { path: attemptsPath, except: path },
        ...others.map((path) => ({ path })),
      ],
    },
    ...limits === undefined ? {} : {
      limits: {
        ...limits,
        read: [...limits.read, path],
        write: [...limits.write, path],
      },
      directories,
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/**
 * Creates a `HOME` and a `TMPDIR` for a step that cannot write to those of the
 * runner, unless the job sets them.
 */
function createDirectories(
  path: string,
  { env, inherited }: OpenAttemptFilesOptions,
): Environment {
  const names = ["HOME", "TMPDIR"].filter((name) =>
    env[name] === undefined || env[name] === inherited[name]
  );
  return Object.fromEntries(names.map((name) => {
    const own = `${path}/${name.toLowerCase()}`;
    Deno.mkdirSync(own, { mode: 0o700 });
    return [name, own];
  }));
}
