import type { Flag, ParsedArguments } from "./command.ts";

/** Option that names a job file. */
export const JOB_FILE_FLAG: Flag = {
  name: "job-file",
  valueName: "FILE",
  help:
    "Load defaults from a YAML or JSON job file (variables and options override them)",
};

/**
 * Reads the path of the job file off the options of a command.
 *
 * @param parsed What the user typed.
 * @returns The path, if there is one.
 */
export function jobFileOf({ flags }: ParsedArguments): string | undefined {
  const value = flags.get(JOB_FILE_FLAG.name);
  return typeof value === "string" ? value : undefined;
}
