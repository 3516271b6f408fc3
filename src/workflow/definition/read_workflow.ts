import { messageOf, RunnerError } from "../../errors.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { reportGraphProblems } from "../../schema/graph_problems.ts";
import {
  Problems,
  refuseForeignDocument,
  refuseForeignPath,
} from "../../schema/problems.ts";
import { parseJobText, readJobText } from "../../schema/read_document.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import {
  type DefinitionSource,
  type JobDefinition,
  withWrittenSteps,
  WORKFLOW_FOLDER,
  type WorkflowDefinition,
} from "./definition.ts";
import {
  type JobEntry,
  WORKFLOW_FILE,
  WORKFLOW_ID,
  workflowFile,
  type WorkflowFileContent,
} from "./file_schemas.ts";
import {
  type BaseJobFile,
  checkJob,
  jobDefinition,
  readBaseJobFile,
  type ReadDefinitionOptions,
  withEnvFiles,
} from "./job_definition.ts";

/** Options for {@linkcode readWorkflow}. */
export interface ReadWorkflowOptions extends ReadDefinitionOptions {
  /** Stops reading when aborted; checked before each file. */
  signal?: AbortSignal;
  /**
   * Called with the values as written, if the workflow is valid.
   *
   * @default {they are not kept}
   */
  onSource?: (source: DefinitionSource) => void;
}

/**
 * Reads a workflow file, and the job files that it refers to.
 *
 * An entry of `jobs` overrides its job file: properties and variables of the
 * entry replace those of the file.
 *
 * @param root Absolute path of the CI root, which contains the job files.
 * @param sourceFile Path of the workflow file relative to the CI root.
 * @throws {RunnerError} `invalid-workflow`, with the problems of all files, and
 * their positions.
 */
export async function readWorkflow(
  root: string,
  sourceFile: string,
  options: ReadWorkflowOptions = {},
): Promise<WorkflowDefinition> {
  options.signal?.throwIfAborted();
  refuseForeignPath(`${root}/${sourceFile}`, WORKFLOW_FILE);
  const text = await readJobText(
    `${root}/${sourceFile}`,
    sourceFile,
    WORKFLOW_FILE,
  );
  return await parseWorkflow(text, { ...options, root, sourceFile });
}

/** Options for {@linkcode parseWorkflow}. */
export interface ParseWorkflowOptions extends ReadWorkflowOptions {
  /** Absolute path of the CI root, which contains the job files. */
  root: string;
  /** Path of the workflow file relative to the CI root, for messages as well. */
  sourceFile: string;
}

/**
 * Parses the text of a workflow file, and reads the job files that it refers to.
 *
 * @throws {RunnerError} As {@linkcode readWorkflow}.
 */
export async function parseWorkflow(
  text: string,
  options: ParseWorkflowOptions,
): Promise<WorkflowDefinition> {
  const { root, sourceFile, onWarning, onSource } = options;
  const problems = new Problems(sourceFile, WORKFLOW_FILE);
  const document = await parseJobText(
    text,
    sourceFile,
    problems,
    WORKFLOW_FILE,
  );
  refuseForeignDocument(document, sourceFile, WORKFLOW_FILE);
  refuseJobFile(document, sourceFile);
  const content = workflowFile.parse(document) ?? {};
  const { jobs: entries = [], on, isTrue } = content;
  if (on !== undefined && isTrue !== undefined) {
    document.report('has both "on" and "true", which are one key in YAML 1.1');
  }
  const id = content.id ?? workflowId(sourceFile);
  if (!WORKFLOW_ID.test(id)) {
    document.report(
      'needs the key "id", because no id can be derived from its path',
    );
  }
  const errors: string[] = [];
  const bases = await readBases(root, entries, errors, options);
  const envPaths: string[] = [];
  const jobs: JobDefinition[] = [];
  for (const entry of entries) {
    const read = await withEnvFiles(entry.content, root, sourceFile);
    envPaths.push(...read.paths);
    jobs.push(mergeEntry({ ...entry, content: read.job }, bases));
  }
  reportGraphProblems(
    entries.map(({ node }, at) => ({
      name: jobs[at].name,
      dependsOn: jobs[at].body.dependsOn ?? [],
      node,
    })),
    "job",
  );
  for (const [at, { node }] of entries.entries()) {
    reportUnknownArtifacts(node, jobs[at], jobs);
  }
  await problems.throwIfAny(text).catch((error) =>
    void errors.unshift(messageOf(error))
  );
  if (errors.length > 0) {
    throw new RunnerError(errors.join("\n"), { code: WORKFLOW_FILE.code });
  }
  for (const warning of await problems.warnings(text)) onWarning?.(warning);
  onSource?.({
    document: { file: sourceFile, text, node: document },
    jobs: new Map(entries.map(({ node, jobFile }, at) => {
      const base = jobFile === undefined ? undefined : bases.get(jobFile);
      const own = { file: sourceFile, text, node };
      return [jobs[at].name, base === undefined ? [own] : [own, base.source]];
    })),
  });
  const basePaths = [...bases.values()].flatMap((base) => base.dependencyPaths);
  return {
    ...readProperties(content),
    id,
    sourceFile,
    dependencyPaths: [...new Set([sourceFile, ...envPaths, ...basePaths])],
    jobs,
  };
}

/** Reports artifacts that a job needs, but the other job does not save. */
function reportUnknownArtifacts(
  node: DocumentNode,
  { body: { artifactNeeds = [] } }: JobDefinition,
  jobs: readonly JobDefinition[],
): void {
  for (const { job, artifacts } of artifactNeeds) {
    const other = jobs.find(({ name }) => name === job);
    if (other === undefined) continue;
    const known = (other.body.artifacts ?? []).map(({ name }) => name);
    for (const name of artifacts) {
      if (known.includes(name)) continue;
      const near = suggest(name, known);
      node.explain(() =>
        `${node.label} needs artifact ${JSON.stringify(name)} of job ${
          JSON.stringify(job)
        }, which does not save it` +
        didYouMean(near)
      );
    }
  }
}

/** Rejects a job file: it has `steps` but no `jobs`. */
function refuseJobFile(
  { entries = [] }: DocumentNode,
  name: string,
): void {
  const keys = entries.map(([key]) => key);
  if (keys.includes("jobs") || !keys.includes("steps")) return;
  throw new RunnerError(
    `Cannot read workflow file "${name}": it is a job file; run it with "runnerlib run --job-file ${name}"`,
    { code: WORKFLOW_FILE.code },
  );
}

/**
 * Derives the ID of a workflow from the path of its file.
 *
 * @param sourceFile Path of the file relative to the CI root.
 * @returns The path below the workflow folder, converted to lowercase letters,
 * digits and dashes; it may be empty or too long.
 */
export function workflowId(sourceFile: string): string {
  const path = sourceFile.startsWith(`${WORKFLOW_FOLDER}/`)
    ? sourceFile.slice(WORKFLOW_FOLDER.length + 1)
    : sourceFile.slice(sourceFile.lastIndexOf("/") + 1);
  return path.replace(/\.[^./]*$/, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

function readProperties(
  { id, name = "", description, on, isTrue, paths = {}, vars = {} }:
    WorkflowFileContent,
) {
  return {
    hasOwnId: id !== undefined,
    name,
    ...description === undefined ? {} : { description },
    triggers: on ?? isTrue ?? {},
    paths,
    vars,
  };
}

async function readBases(
  root: string,
  entries: readonly JobEntry[],
  errors: string[],
  options: ReadWorkflowOptions,
): Promise<ReadonlyMap<string, BaseJobFile>> {
  const bases = new Map<string, BaseJobFile>();
  const failed = new Set<string>();
  for (const { jobFile, node } of entries) {
    if (jobFile === undefined || bases.has(jobFile) || failed.has(jobFile)) {
      continue;
    }
    options.signal?.throwIfAborted();
    try {
      bases.set(jobFile, await readBaseJobFile(root, jobFile, options));
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      failed.add(jobFile);
      errors.push(error.message);
      const place = node.entries?.find(([key]) => key === "job_file")?.[1];
      (place ?? node).explain(() =>
        `${(place ?? node).label} names ${
          JSON.stringify(jobFile)
        }, which cannot be used`
      );
    }
  }
  return bases;
}

function mergeEntry(
  { name, node, description, jobFile, content }: JobEntry,
  bases: ReadonlyMap<string, BaseJobFile>,
): JobDefinition {
  const file = jobFile === undefined ? undefined : bases.get(jobFile);
  const base = file?.job;
  const job = withWrittenSteps(
    jobDefinition(name, content, base),
    [{ node }, ...file === undefined ? [] : [file.source]],
  );
  const { command, steps } = job.body;
  // A job file that could not be read may contain the command.
  const hasAllParts = jobFile === undefined || base !== undefined;
  if (hasAllParts && command === undefined && steps === undefined) {
    node.explain(() => `${node.label} needs the key "command"`);
  }
  checkJob(node, job.body);
  return description === undefined ? job : { ...job, description };
}
