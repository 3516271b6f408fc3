import { parseEnvLines } from "../../config/text_values.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { absolutePath, normalizePath } from "../../job_path.ts";
import { isObject, type JsonValue, parseJson } from "../../json_value.ts";
import {
  WORKFLOW_FOLDER,
  type WorkflowDefinition,
} from "../../workflow/definition/definition.ts";
import {
  readWorkflow,
  type ReadWorkflowOptions,
} from "../../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import type { CommandContext, Flag } from "../command.ts";
import { maskJobs, warnOnce } from "../inventory.ts";
import { usageError } from "../parse_arguments.ts";

/** A workflow and its directory. */
export interface LoadedWorkflow {
  /** The workflow. */
  readonly workflow: WorkflowDefinition;
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file, as typed. */
  readonly file: string;
}

/**
 * Reads a workflow file.
 *
 * @param given Path as typed; by default the only workflow file of the
 * directory.
 * @throws {RunnerError} `usage` if no path is given and the directory has no or
 * several workflow files; `invalid-workflow` if the file is invalid.
 */
export async function loadWorkflow(
  { runner }: CommandContext,
  given: string | undefined,
  options: ReadWorkflowOptions = {},
): Promise<LoadedWorkflow> {
  const file = given ?? await findOnlyWorkflow(runner.host.cwd);
  const { root, sourceFile } = findWorkflowPlace(file, runner.host.cwd);
  const workflow = await readWorkflow(root, sourceFile, {
    ...options,
    onWarning: warnOnce(runner.logger, "workflow"),
  });
  maskJobs(runner, workflow.jobs);
  return { workflow, root, file };
}

async function findOnlyWorkflow(cwd: string): Promise<string> {
  const { workflows: [file, ...others] } = await findDefinitions(cwd);
  if (file !== undefined && others.length === 0) return file;
  throw usageError(
    file === undefined
      ? `A workflow file is required: there is none in ${WORKFLOW_FOLDER}`
      : `A workflow file is required: one of ${[file, ...others].join(", ")}`,
    "workflow",
  );
}

/** Location of a workflow file. */
export interface WorkflowPlace {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file relative to the CI root. */
  readonly sourceFile: string;
}

/**
 * Finds the CI root of a workflow file: the directory that contains
 * `.reactorcide/workflows` if the file is in there, otherwise the directory of
 * the file.
 *
 * @param file Absolute or relative path of the file.
 * @param cwd Absolute path of the current directory.
 */
export function findWorkflowPlace(file: string, cwd: string): WorkflowPlace {
  const path = normalizePath(absolutePath(file, cwd));
  const folder = path.lastIndexOf(`/${WORKFLOW_FOLDER}/`);
  const end = folder === -1 ? path.lastIndexOf("/") : folder;
  return { root: path.slice(0, end) || "/", sourceFile: path.slice(end + 1) };
}

/** Option for the changed files of an event. */
export const CHANGED_FILE_FLAG: Flag = {
  name: "changed-file",
  valueName: "PATH",
  isRepeatable: true,
  help: "File that the event changed",
  group: "What to run",
};

/** Options that set variables of a workflow and of its jobs. */
export const INPUT_FLAGS: readonly Flag[] = [
  {
    name: "var",
    valueName: "NAME=VALUE",
    isRepeatable: true,
    help: "Variable of the workflow; it overrides vars and --input",
    group: "What to run",
  },
  {
    name: "input",
    valueName: "FILE",
    help: "JSON file with variables of the workflow",
    group: "What to run",
  },
  {
    name: "env-file",
    valueName: "FILE",
    isRepeatable: true,
    help: "File of NAME=VALUE lines, which override variables of all jobs",
    group: "What to run",
  },
];

/**
 * Sets the variables that the options of a command specify.
 *
 * @throws {RunnerError} `usage` or `invalid-config` if an option or a file is
 * invalid.
 */
export async function withInputs(
  context: CommandContext,
  workflow: WorkflowDefinition,
): Promise<WorkflowDefinition> {
  const env = await readEnv(context);
  return {
    ...workflow,
    vars: {
      ...workflow.vars,
      ...await readInput(context),
      ...readVariables(context),
    },
    jobs: workflow.jobs.map((job) => ({ ...job, env: { ...job.env, ...env } })),
  };
}

function readList({ flags }: CommandContext, name: string): readonly string[] {
  return [flags.get(name) ?? []].flat();
}

function readVariables(context: CommandContext): Record<string, string> {
  return Object.fromEntries(
    readList(context, "var").map((assignment) => {
      const at = assignment.indexOf("=");
      if (at < 1) {
        throw usageError("Option --var must be NAME=VALUE", "workflow");
      }
      return [assignment.slice(0, at), assignment.slice(at + 1)];
    }),
  );
}

async function readInput(
  context: CommandContext,
): Promise<Record<string, JsonValue>> {
  const input: Record<string, JsonValue> = {};
  for (const file of readList(context, "input")) {
    const text = await readFile(context, file);
    const value = parseJson(text);
    if (!isObject(value)) {
      throw readError(file, "it must be a JSON object of variables");
    }
    Object.assign(input, value);
  }
  return input;
}

async function readEnv(
  context: CommandContext,
): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const file of readList(context, "env-file")) {
    const value = await readFile(context, file);
    const { env, problems } = parseEnvLines(value);
    if (problems.length > 0) throw readError(file, problems.join("; "));
    Object.assign(all, env);
  }
  return all;
}

async function readFile(
  { runner: { host } }: CommandContext,
  file: string,
): Promise<string> {
  try {
    return await Deno.readTextFile(
      absolutePath(file, host.cwd),
    );
  } catch (error) {
    throw readError(file, osReason(error));
  }
}

function readError(file: string, reason: string): RunnerError {
  return new RunnerError(`Cannot read "${file}": ${reason}`, {
    code: "invalid-config",
  });
}
