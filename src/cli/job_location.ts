/**
 * Finds the job of a command: its directory and its job file.
 *
 * @module
 */
import type { JobFileText } from "../config/job_file.ts";
import { environmentLayer, type Layer } from "../config/settings.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import { getDefault } from "../options/options.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../runner/runner_context.ts";
import type { CommandContext, Flag, ParsedArguments } from "./command.ts";

/** Job files that commands look for in the directory, in order. */
const JOB_FILES: readonly string[] = [
  "job.yaml",
  "job.yml",
  "job.json",
  ".reactorcide/job.yaml",
];

/** Path that means standard input. */
const STANDARD_INPUT = "-";

/** Path or content of a job file. */
export type JobFileSource = string | JobFileText;

/** Option for the path of a job file. */
export const JOB_FILE_FLAG: Flag = {
  name: "job-file",
  valueName: "FILE",
  help:
    "Load defaults from a YAML or JSON job file, or from standard input (-); variables and options override them",
  group: "What to run",
};

/** Creates the option for commands that read only some keys of a job file. */
export function partialJobFileFlag(keys: string): Flag {
  return { ...JOB_FILE_FLAG, help: `Job file that sets ${keys}` };
}

/** Returns the job file of `--job-file`. */
export async function readJobFileFlag(
  context: CommandContext,
): Promise<JobFileSource | undefined> {
  const path = readJobFilePath(context);
  return path === undefined ? undefined : await openJobFile(context, path);
}

/** Reads standard input if the path of a job file is `-`. */
export async function openJobFile(
  { runner }: CommandContext,
  path: string,
): Promise<JobFileSource> {
  if (path !== STANDARD_INPUT) return path;
  const { readStandardInput } = await import("./read_input.ts");
  const text = await readStandardInput(runner.host, "run");
  return { name: "standard input", text };
}

/**
 * Returns the job file for a command: that of `--job-file` or, if neither that
 * option nor a command is given, the one in the directory.
 *
 * @param host The process, in the directory of the job.
 */
export async function findCommandJobFile(
  context: CommandContext,
  layer: Layer,
  { cwd, env }: Pick<Host, "cwd" | "env">,
): Promise<JobFileSource | undefined> {
  const given = await readJobFileFlag(context);
  const { job_command } = { ...environmentLayer(env), ...layer };
  return given ??
    (job_command !== undefined ? undefined : await findJobFile(cwd));
}

/**
 * Creates the error for a directory without a job file, if no command is given.
 */
export async function noJobError(cwd: string): Promise<RunnerError> {
  const { findDefinitions } = await import(
    "../workflow/eval/load_tree.ts"
  );
  const { workflows } = await findDefinitions(cwd);
  const looked = JOB_FILES.map((file) => `"${file}"`).join(", ");
  return new RunnerError(
    [
      `Cannot run a job in "${cwd}": it needs a command or a job file`,
      `  looked for ${looked}`,
      "  runnerlib run -- make test   runs a command",
      ...workflows.slice(0, 1).map((file) =>
        `  runnerlib workflow run ${file}   runs the workflow`
      ),
      "  runnerlib init               writes a first job.yaml",
    ].join("\n"),
    { code: "invalid-config" },
  );
}

function readJobFilePath({ flags }: ParsedArguments): string | undefined {
  const value = flags.get(JOB_FILE_FLAG.name);
  return typeof value === "string" ? value : undefined;
}

/**
 * Finds the job file of a directory.
 *
 * @param cwd Absolute path of the directory.
 * @returns Path relative to the directory; `undefined` if it has no job file.
 */
export async function findJobFile(cwd: string): Promise<string | undefined> {
  for (const name of JOB_FILES) {
    try {
      await Deno.lstat(`${cwd}/${name}`);
      return name;
    } catch (error) {
      // A file that exists but is inaccessible is reported when it is read.
      const isAbsent = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.NotADirectory;
      if (!isAbsent) return name;
    }
  }
  return undefined;
}

/** Option for the working directory of a command. */
export const WORK_DIR_FLAG: Flag = {
  name: "work-dir",
  valueName: "PATH",
  help: "Use PATH as the current directory",
  group: "What to run",
};

/**
 * Changes the working directory of a runner to that of `--work-dir`.
 *
 * @param host The process, if it is not that of the context.
 * @throws {RunnerError} `workspace` if the directory does not exist.
 */
export function runnerInWorkDir(
  { runner, flags }: CommandContext,
  host: Host = runner.host,
): RunnerContext {
  const given = flags.get("work-dir");
  if (typeof given !== "string") {
    return host === runner.host
      ? runner
      : createRunnerContext(host, { masker: runner.masker });
  }
  try {
    const cwd = Deno.realPathSync(
      absolutePath(given, host.cwd),
    );
    if (Deno.statSync(cwd).isDirectory) {
      return createRunnerContext({ ...host, cwd }, { masker: runner.masker });
    }
  } catch {
    // Any error is reported below.
  }
  throw new RunnerError(`Cannot work in "${given}": no such directory`, {
    code: "workspace",
  });
}

/** Returns the absolute path of the directory for artifacts of the last job. */
export function artifactsPath({ host, workspace }: RunnerContext): string {
  return workspace.pathOf(
    host.env[Variable.artifactsDir] || getDefault("artifacts_dir"),
  );
}
