import { parseJobText, readJobText } from "../../config/job_file/parse.ts";
import { Problems } from "../../config/job_file/problems.ts";
import { RunnerError } from "../../errors.ts";
import { guardPath } from "../../workspace/guard.ts";
import { JOB_FOLDER, type JobFileDefinition } from "./definition.ts";
import { baseJobFile, jobFile, type JobFileContent } from "./file_kinds.ts";

/** A job file over which an entry of a workflow is laid. */
export interface BaseJobFile {
  /** What the file says. */
  readonly content: JobFileContent;
  /** Path of the file from the CI root. */
  readonly sourceFile: string;
}

/**
 * Reads a job file in its nested form.
 *
 * @param root Absolute path of the CI root.
 * @param sourceFile Path of the file from there.
 * @returns What the file says.
 * @throws {RunnerError} `invalid-job-file`, with all problems and their places.
 */
export async function readJobDefinition(
  root: string,
  sourceFile: string,
): Promise<JobFileDefinition> {
  const path = `${root}/${sourceFile}`;
  const text = await readJobText(path, sourceFile);
  const problems = new Problems(sourceFile);
  const document = parseJobText(text, sourceFile, problems);
  const content = jobFile.read(document) ?? {};
  const { name = "" } = content;
  const { checkout: _, ...job } = content.job ?? {};
  if (job.command === undefined && job.steps === undefined) {
    document.report('needs the key "job.command"');
  }
  if (job.command !== undefined && job.steps !== undefined) {
    document.report("has steps and a command: a job has one of them");
  }
  await problems.throwIfAny(text);
  const { triggers = {}, paths = {} } = content;
  const env = variablesOf(content);
  return { job: { name, body: job, env }, triggers, paths, sourceFile };
}

/**
 * Lists the variables that a job file sets.
 *
 * @param content What the file says.
 * @returns Its variables; they override what it says of the checkout.
 */
export function variablesOf(
  { checkout, job, environment }: JobFileContent,
): Record<string, string> {
  return { ...checkout, ...job?.checkout, ...environment };
}

/**
 * Finds and reads the job file that an entry of a workflow names.
 *
 * @param root Absolute path of the CI root.
 * @param given Path as given: from the root, or from `.reactorcide/jobs`.
 * @returns What the file says.
 * @throws {RunnerError} `invalid-job-file`, if there is no such file, it lies
 * outside the root or it cannot be used.
 */
export async function readBaseJobFile(
  root: string,
  given: string,
): Promise<BaseJobFile> {
  const sourceFile = await findJobFile(root, given);
  const text = await readJobText(`${root}/${sourceFile}`, sourceFile);
  const problems = new Problems(sourceFile);
  const document = parseJobText(text, sourceFile, problems);
  const content = baseJobFile.read(document) ?? {};
  await problems.throwIfAny(text);
  return { content, sourceFile };
}

async function findJobFile(root: string, given: string): Promise<string> {
  const parts = given.split("/");
  if (given.startsWith("/") || parts.includes("..")) {
    throw unusable(given, 'it must be a path below the root without ".."');
  }
  const clean = parts.filter((part) => part !== "" && part !== ".").join("/");
  for (const path of [clean, `${JOB_FOLDER}/${clean}`]) {
    const real = await inside(root, path);
    if (await isFile(real)) return path;
  }
  throw unusable(given, `there is no such file, nor one in ${JOB_FOLDER}`);
}

async function inside(root: string, path: string): Promise<string> {
  try {
    return await guardPath(root, path);
  } catch (cause) {
    if (!(cause instanceof RunnerError)) throw cause;
    throw unusable(path, "it leads out of the root", cause);
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    // Whatever the reason, there is nothing to read.
    return false;
  }
}

function unusable(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(
    `Cannot use job file ${JSON.stringify(path)}: ${state}`,
    {
      code: "invalid-job-file",
      cause,
    },
  );
}
