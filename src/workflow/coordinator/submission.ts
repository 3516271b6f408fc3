import type { Environment } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { isObject, parseJson } from "../../json_value.ts";
import type { Logger } from "../../output/logger.ts";
import { copyJson } from "../../schema/copy_json.ts";
import { isCleanTree } from "../../source/git/queries/git_info.ts";
import {
  type GitQuery,
  openQuery,
} from "../../source/git/queries/open_query.ts";
import { splitCredentials } from "../../source/source_url.ts";
import { quote } from "../../terminal/text.ts";
import { checkTriggers } from "../../triggers/check_triggers.ts";
import {
  orderedDocument,
  sortTriggers,
  type TriggerDocument,
} from "../../triggers/trigger_document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { removeTree } from "../../workspace/remove.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { definitionTrigger } from "../definition/job_definition.ts";
import { withoutJobs } from "../job_conditions.ts";
import type { LocalJob, LocalWorkflow } from "../local/local_job.ts";
import {
  type JobRecords,
  type JsonObject,
  type LocalJobState,
  VariableStore,
} from "../local/workflow_state.ts";
import { definitionWithRemoteSteps } from "../remote_steps.ts";
import type { WorkflowRun } from "../workflow_executor.ts";

/** Maximum size of a file, in bytes: the document, and the workflow twice. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Version of the format. */
const SUBMISSION_VERSION = 1;

/**
 * A workflow that is being submitted, or has been submitted.
 *
 * It is saved before and after each request that changes something. After a runner
 * was killed, the next one therefore knows which requests may have been sent, and
 * repeats only requests that the coordinator recognizes.
 */
export interface Submission extends PreparedWorkflow {
  /** Version of the format. */
  readonly version: typeof SUBMISSION_VERSION;
  /** ID of the document, by which the coordinator recognizes it. */
  readonly operationId: string;
  /** URL of the coordinator. */
  readonly url: string;
  /** The workflow as defined in its file. */
  readonly definition: WorkflowDefinition;
  /** The selected jobs. */
  readonly workflow: LocalWorkflow;
  /** Results of jobs of an earlier run, by key. */
  readonly earlier: Readonly<Record<string, LocalJobState>>;
  /** Whether the job that submits the document may have been created. */
  readonly isParentSent?: boolean;
  /** Job that submits the document, once it is known. */
  readonly parentId?: string;
  /** Whether the document may have arrived. */
  readonly isDocumentSent?: boolean;
  /**
   * Whether it was cancelled while it was unknown whether the document had arrived.
   * In that case, the document is never sent again.
   */
  readonly isCancelled?: boolean;
  /** ID of the workflow, once it is known. */
  readonly workflowId?: string;
}

/** Saves a submission, and returns it. */
export type SaveSubmission = (submission: Submission) => Promise<Submission>;

/**
 * Returns the directory of the submissions from a CI root.
 *
 * @param root Absolute path of the CI root.
 */
export function submissionDirectory(root: string): string {
  return `${root}/.reactorcide/workflow/coordinator`;
}

/**
 * Saves a submission. Only the owner can read it, since variables may be secret.
 *
 * @param directory Directory of the submissions, created if it is missing.
 * @throws {RunnerError} `output-failed` if it cannot be written.
 */
export async function saveSubmission(
  directory: string,
  submission: Submission,
): Promise<Submission> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  await writeAtomic(
    `${directory}/${submission.operationId}.json`,
    `${JSON.stringify(submission)}\n`,
    { mode: 0o600, isDurable: true },
  );
  return submission;
}

/** Removes a submission that has been followed to its end. */
export async function removeSubmission(
  directory: string,
  { operationId }: Submission,
): Promise<void> {
  await removeTree(`${directory}/${operationId}.json`);
}

/**
 * Reads the submissions of a CI root that have not been followed to their end.
 *
 * @param directory Directory of the submissions.
 * @returns The submissions, the newest first.
 * @throws {RunnerError} `output-failed` if one cannot be read.
 */
export async function readSubmissions(
  directory: string,
): Promise<Submission[]> {
  const found: { submission: Submission; modifiedMs: number }[] = [];
  for (const name of await listNames(directory)) {
    const path = `${directory}/${name}`;
    const { mtime } = await Deno.lstat(path);
    const submission = await readSubmission(path);
    found.push({ submission, modifiedMs: mtime?.getTime() ?? 0 });
  }
  return found.sort((a, b) => b.modifiedMs - a.modifiedMs)
    .map(({ submission }) => submission);
}

async function listNames(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.map(({ name }) => name)
      .filter((name) => /^[\w-]+\.json$/.test(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function readSubmission(path: string): Promise<Submission> {
  let reason = "it is not a submission of this version";
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
    const value = parseJson(new TextDecoder().decode(bytes));
    if (isSubmission(value)) return value;
  } catch (error) {
    reason = messageOf(error);
  }
  throw new RunnerError(`Cannot read "${path}": ${reason}`, {
    code: "output-failed",
  });
}

function isSubmission(value: unknown): value is Submission {
  if (!isObject(value) || value.version !== SUBMISSION_VERSION) return false;
  const { operationId, url, definition, workflow, document, names, earlier } =
    value;
  return [operationId, url].every((text) => typeof text === "string") &&
    [definition, workflow, document, names, earlier].every(isObject);
}

/** Document that submits a whole workflow. */
export interface WorkflowDocument extends TriggerDocument {
  /** Name and initial variables of the workflow. */
  readonly workflow: { readonly name: string; readonly vars: JsonObject };
}

/** A workflow as it is submitted. */
interface PreparedWorkflow {
  /** The document; without jobs, there is nothing to submit. */
  readonly document: WorkflowDocument;
  /** Names of its nodes at the coordinator, by the key of the job. */
  readonly names: Readonly<Record<string, string>>;
}

/** Options for {@linkcode prepareWorkflow}. */
export interface PrepareWorkflowOptions {
  /** ID of the document. */
  readonly operationId: string;
  /** Code of the jobs, if they get any. */
  readonly source: CodeSource | undefined;
}

/**
 * Converts a workflow to a document for the coordinator, which then runs the
 * graph by the same rules as this runner.
 *
 * Jobs that the event skips or that ended in an earlier run are omitted, along with
 * dependencies on them.
 *
 * @throws {RunnerError} `invalid-trigger` if the coordinator would refuse a job;
 * `invalid-workflow` if it would refuse a variable.
 */
export function prepareWorkflow(
  run: Pick<WorkflowRun, "definition" | "workflow" | "earlier" | "event">,
  { operationId, source }: PrepareWorkflowOptions,
): PreparedWorkflow {
  const { definition, workflow, earlier, event } = run;
  const names: Record<string, string> = {};
  const jobs = selectRemaining(definition.jobs, workflow.jobs, earlier, names);
  const triggers = jobs.map((job): Trigger => {
    const trigger = definitionTrigger(definitionWithRemoteSteps(job));
    return {
      ...trigger,
      env: { ...trigger.env, ...event },
      ...source === undefined ? {} : {
        sourceType: "git",
        sourceUrl: source.url,
        sourceRef: source.ref,
      },
    };
  });
  const vars = mergeVariables(workflow.vars, earlier);
  const ordered = sortTriggers(checkTriggers(triggers));
  return {
    names,
    document: {
      ...orderedDocument(ordered, { operationId }),
      workflow: { name: definition.name, vars },
    },
  };
}

/**
 * Returns the jobs that have not ended.
 *
 * @param names Receives the names of their nodes.
 */
function selectRemaining(
  definitions: readonly JobDefinition[],
  jobs: readonly LocalJob[],
  earlier: JobRecords,
  names: Record<string, string>,
): JobDefinition[] {
  const byName = new Map(definitions.map((job) => [job.name, job]));
  const ended = new Set<string>();
  const skipped = new Map<string, string>();
  const remaining: JobDefinition[] = [];
  for (const job of jobs) {
    const definition = byName.get(job.name)!;
    const items = selectItems(job, earlier, names);
    if (items === "none") ended.add(job.name);
    else if (job.skipReason !== undefined) {
      skipped.set(job.name, job.skipReason);
    }
    if (items === "none") continue;
    const { condition } = job;
    const body = { ...definition.body, condition, forEach: items };
    remaining.push({ ...definition, body });
  }
  const needsByName = new Map(
    jobs.map(({ name, dependsOn }) => [name, dependsOn]),
  );
  const left = remaining.map((job): JobDefinition => {
    const needs = needsByName.get(job.name) ?? [];
    const dependsOn = needs.filter((need) => !ended.has(need));
    const isOver = job.body.condition === "any_failed" &&
      needs.length > 0 && dependsOn.length === 0;
    if (isOver) skipped.set(job.name, "none of its dependencies failed");
    return { ...job, body: { ...job.body, dependsOn } };
  });
  return withoutJobs(left, skipped).jobs;
}

/**
 * Returns the items for which a job has not ended; `none` if it has ended for all
 * items, or has ended and has no items.
 */
function selectItems(
  { name, forEach }: LocalJob,
  earlier: JobRecords,
  names: Record<string, string>,
): LocalJob["forEach"] | "none" {
  if (forEach === undefined) {
    if (earlier.has(name)) return "none";
    names[name] = name;
    return undefined;
  }
  const items: typeof forEach[number][] = [];
  forEach.forEach((item, index) => {
    const key = `${name}[${index}]`;
    if (earlier.has(key)) return;
    names[key] = `${name}[${items.length}]`;
    items.push(item);
  });
  // The job itself is the only node of an empty list.
  if (forEach.length === 0) names[name] = name;
  return items.length === 0 && forEach.length > 0 ? "none" : items;
}

function mergeVariables(vars: JsonObject, earlier: JobRecords): JsonObject {
  const variables = new VariableStore(vars);
  for (const record of earlier.values()) variables.add(record.name, record);
  try {
    return copyJson(JSON.parse(variables.text), "vars") as JsonObject;
  } catch (cause) {
    throw new RunnerError(
      `Cannot submit the variables of the workflow: ${messageOf(cause)}`,
      { code: "invalid-workflow", cause },
    );
  }
}

/** Code that jobs get from a git repository. */
export interface CodeSource {
  /** URL without a user and a password. */
  readonly url: string;
  /** Branch, tag or commit. */
  readonly ref: string;
}

/** Options for {@linkcode findCodeSource}. */
export interface CodeSourceOptions {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Environment of git. */
  readonly env: Environment;
  /** Logger for warnings. */
  readonly logger: Logger;
  /**
   * URL of the repository.
   *
   * @default {the remote `origin` of the CI root}
   */
  readonly url?: string;
  /**
   * Branch, tag or commit.
   *
   * @default {the commit that is checked out}
   */
  readonly ref?: string;
}

/** Advice if the code cannot be found. */
const ADVICE =
  "use --source-url and --source-ref, or --source none for jobs without code";

/** Advice if the commit is only on this machine. */
const PUSH_ADVICE = `push it, ${ADVICE}`;

/**
 * Finds the repository and commit from which remote jobs get their code: the commit
 * that is checked out in the CI root, if a remote has it.
 *
 * @throws {RunnerError} `source-failed` if the code cannot be found, or is only
 * on this machine.
 */
export async function findCodeSource(
  options: CodeSourceOptions,
): Promise<CodeSource> {
  const { url, ref } = options;
  if (url !== undefined && ref !== undefined) {
    return { url: removeUserInfo(url), ref };
  }
  using query = await openRepository(options);
  return {
    url: removeUserInfo(url ?? readOrigin(query, options.root)),
    ref: ref ?? await findPushedCommit(query, options),
  };
}

async function openRepository({ root, env }: CodeSourceOptions) {
  try {
    return await openQuery({ directory: root, env });
  } catch (cause) {
    if (!(cause instanceof RunnerError)) throw cause;
    throw sourceError(root, "it is not a git repository", { cause });
  }
}

function readOrigin({ settings }: GitQuery, root: string): string {
  const [, url] = settings.findLast(([key]) => key === "remote.origin.url") ??
    [];
  if (url !== undefined) return url;
  throw sourceError(root, 'its repository has no remote "origin"');
}

async function findPushedCommit(
  query: GitQuery,
  { root, env, logger }: CodeSourceOptions,
): Promise<string> {
  const head = await query.git(
    "rev-parse",
    "--verify",
    "--quiet",
    "HEAD^{commit}",
  );
  const commit = head.stdout.trim();
  if (head.exitCode !== 0 || commit === "") {
    throw sourceError(root, "its repository has no commit");
  }
  const { exitCode, stdout } = await query.git(
    "for-each-ref",
    "--count=1",
    `--contains=${commit}`,
    "refs/remotes",
  );
  if (exitCode !== 0 || stdout.trim() === "") {
    throw sourceError(
      root,
      `commit ${commit.slice(0, 12)} is not on a branch of a remote`,
      { advice: PUSH_ADVICE },
    );
  }
  if (await isCleanTree(query, { directory: root, env }) === false) {
    logger.warn(
      "workflow",
      `Jobs get commit ${
        commit.slice(0, 12)
      }, without the uncommitted changes in ${quote(root)}`,
    );
  }
  return commit;
}

/** Removes credentials from a URL, because workers have their own. */
function removeUserInfo(url: string): string {
  return splitCredentials(url).url;
}

function sourceError(
  root: string,
  reason: string,
  { advice = ADVICE, cause }: { advice?: string; cause?: unknown } = {},
): RunnerError {
  return new RunnerError(
    `Cannot find the code for the jobs in ${quote(root)}: ${reason}; ${advice}`,
    { code: "source-failed", cause },
  );
}
