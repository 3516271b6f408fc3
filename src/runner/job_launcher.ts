/**
 * The program `runnerlib` for commands of a job.
 *
 * 1. The program is a script in the private directory of the socket for
 *    secrets: no other user can enter the directory, and it is removed after
 *    the run.
 * 2. The directory is the first one on the `PATH` of the command, so that no
 *    file of the tested code takes precedence over the program.
 * 3. Untrusted steps do not get the program. If a job has such steps, the
 *    program is written again before each trusted step.
 *
 * @module
 */
import { quoteWord } from "../command_text.ts";
import { withProgramDirectory } from "../environment/child_environment.ts";
import type { Environment } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import type { Registration } from "../secrets/registration/server.ts";

/** File name of the program. */
const NAME = "runnerlib";

/** Directory that contains the program. */
export interface Launcher {
  /** Prepends the directory to the `PATH` of a command. */
  addTo<Env extends Environment>(env: Env): Env;
  /** Writes the program again, in case a step changed it. */
  restore(): void;
}

/**
 * Creates the program in the private directory of the socket for secrets.
 *
 * @param registration The socket; the directory is removed with it.
 * @returns The directory; `undefined` if there is no socket, or if the host has
 * no command for `runnerlib`.
 */
export function openLauncher(
  host: Pick<Host, "program" | "env">,
  registration: Registration | undefined,
): Launcher | undefined {
  if (registration === undefined) return undefined;
  return createLauncher(host, registration.directory);
}

/**
 * Creates the program in a directory.
 *
 * @param parent Absolute path of a private directory, which the caller removes.
 */
export function createLauncher(
  { program, env }: Pick<Host, "program" | "env">,
  parent: string,
): Launcher | undefined {
  if (program === undefined) return undefined;
  // The command may not inherit this variable or HOME.
  const cache = env.DENO_DIR === undefined
    ? ""
    : `[ -n "$DENO_DIR" ] || export DENO_DIR=${quoteWord(env.DENO_DIR)}\n`;
  const script = `#!/bin/sh\n${cache}exec ${
    program.map(quoteWord).join(" ")
  } "$@"\n`;
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
    // A pipeline may run without the permission.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
  return { restore, addTo: (env) => withProgramDirectory(env, directory) };
}
