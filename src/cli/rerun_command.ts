import { listText } from "../config/text_values.ts";
import type { ParsedArguments } from "./command.ts";

/** Options that select steps, or that have no effect on how a step runs. */
const LEFT_OUT: ReadonlySet<string> = new Set([
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

/** Step of {@linkcode rerunWords}. */
export interface RerunStep {
  /** Command that ran the job. */
  command: string;
  /** Path of the job file. */
  jobFile: string;
  /** Name of the step. */
  step: string;
}

/**
 * Returns the command line that runs a single step again, with the options of
 * this one.
 *
 * @param parsed Arguments of the command that ran the job.
 * @param options The step.
 * @returns Words, which may contain the secrets of the options.
 */
export function rerunWords(
  { flags, switches }: Pick<ParsedArguments, "flags" | "switches">,
  { command, jobFile, step }: RerunStep,
): readonly string[] {
  const isKept = ([name]: readonly [string, unknown]) =>
    !LEFT_OUT.has(name) && name !== "job-file";
  return [
    ...["runnerlib", command],
    ...optionWords("--job-file", jobFile),
    ...[...flags].filter(isKept).flatMap(([name, value]) =>
      [value].flat().flatMap((one) => optionWords(`--${name}`, one))
    ),
    ...[...switches].filter(isKept).map(([name, isOn]) =>
      isOn ? `--${name}` : `--${name}=false`
    ),
    ...optionWords("--only", listText([step])),
  ];
}

/** A value that starts with a dash would be parsed as an option. */
function optionWords(name: string, value: string): string[] {
  return value.startsWith("-") ? [`${name}=${value}`] : [name, value];
}
