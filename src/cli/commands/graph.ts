import { hasJobs } from "../../config/job_file.ts";
import { RunnerError } from "../../errors.ts";
import { absolutePath } from "../../job_path.ts";
import { JOB_FILE, refuseForeignPath } from "../../schema/problems.ts";
import { readJobText } from "../../schema/read_document.ts";
import { WORKFLOW_FOLDER } from "../../workflow/definition/definition.ts";
import {
  dotGraph,
  type DrawnJob,
  mermaidGraph,
  svgGraph,
  terminalGraph,
} from "../../workflow/draw_graph.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import type { CliCommand, CommandContext, Flag } from "../command.ts";
import { describeWorkflowJob, readJobFileEntry } from "../inventory.ts";
import { findJobFile } from "../job_location.ts";
import { readChoice, usageError } from "../parse_arguments.ts";
import { loadWorkflow } from "../workflow/load_workflow.ts";

/** Functions that draw a graph. */
const FORMATS: Readonly<
  Record<string, (jobs: readonly DrawnJob[], title: string) => string>
> = {
  text: terminalGraph,
  mermaid: mermaidGraph,
  dot: (jobs, title) => dotGraph(title, jobs),
  svg: (jobs, title) => svgGraph(title, jobs),
};

/** Option for the format of a graph. */
export const FORMAT_FLAG: Flag = {
  name: "format",
  valueName: "FORMAT",
  choices: Object.keys(FORMATS),
  help: "Output format of a graph: text, mermaid, dot or svg (text)",
  group: "Output",
};

export const graphCommand: CliCommand = {
  usage: "[FILE] [OPTIONS]",
  description:
    `Draws the steps of a job file, or the jobs of a workflow file. Without FILE, draws
the job file of the directory, or its only workflow.`,
  examples: [
    ["graph", "Draw the job of the current directory"],
    ["graph ci.yaml --format svg > ci.svg", "Write an SVG file"],
  ],
  flags: [FORMAT_FLAG],
  operandNames: "workflow",
  maxOperands: 1,
  run: (context) => drawDefinition(context, context.operands[0]),
};

/**
 * Prints the graph of a job file or a workflow file.
 *
 * @param file Path of the file; by default the job file of the directory, or
 * its only workflow.
 */
export async function drawDefinition(
  context: CommandContext,
  file: string | undefined,
): Promise<number> {
  const { runner, print } = context;
  const format =
    readChoice(context, FORMAT_FLAG.name, Object.keys(FORMATS), "graph") ??
      "text";
  const { cwd } = runner.host;
  const path = file ?? await findOnlyDefinition(cwd);
  const { title, jobs } = await isWorkflow(cwd, path)
    ? await readWorkflowGraph(context, path)
    : await readJobGraph(context, path);
  await print(FORMATS[format](jobs, title));
  await runner.logger.flush();
  return 0;
}

interface DrawnGraph {
  readonly title: string;
  readonly jobs: readonly DrawnJob[];
}

async function readWorkflowGraph(
  context: CommandContext,
  file: string,
): Promise<DrawnGraph> {
  const { workflow } = await loadWorkflow(context, file);
  return { title: workflow.name, jobs: workflow.jobs.map(describeWorkflowJob) };
}

async function readJobGraph(
  { runner }: CommandContext,
  file: string,
): Promise<DrawnGraph> {
  const { name = file, parts: steps } = await readJobFileEntry(
    runner.host.cwd,
    file,
    runner,
  );
  if (steps.length > 0) return { title: name, jobs: steps };
  throw new RunnerError(
    `Cannot draw "${file}": the job has a command, and no steps`,
    { code: "invalid-job" },
  );
}

async function isWorkflow(cwd: string, file: string): Promise<boolean> {
  const path = absolutePath(file, cwd);
  if (path.includes(`/${WORKFLOW_FOLDER}/`)) return true;
  refuseForeignPath(file, JOB_FILE);
  return hasJobs(await readJobText(path, file), file);
}

async function findOnlyDefinition(cwd: string): Promise<string> {
  const jobFile = await findJobFile(cwd);
  if (jobFile !== undefined) return jobFile;
  const { workflows } = await findDefinitions(cwd);
  if (workflows.length === 1) return workflows[0];
  throw usageError(
    workflows.length === 0
      ? "A job file or a workflow file is required"
      : `A file is required: one of ${workflows.join(", ")}`,
    "graph",
  );
}
