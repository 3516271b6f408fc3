import { dirname } from "@std/path/posix/dirname";
import { fixedEnvironment } from "../../environment/child_environment.ts";
import { RunnerError } from "../../errors.ts";
import { osReason } from "../../os_reason.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import {
  temporaryDirectory,
  type TemporaryPlace,
} from "../../workspace/temporary.ts";
import { capture } from "../../process/capture.ts";

/** User and group as whom jobs run when nobody else is there. */
const RUNNER = { uid: 1001, gid: 1001 } as const;

/** Files that are there for one container. */
export interface ContainerFiles extends AsyncDisposable {
  /** Absolute path of their directory, which nobody else can enter. */
  readonly directory: string;
  /** User and group of the container: the caller's, but never root. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Whether what the container shall use belongs to root. */
  readonly isRoot: boolean;
  /**
   * Writes a file that its owner alone can read.
   *
   * @param name Name of the file.
   * @param text Its content.
   * @returns Its absolute path.
   */
  write(name: string, text: string): Promise<string>;
}

/**
 * Makes the directory for a container's files; disposing of it removes it.
 *
 * Whose it is tells who the caller is, for which Deno would want a permission.
 *
 * @param place Where it can be.
 * @returns The files.
 * @throws {RunnerError} `container-failed`, if there can be none.
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
 * Gives what root has made for a job to the user as whom it runs. Links are
 * given away themselves, and never what they lead to.
 *
 * @param user The user.
 * @param paths What becomes theirs: the workspace, and single files.
 * @param cancellation The wish that the job ends.
 */
export async function handOver(
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
      `Cannot give "${workspace}" to user ${owner}: ${stderr.trim()}`,
      { code: "workspace" },
    );
  }
  for (const path of [socket && dirname(socket), socket, secretsFile]) {
    if (path) await Deno.chown(path, user.uid, user.gid);
  }
}
