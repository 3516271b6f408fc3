import type { Environment } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { isFile } from "../../fs/files.ts";

/** Options for {@linkcode findDeno}. */
export interface FindDenoOptions {
  /**
   * Whether the runner is a compiled program, which cannot run other modules.
   *
   * @default {detected}
   */
  isStandalone?: boolean;
}

/**
 * Finds the Deno that runs plugins: the one that runs the runner or, for a
 * compiled runner, the one on `PATH`.
 *
 * @returns Path of Deno.
 * @throws {RunnerError} `plugin-failed` if Deno is not found.
 */
export async function findDeno(
  env: Environment,
  options: FindDenoOptions = {},
): Promise<string> {
  const { isStandalone = Deno.build.standalone } = options;
  if (!isStandalone) return Deno.execPath();
  const path = await findOnPath("deno", env);
  if (path !== undefined) return path;
  throw new RunnerError(
    "Cannot start a process for plugins: a compiled runner needs Deno, which is not on PATH",
    { code: "plugin-failed" },
  );
}

/**
 * Finds a program on `PATH`.
 *
 * @param name Name of the program.
 * @returns Absolute path; `undefined` if the program is not found.
 */
export async function findOnPath(
  name: string,
  env: Environment,
): Promise<string | undefined> {
  for (const directory of (env.PATH ?? "").split(":")) {
    const path = `${directory}/${name}`;
    if (path.startsWith("/") && await isFile(path)) return path;
  }
  return undefined;
}
