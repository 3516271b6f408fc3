import { resolve } from "@std/path/posix/resolve";
import { booleanProblem, parseBoolean } from "../boolean.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { pathExists } from "../fs/files.ts";
import type { Host } from "../host.ts";
import { CI_DIRECTORY, isInside, OWN_DIRECTORY } from "../job_path.ts";
import { isObject, parseJson } from "../json_value.ts";
import { getDefault } from "../options/options.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { comparedRevision } from "../runner/event_facts.ts";
import { type EventType, parseEventType } from "../schema/when.ts";
import {
  changesBetween,
  type Manifest,
  takeManifest,
} from "../source/directory_manifest.ts";
import { changedFiles } from "../source/git/queries/git_queries.ts";
import { prepareSource } from "../source/prepare.ts";
import type { EvalEvent } from "../workflow/eval/planned_workflow.ts";
import {
  type Approval,
  type Policy,
  policyRevision,
  readPolicy,
} from "../workflow/eval/policy.ts";
import type { CommandContext, Flag } from "./command.ts";
import { usageError } from "./parse_arguments.ts";
import { CHANGED_FILE_FLAG } from "./workflow/load_workflow.ts";

/** Options that a variable can replace, by name. */
const VALUES: Readonly<Record<string, [variable: string, help: string]>> = {
  "ci-source-dir": [Variable.ciSourceDir, "Directory of the trusted CI code"],
  "source-dir": [Variable.sourceDir, "Directory of the code"],
  "event-type": [Variable.eventType, "Type of the event, such as push"],
  branch: [
    Variable.branch,
    "Branch or tag of the event; base branch of a pull request",
  ],
  "pr-base-ref": [Variable.prBaseRef, "Target branch of a pull request"],
  "diff-base": [Variable.diffBase, "Commit to compare the code with"],
  "pr-number": [Variable.prNumber, "Number of the pull request"],
  "source-url": [Variable.sourceUrl, "Repository of the code"],
  "source-ref": [Variable.sha, "Commit of the code"],
  "ci-source-url": [Variable.ciSourceUrl, "Repository of the trusted CI code"],
  "ci-source-ref": [Variable.ciSourceRef, "Commit of the trusted CI code"],
  "head-url": [Variable.headUrl, "Repository of a pull request's code"],
  "head-ref": [Variable.headRef, "Branch of a pull request's code"],
  "base-url": [Variable.baseUrl, "Target repository of a pull request"],
  "base-ref": [Variable.baseRef, "Target branch of a pull request"],
  "is-fork-pr": [
    Variable.isForkPr,
    "Whether a pull request comes from a fork: true or false",
  ],
};

/** Options of the command `eval`. */
export const EVAL_FLAGS: readonly Flag[] = [
  ...Object.entries(VALUES).map(([name, [variable, help]]) => ({
    name,
    valueName: "TEXT",
    help: `${help} (${variable})`,
    group: /^(event-type|branch|pr-|is-fork)/.test(name)
      ? "What to run" as const
      : "Source" as const,
  })),
  {
    name: "triggers-file",
    valueName: "PATH",
    group: "Output",
    help: `File for the trigger document (${getDefault("triggers_file")})`,
  },
  {
    name: "workflow-file",
    valueName: "FILE",
    names: "workflow",
    help: "Evaluate only this workflow file",
    group: "What to run",
  },
  CHANGED_FILE_FLAG,
];

/**
 * Returns the value of an option or, if it is not given, of its variable.
 *
 * @param fallback Value if neither is set.
 */
function readEvalValue(
  { flags, runner }: CommandContext,
  name: string,
  fallback = "",
): string {
  const given = flags.get(name);
  if (typeof given === "string") return given;
  const [variable] = VALUES[name] ?? [];
  return variable && runner.host.env[variable] || fallback;
}

/**
 * Reads the event.
 *
 * @throws {RunnerError} `usage` if the type is missing; `invalid-config` if it
 * is unknown.
 */
export function readEvalEvent(context: CommandContext): EvalEvent {
  const value = (name: string) => readEvalValue(context, name);
  return {
    type: readEventType(value("event-type")),
    branch: value("branch"),
    sourceUrl: value("source-url"),
    sourceRef: value("source-ref"),
    ciSourceUrl: value("ci-source-url"),
    ciSourceRef: value("ci-source-ref"),
    prBaseRef: value("pr-base-ref"),
    prNumber: value("pr-number"),
    headUrl: value("head-url"),
    headRef: value("head-ref"),
    baseUrl: value("base-url"),
    baseRef: value("base-ref"),
    isForkPr: parseForkText(value("is-fork-pr")),
  };
}

/** Rejects unknown values: a fork must not count as a trusted branch. */
function parseForkText(given: string): EvalEvent["isForkPr"] {
  if (given === "") return "";
  const isFork = parseBoolean(given);
  if (isFork !== undefined) return isFork ? "true" : "false";
  throw usageError(
    `Option --is-fork-pr, or ${Variable.isForkPr}, ${booleanProblem(given)}`,
    "eval",
  );
}

function readEventType(given: string): EventType {
  if (given === "") throw usageError("Option --event-type is required", "eval");
  return parseEventType(given);
}

/** Inputs of the policy decision, from the coordinator. */
export interface PolicyInputs {
  /** Policy, if there is one. */
  readonly policy: Policy | undefined;
  /** Revision of the policy. */
  readonly policyRevision: string;
  /** Author of the change. */
  readonly actor: string;
  /** Subjects that the actor belongs to. */
  readonly actorSubjects: readonly string[];
  /** Approvals. */
  readonly approvals: readonly Approval[];
}

/**
 * Reads the inputs of the policy decision.
 *
 * @returns The inputs. Invalid lists count as empty, as on the coordinator,
 * which is safe: it can only remove permissions.
 * @throws {RunnerError} `invalid-config` if the policy is invalid.
 */
export async function readPolicyInputs(
  env: Host["env"],
): Promise<PolicyInputs> {
  const text = env[Variable.ciPolicy];
  const policy = text ? await readPolicy(text, Variable.ciPolicy) : undefined;
  return {
    policy,
    policyRevision: env[Variable.ciPolicyRevision] ||
      (policy === undefined ? "" : await policyRevision(policy)),
    actor: env[Variable.headActor] ?? "",
    actorSubjects: parseJsonList(env[Variable.actorSubjects])
      .filter((subject) => typeof subject === "string"),
    approvals: parseJsonList(env[Variable.ciApprovals])
      .filter((approval): approval is Approval => isObject(approval)),
  };
}

function parseJsonList(text: string | undefined): unknown[] {
  const list = parseJson(text || "[]");
  return Array.isArray(list) ? list : [];
}

/** Full history; file contents are fetched on demand. */
const HISTORY = { depth: 0, filter: "blob:none" };

/** Directories with the code of an evaluation. */
export interface EvalTrees {
  /** Absolute path of the trusted CI root. */
  readonly base: string;
  /** Absolute path of the CI root of the pull request, if there is one. */
  readonly head: string | undefined;
  /** Absolute path of the code. */
  readonly source: string;
}

/**
 * Finds the code of an evaluation, and fetches missing code if its repository
 * is known. If the code of a pull request cannot be checked out, it stays
 * missing.
 *
 * @throws {RunnerError} `source-failed` or `workspace` if any other code
 * cannot be fetched.
 */
export async function prepareEvalTrees(
  context: CommandContext,
  event: EvalEvent,
  cancellation: Cancellation,
): Promise<EvalTrees> {
  const ci = resolveJobPath(
    context,
    readEvalValue(context, "ci-source-dir", CI_DIRECTORY),
  );
  const source = resolveJobPath(
    context,
    readEvalValue(context, "source-dir", getDefault("code_dir")),
  );
  const hasSides = event.prNumber !== "" &&
    !await pathExists(`${ci}/.reactorcide`);
  const base = hasSides ? `${ci}/base` : ci;
  const head = hasSides ? `${ci}/head` : undefined;
  const { sourceUrl, sourceRef, ciSourceUrl, ciSourceRef, headUrl } = event;
  const get = (url: string, ref: string, target: string, git = {}) =>
    fetchTree(context, { url, ref, target, git }, cancellation);
  // File names in a pull request must not make the evaluation fail.
  const getProposed: typeof get = async (...args) => {
    try {
      await get(...args);
    } catch (error) {
      cancellation.graceful.throwIfAborted();
      if (event.prNumber === "" || !(error instanceof RunnerError)) throw error;
      context.runner.logger.warn(
        "eval",
        `The code of the pull request is not used: ${error.message}`,
      );
    }
  };
  if (ciSourceUrl !== "" && !await pathExists(`${base}/.reactorcide`)) {
    await get(ciSourceUrl, ciSourceRef, base);
  }
  if (
    head !== undefined && headUrl !== "" && sourceRef !== "" &&
    await isEmptyDirectory(head)
  ) await getProposed(headUrl, sourceRef, head);
  if (sourceUrl !== "" && !await pathExists(`${source}/.git`)) {
    await getProposed(sourceUrl, sourceRef, source, HISTORY);
  }
  await requireDirectory(base, "the CI code", "ci-source-dir");
  if (readEvalValue(context, "source-dir") !== "") {
    await requireDirectory(source, "the code", "source-dir");
  }
  return { base, head, source };
}

/** Fails early: without definitions, nothing would start and no error appear. */
async function requireDirectory(
  path: string,
  what: string,
  flag: string,
): Promise<void> {
  let state: string;
  try {
    const { isDirectory } = await Deno.stat(path);
    if (isDirectory) return;
    state = "it is not a directory";
  } catch (error) {
    state = osReason(error);
  }
  throw new RunnerError(
    `Cannot read ${what} in "${path}": ${state}; set its directory with --${flag}`,
    { code: "workspace" },
  );
}

/**
 * Determines the changed files.
 *
 * @param source Absolute path of the code.
 * @returns Paths; `undefined` if they are unknown. A failed comparison is
 * logged as a warning.
 */
export async function findEvalChanges(
  context: CommandContext,
  source: string,
  event: EvalEvent,
): Promise<readonly string[] | undefined> {
  const given = context.flags.get("changed-file");
  if (Array.isArray(given)) return given;
  if (!await pathExists(`${source}/.git`)) return undefined;
  const { host, logger } = context.runner;
  const base = comparedRevision({
    ...event,
    diffBase: readEvalValue(context, "diff-base"),
  });
  try {
    return await changedFiles(base, { directory: source, env: host.env });
  } catch (error) {
    logger.warn(
      "eval",
      `Path filters are ignored because the changed files are unknown: ${
        messageOf(error)
      }`,
    );
    return undefined;
  }
}

/**
 * Lists the files of CI definitions that differ between the trusted tree and
 * the tree of the pull request.
 *
 * This is a fallback if git cannot compare them, such as for a fork whose base
 * cannot be fetched. It also lists files that the base branch has changed
 * since.
 *
 * @param signal Cancels the comparison.
 * @returns Paths; all trusted ones if the tree of the pull request cannot be
 * read.
 */
export async function findChangedDefinitions(
  { base, head }: EvalTrees,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (head === undefined) return [];
  const trusted = await takeDefinitionManifest(base, signal);
  try {
    const proposed = await takeDefinitionManifest(head, signal);
    return changesBetween(trusted, proposed).map(([path]) => path);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RunnerError)) throw error;
    return [...trusted.keys()];
  }
}

/** Ignores write permissions, which are removed from the trusted tree. */
async function takeDefinitionManifest(
  root: string,
  signal: AbortSignal,
): Promise<Manifest> {
  const directory = `${root}/.reactorcide`;
  if (!await pathExists(directory)) return new Map();
  const manifest = await takeManifest(directory, { signal });
  const files = [...manifest].filter(([, line]) =>
    !line.startsWith("directory")
  );
  return new Map(files.map(([name, line]) => [
    name === "" ? OWN_DIRECTORY : `${OWN_DIRECTORY}/${name}`,
    line.replace(
      /^(\w+) (\d+)/,
      (_, kind, bits) => `${kind} ${Number.parseInt(bits, 8) & 0o100}`,
    ),
  ]));
}

/**
 * Resolves a path.
 *
 * @param path Path below `/job`, or relative to the current directory.
 * @returns Absolute path.
 */
export function resolveJobPath(
  { runner: { host, workspace } }: CommandContext,
  path: string,
): string {
  return isInside("/job", path)
    ? workspace.pathOf(path)
    : resolve(host.cwd, path);
}

async function fetchTree(
  { runner: { host, workspace, logger } }: CommandContext,
  { url, ref, target, git }: {
    url: string;
    ref: string;
    target: string;
    git: { depth?: number; filter?: string };
  },
  cancellation: Cancellation,
): Promise<void> {
  const request = {
    type: "git",
    url,
    ...ref === "" ? {} : { ref },
    git: { depth: 1, submodules: "off", lfs: "off", ...git } as const,
    target,
    replace: false,
  };
  await prepareSource(request, {
    workspace,
    env: childEnvironment(host.env, { kind: "source-client" }),
    cwd: host.cwd,
    log: logger,
    cancellation,
  });
}

/** A pull request may delete all definitions, so only an empty tree counts as missing. */
async function isEmptyDirectory(path: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
