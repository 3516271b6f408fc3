import { optionText } from "../command_text.ts";
import { printable } from "../terminal/text.ts";
import { secretsInText } from "../url_secrets.ts";

/** A job that {@linkcode nextJobsText} lists. */
export interface NextJob {
  /** Name of the job. */
  readonly name: string;
  /**
   * Names of its dependencies.
   *
   * @default {[]}
   */
  readonly dependsOn?: readonly string[];
  /** Why the job is next. */
  readonly reason?: string;
  /** Command of a job that is not in a workflow file. */
  readonly jobCommand?: string;
}

/** Options for {@linkcode nextJobsText}. */
export interface NextJobsTextOptions {
  /**
   * Path of the workflow file that contains the jobs.
   *
   * @default {none; the jobs run by their own commands}
   */
  workflowFile?: string;
}

/**
 * Lists the jobs to run manually next.
 *
 * It shows a command for each job whose dependencies are complete, unless the
 * command contains secrets or characters that must be escaped.
 *
 * @returns Lines without a final newline; an empty string without jobs.
 */
export function nextJobsText(
  jobs: readonly NextJob[],
  completed: ReadonlySet<string>,
  options: NextJobsTextOptions = {},
): string {
  const { workflowFile } = options;
  if (jobs.length === 0) return "";
  const commands = jobs
    .filter(({ dependsOn = [] }) =>
      dependsOn.every((name) => completed.has(name))
    )
    .map((job) => jobCommandText(job, workflowFile))
    .filter((command) => command !== undefined);
  return [
    "📋 Next jobs to run:",
    ...jobs.flatMap((job) => describeJob(job, completed)),
    ...commandsHeading(commands.length),
    ...commands.map((command) => `  $ ${command}`),
  ].join("\n");
}

function describeJob(job: NextJob, completed: ReadonlySet<string>): string[] {
  const { name, dependsOn = [], reason } = job;
  const missing = dependsOn.filter((dependency) => !completed.has(dependency));
  const state = missing.length === 0
    ? "all complete"
    : `not complete: ${missing.join(", ")}`;
  const waiting = dependsOn.length === 0
    ? ""
    : ` (waiting on: ${dependsOn.join(", ")} - ${state})`;
  const lines = [`  → ${printable(name + waiting)}`];
  if (reason) lines.push(`    reason: ${printable(reason)}`);
  return lines;
}

function commandsHeading(commandCount: number): string[] {
  if (commandCount === 0) return [];
  return ["", `Run the next ${commandCount === 1 ? "job" : "jobs"}:`];
}

function jobCommandText(
  { name, jobCommand }: NextJob,
  workflowFile: string | undefined,
): string | undefined {
  if (workflowFile !== undefined) {
    return isShowable(name + workflowFile)
      ? `runnerlib run ${optionText("--job", name)} ` +
        optionText("--workflow-file", workflowFile)
      : undefined;
  }
  // Commands often have several lines, and quotes preserve newlines.
  return jobCommand && isShowable(jobCommand.replace(/[\n\t]/g, ""))
    ? `runnerlib run ${optionText("--job-command", jobCommand)}`
    : undefined;
}

/** A command with escaped or masked parts would be wrong when copied. */
function isShowable(text: string): boolean {
  return text === printable(text) && secretsInText(text).length === 0;
}
