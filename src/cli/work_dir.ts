import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { createParts, type RunnerParts } from "../runner/runner_parts.ts";
import type { CommandContext, Flag } from "./command.ts";

/** Option that names the directory in which a command works. */
export const WORK_DIR_FLAG: Flag = {
  name: "work-dir",
  valueName: "PATH",
  help: "Use PATH as the current directory",
  group: "What to run",
};

/**
 * Moves a runner into the directory that `--work-dir` names.
 *
 * @param context Context of the command.
 * @param host The process, if not that of the context.
 * @returns Parts of the runner that works there.
 * @throws {RunnerError} `workspace`, if there is no such directory.
 */
export function partsInWorkDir(
  { parts, flags }: CommandContext,
  host: Host = parts.host,
): RunnerParts {
  const given = flags.get("work-dir");
  if (typeof given !== "string") {
    return host === parts.host
      ? parts
      : createParts(host, { masker: parts.masker });
  }
  try {
    const cwd = Deno.realPathSync(
      given.startsWith("/") ? given : `${host.cwd}/${given}`,
    );
    if (Deno.statSync(cwd).isDirectory) {
      return createParts({ ...host, cwd }, { masker: parts.masker });
    }
  } catch {
    // Reported below, whatever the reason.
  }
  throw new RunnerError(`Cannot work in "${given}": no such directory`, {
    code: "workspace",
  });
}
