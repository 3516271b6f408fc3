import { readEnvFiles } from "../../config/env_file.ts";
import { RunnerError } from "../../errors.ts";
import { isFile } from "../../fs/files.ts";
import type { Schema } from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import {
  refuseForeignDocument,
  refuseForeignPath,
} from "../../schema/foreign_format.ts";
import { JOB_FILE, Problems } from "../../schema/problems.ts";
import { parseJobText, readJobText } from "../../schema/read_document.ts";
import { guardPath } from "../../workspace/guard.ts";
import { JOB_FOLDER, type JobFileDefinition } from "./definition.ts";
import type { JobContent } from "./definition.ts";
import { type SourcedNode, withWrittenSteps } from "./definition_source.ts";
import { baseJobFile, jobFile, type JobFileContent } from "./file_schemas.ts";
import { checkJob, flattened, jobDefinition } from "./job_definition.ts";

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

/** Called with a warning about an ignored value, and its position. */
export type OnWarning = (warning: string) => void;

/** Options for {@linkcode readJobDefinition}. */
export interface ReadDefinitionOptions {
  /**
   * Called with a warning for each ignored value, such as an unknown key.
   *
   * @default {warnings are ignored}
   */
  onWarning?: OnWarning;
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
    flattened(flat, nested),
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
    const real = await inside(root, path);
    if (await isFile(real)) return path;
  }
  throw jobFileError(
    writtenPath,
    `the file exists neither here nor in ${JOB_FOLDER}`,
  );
}

async function inside(root: string, path: string): Promise<string> {
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
