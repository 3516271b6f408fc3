/**
 * The program `runnerlib` for the commands of a job.
 *
 * 1. It is a script in a private directory of the run, next to the socket for
 *    secrets: no other user can enter it, and it is gone after the run.
 * 2. The directory is the first one on the `PATH` of the command, so that no
 *    file of the tested code takes its place.
 * 3. Untrusted steps do not get it. Beside them, it is written again before each
 *    trusted step.
 *
 * @module
 */
import { dirname } from "@std/path/posix/dirname";
import { quoteWord } from "../command_text.ts";
import { withProgramDirectory } from "../environment/child_environment.ts";
import type { Environment } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import type { Registration } from "../secrets/registration/server.ts";

/** Name of the program. */
const NAME = "runnerlib";

/** A directory with the program. */
export interface Launcher {
  /** Puts the directory first on the `PATH` of a command. */
  addTo<Env extends Environment>(env: Env): Env;
  /** Writes the program again, whatever became of it. */
  restore(): void;
}

/**
 * Creates the program next to the socket for secrets.
 *
 * @param host The process around the runner.
 * @param registration The socket; its directory is removed with it.
 * @returns The directory; `undefined` if there is none, or if the process has no
 * command line of its own.
 */
export function openLauncher(
  host: Pick<Host, "program">,
  registration: Registration | undefined,
): Launcher | undefined {
  return registration && createLauncher(host, dirname(registration.path));
}

/**
 * Creates the program in a directory.
 *
 * @param host The process around the runner.
 * @param parent Absolute path of a private directory, which the caller removes.
 */
export function createLauncher(
  { program }: Pick<Host, "program">,
  parent: string,
): Launcher | undefined {
  if (program === undefined) return undefined;
  const script = `#!/bin/sh\nexec ${program.map(quoteWord).join(" ")} "$@"\n`;
  const directory = `${parent}/bin`;
  function restore(): void {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = `${directory}/${crypto.randomUUID()}`;
    Deno.writeTextFileSync(file, script, { mode: 0o700, createNew: true });
    Deno.renameSync(file, `${directory}/${NAME}`);
  }
  try {
    Deno.mkdirSync(directory, { mode: 0o700 });
    Deno.writeTextFileSync(`${directory}/${NAME}`, script, { mode: 0o700 });
  } catch (error) {
    // A pipeline may be started without the permission.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
  return { restore, addTo: (env) => withProgramDirectory(env, directory) };
}
