import { runnerCommand } from "../../command_text.ts";
import { readEnvFiles } from "../../config/env_file.ts";
import { RunnerError } from "../../errors.ts";
import { isFile } from "../../fs/files.ts";
import { jobPathProblem } from "../../job_path.ts";
import type { Schema } from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import {
  JOB_FILE,
  Problems,
  refuseForeignDocument,
  refuseForeignPath,
} from "../../schema/problems.ts";
import { parseJobText, readJobText } from "../../schema/read_document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { guardPath } from "../../workspace/guard.ts";
import {
  JOB_FOLDER,
  type JobBody,
  type JobContent,
  type JobDefinition,
  type JobFileDefinition,
  type JobNeed,
  type SourcedNode,
  withWrittenSteps,
} from "./definition.ts";
import { baseJobFile, jobFile, type JobFileContent } from "./file_schemas.ts";

/** Properties that contain a path in the workspace of a job. */
const PATHS = [
  ["codeDir", "code_dir"],
  ["jobDir", "job_dir"],
  ["workingDir", "working_dir"],
] as const;

/** A job file that an entry of a workflow overrides. */
export interface BaseJobFile {
  /** Name of the job, if the file sets one. */
  readonly name: string | undefined;
  /** The job. */
  readonly job: JobContent;
  /** Paths of the file and of its env files, relative to the CI root. */
  readonly dependencyPaths: readonly string[];
  /** The file. */
  readonly source: SourcedNode;
}

/** Options for {@linkcode readJobDefinition}. */
export interface ReadDefinitionOptions {
  /**
   * Called with a warning for each ignored value, such as an unknown key, and
   * its position.
   *
   * @default {warnings are ignored}
   */
  onWarning?: (warning: string) => void;
}

/**
 * Reads a job file, whose properties are below `job` or at the top level.
 *
 * @param root Absolute path of the CI root.
 * @param sourceFile Path of the file relative to the CI root.
 * @throws {RunnerError} `invalid-job-file`, with all problems and their
 * positions.
 */
export async function readJobDefinition(
  root: string,
  sourceFile: string,
  options: ReadDefinitionOptions = {},
): Promise<JobFileDefinition> {
  const { content, job, source } = await readFile(root, sourceFile, {
    ...options,
    file: jobFile,
    check: (node, content) => {
      const { command, steps, job } = content;
      if (command === undefined && steps === undefined) {
        node.report(`needs the key "${job ? "job." : ""}command"`);
      }
      checkJob(node, content);
    },
  });
  const { name = "", triggers = {}, paths = {} } = content;
  const { description } = content;
  return {
    job: {
      ...withWrittenSteps(jobDefinition(name, job), [source]),
      ...description === undefined ? {} : { description },
    },
    triggers,
    paths,
    sourceFile,
  };
}

/**
 * Finds and reads the job file that an entry of a workflow refers to.
 *
 * @param root Absolute path of the CI root.
 * @param writtenPath Path as written, relative to the root or to `.reactorcide/jobs`.
 * @throws {RunnerError} `invalid-job-file`, if the file does not exist, is
 * outside the root or is invalid.
 */
export async function readBaseJobFile(
  root: string,
  writtenPath: string,
  options: ReadDefinitionOptions = {},
): Promise<BaseJobFile> {
  const sourceFile = await findJobFile(root, writtenPath);
  const { content: { name }, ...file } = await readFile(
    root,
    sourceFile,
    { ...options, file: baseJobFile },
  );
  return { name, ...file };
}

interface ReadFileOptions extends ReadDefinitionOptions {
  readonly file: Schema<JobFileContent>;
  readonly check?: (node: DocumentNode, job: JobFileContent) => void;
}

async function readFile(
  root: string,
  sourceFile: string,
  { file, check, onWarning }: ReadFileOptions,
): Promise<
  {
    content: JobFileContent;
    job: JobContent;
    dependencyPaths: readonly string[];
    source: SourcedNode;
  }
> {
  refuseForeignPath(`${root}/${sourceFile}`, JOB_FILE);
  const text = await readJobText(`${root}/${sourceFile}`, sourceFile);
  const problems = new Problems(sourceFile);
  const document = await parseJobText(text, sourceFile, problems);
  refuseForeignDocument(document, sourceFile, JOB_FILE);
  const content = file.parse(document) ?? {};
  const {
    name: _name,
    description: _description,
    triggers: _,
    paths: __,
    job: nested,
    ...flat
  } = content;
  const { job, paths } = await withEnvFiles(
    mergeForms(flat, nested),
    root,
    sourceFile,
  );
  check?.(document, { ...job, job: nested });
  await problems.throwIfAny(text);
  for (const warning of await problems.warnings(text)) onWarning?.(warning);
  return {
    content,
    job,
    dependencyPaths: [sourceFile, ...paths],
    source: { file: sourceFile, text, node: document },
  };
}

/**
 * Reads the env files of a job. Its `environment` overrides their variables.
 *
 * @param root Absolute path of the CI root.
 * @param sourceFile Path of the job's file relative to the CI root.
 * @returns The job, and the paths of its env files relative to the CI root.
 */
export async function withEnvFiles(
  { envFiles = [], ...job }: JobContent,
  root: string,
  sourceFile: string,
): Promise<{ job: JobContent; paths: readonly string[] }> {
  if (envFiles.length === 0) return { job, paths: [] };
  const env = await readEnvFiles(envFiles, {
    root,
    document: `${root}/${sourceFile}`,
  });
  const directory = sourceFile.slice(0, sourceFile.lastIndexOf("/") + 1);
  return {
    job: { ...job, environment: { ...env, ...job.environment } },
    paths: envFiles.map(({ path }) => `${directory}${path}`),
  };
}

async function findJobFile(root: string, writtenPath: string): Promise<string> {
  const parts = writtenPath.split("/");
  if (writtenPath.startsWith("/") || parts.includes("..")) {
    throw jobFileError(
      writtenPath,
      'it must be a path below the root without ".."',
    );
  }
  const clean = parts.filter((part) => part !== "" && part !== ".").join("/");
  for (const path of [clean, `${JOB_FOLDER}/${clean}`]) {
    const real = await resolveInside(root, path);
    if (await isFile(real)) return path;
  }
  throw jobFileError(
    writtenPath,
    `not found here or in ${JOB_FOLDER}`,
  );
}

async function resolveInside(root: string, path: string): Promise<string> {
  try {
    return await guardPath(root, path);
  } catch (cause) {
    if (!(cause instanceof RunnerError)) throw cause;
    throw jobFileError(path, "it is outside the root", cause);
  }
}

function jobFileError(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(
    `Cannot use job file ${JSON.stringify(path)}: ${state}`,
    {
      code: "invalid-job-file",
      cause,
    },
  );
}

/**
 * Merges the two forms in which a file can define a job.
 *
 * @param flat Properties at the top level.
 * @param nested Properties below `job`, which override those at the top level.
 * @returns The job. An `environment` below `job` replaces the one at the top
 * level; the keys of `checkout` are merged.
 */
function mergeForms(
  flat: JobContent,
  nested: JobContent = {},
): JobContent {
  const checkout = { ...flat.checkout, ...nested.checkout };
  return { ...flat, ...nested, checkout };
}

/**
 * Creates the definition of a job.
 *
 * @param entry Its entry in a workflow file, or its job file.
 * @param base Job file that the entry refers to.
 * @returns The definition. Properties and variables of `entry` override those of
 * `base`; variables override the `checkout` next to them.
 */
export function jobDefinition(
  name: string,
  entry: JobContent,
  base: JobContent = {},
): JobDefinition {
  const {
    checkout: _checkout,
    environment: _environment,
    source: _source,
    commandPrefix: _commandPrefix,
    pipelinePermissions: _pipelinePermissions,
    needs,
    ...rest
  } = { ...removeOverridden(base, entry), ...entry };
  const body = {
    ...Object.fromEntries(
      Object.entries(rest).filter(([key]) => !isVariable(key)),
    ),
    ...needs === undefined ? {} : splitNeeds(needs),
  };
  const env = {
    ...collectSettings(base),
    ...base.environment,
    ...collectSettings(entry),
    ...entry.environment,
  };
  return { name, body, env };
}

/** A job may be listed several times, such as once for each artifact. */
function splitNeeds(
  needs: readonly JobNeed[],
): Pick<JobBody, "dependsOn" | "artifactNeeds"> {
  const byJob = new Map<string, Set<string>>();
  for (const { job, artifacts = [] } of needs) {
    byJob.set(job, new Set([...byJob.get(job) ?? [], ...artifacts]));
  }
  const artifactNeeds = [...byJob].filter(([, names]) => names.size > 0)
    .map(([job, names]) => ({ job, artifacts: [...names] }));
  return {
    dependsOn: needs.map(({ job }) => job),
    ...artifactNeeds.length === 0 ? {} : { artifactNeeds },
  };
}

/** Returns the options of a job, as variables for its runner. */
function collectSettings(content: JobContent): Record<string, string> {
  const { checkout } = content;
  const settings = Object.entries(content).filter(([key]) => isVariable(key));
  return { ...Object.fromEntries(settings), ...checkout };
}

function isVariable(key: string): boolean {
  return key === key.toUpperCase();
}

/**
 * A command or steps of the entry replace the command and the steps of the
 * file.
 */
function removeOverridden(base: JobContent, entry: JobContent): JobContent {
  if (entry.command === undefined && entry.steps === undefined) return base;
  const { command: _command, steps: _steps, ...rest } = base;
  return rest;
}

/**
 * Validates properties of a job that depend on each other.
 *
 * @param node Entry or file of the job; receives the problems.
 */
export function checkJob(node: DocumentNode, job: JobBody): void {
  if (job.command !== undefined && job.steps !== undefined) {
    node.report("must not have both steps and a command");
  }
  // Without the runner, the job may use any directory of its container.
  if (job.rawCommand) return;
  for (const [property, key] of PATHS) {
    const path = job[property];
    const problem = path?.startsWith("/") ? jobPathProblem(path) : undefined;
    if (problem === undefined) continue;
    findNode(node, key).report(problem);
  }
}

/** Falls back to the whole entry if the key comes from another file. */
function findNode(node: DocumentNode, key: string): DocumentNode {
  const entries = new Map(node.entries);
  const nested = new Map(entries.get("job")?.entries);
  return nested.get(key) ?? entries.get(key) ?? node;
}

/**
 * Converts a definition to a job for the coordinator, without event and
 * sources.
 *
 * @param definition Definition that has a command.
 * @returns The job, without properties of local containers, which the
 * coordinator does not support.
 */
export function definitionTrigger(
  { name, body, env }: JobDefinition,
): Trigger {
  const {
    image,
    command = "",
    steps: _steps,
    writtenSteps: _writtenSteps,
    when: _when,
    rawCommand = false,
    disableRunLocal = false,
    runAs,
    runLocal,
    cpuLimit: _cpuLimit,
    memoryLimit: _memoryLimit,
    artifacts: _artifacts,
    artifactNeeds: _artifactNeeds,
    nodeSelector: _nodeSelector,
    tolerations: _tolerations,
    ...rest
  } = body;
  return {
    ...rest,
    name,
    env,
    containerImage: image,
    jobCommand: rawCommand ? command : runnerCommand(command),
    runAsUser: runAs?.user,
    ...disableRunLocal ? { disableRunLocal } : {},
    ...runLocal === undefined ? {} : { runLocal: toWireRunLocal(runLocal) },
  };
}

function toWireRunLocal(
  { asRunner, user }: NonNullable<JobDefinition["body"]["runLocal"]>,
) {
  return {
    ...asRunner === undefined ? {} : { as_runner: asRunner },
    ...user === undefined ? {} : { user },
  };
}
