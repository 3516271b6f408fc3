import { dirname } from "@std/path/posix/dirname";
import { fixedEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import {
  temporaryDirectory,
  type TemporaryPlace,
} from "../fs/temporary_directory.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { capture } from "../process/capture.ts";

/** User and group of a job that is started by root. */
const RUNNER = { uid: 1001, gid: 1001 } as const;

/** Private files of one container, which are removed when disposed. */
export interface ContainerFiles extends AsyncDisposable {
  /** Absolute path of their directory (mode 0700). */
  readonly directory: string;
  /** User and group of the container: those of the caller, but never root. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Whether the caller is root, so that owners of files have to be changed. */
  readonly isRoot: boolean;
  /** Writes a file (mode 0600). */
  write(name: string, text: string): Promise<string>;
}

/**
 * Creates the directory for a container's files.
 *
 * The user is read from the new directory, because asking Deno for it would
 * need a permission.
 *
 * @throws {RunnerError} `container-failed`, if it cannot be created.
 */
export async function openContainerFiles(
  place: TemporaryPlace,
): Promise<ContainerFiles> {
  const { path: directory, [Symbol.dispose]: remove } = temporaryDirectory(
    place,
  );
  try {
    const { uid, gid } = await Deno.stat(directory);
    const isRoot = uid === 0;
    return {
      directory,
      user: isRoot || uid === null || gid === null ? RUNNER : { uid, gid },
      isRoot,
      async write(name, text) {
        const path = `${directory}/${name}`;
        await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
        return path;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(remove()),
    };
  } catch (cause) {
    remove();
    throw new RunnerError(
      `Cannot use "${directory}": ${osReason(cause)}`,
      { code: "container-failed", cause },
    );
  }
}

/**
 * Changes the owner of files that root created for a job. Symbolic links
 * themselves are changed, never their targets.
 *
 * @param paths Absolute paths of files and directories.
 */
export async function changeOwner(
  user: ContainerFiles["user"],
  paths: {
    workspace: string;
    socket: string | undefined;
    secretsFile: string | undefined;
  },
  cancellation: Cancellation,
): Promise<void> {
  const { workspace, socket, secretsFile } = paths;
  const owner = `${user.uid}:${user.gid}`;
  const { exitCode, stderr } = await capture(
    ["chown", "-R", "-P", "-h", owner, "--", workspace],
    {
      cwd: "/",
      env: fixedEnvironment({ PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }),
      cancellation,
    },
  );
  if (exitCode !== 0) {
    throw new RunnerError(
      `Cannot change the owner of "${workspace}" to ${owner}: ${stderr.trim()}`,
      { code: "workspace" },
    );
  }
  for (const path of [socket && dirname(socket), socket, secretsFile]) {
    if (path) await Deno.chown(path, user.uid, user.gid);
  }
}
