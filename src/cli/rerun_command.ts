import type { ParsedArguments } from "./command.ts";

/** Options that select what runs, or do not affect how it runs. */
const OMITTED: ReadonlySet<string> = new Set([
  "job-file",
  "job",
  "workflow-file",
  "resume",
  "only",
  "from",
  "skip",
  "rerun-failed",
  "break",
  "shell-on-failure",
  "dry-run",
  "quiet",
  "watch",
]);

/** Part of a run to rerun. */
export interface RerunPart {
  /** Arguments of the command, with the file of the job or workflow. */
  command: readonly string[];
  /** Value of `--only`. */
  only: string;
}

/**
 * Returns the command line that runs a single step or job again, with the
 * options of this one.
 *
 * @param parsed Arguments of the command that ran it.
 * @param part The step or job.
 * @returns Words, which may contain the secrets of the options.
 */
export function rerunWords(
  { flags, switches }: Pick<ParsedArguments, "flags" | "switches">,
  { command, only }: RerunPart,
): readonly string[] {
  const isKept = ([name]: readonly [string, unknown]) => !OMITTED.has(name);
  return [
    "runnerlib",
    ...command,
    ...[...flags].filter(isKept).flatMap(([name, value]) =>
      [value].flat().flatMap((one) => optionWords(`--${name}`, one))
    ),
    ...[...switches].filter(isKept).map(([name, isOn]) =>
      isOn ? `--${name}` : `--${name}=false`
    ),
    ...optionWords("--only", only),
  ];
}

/** A value that starts with a dash would be parsed as an option. */
export function optionWords(name: string, value: string): string[] {
  return value.startsWith("-") ? [`${name}=${value}`] : [name, value];
}
