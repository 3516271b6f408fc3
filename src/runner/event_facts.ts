import { parseJobEnv } from "../config/text_values.ts";
import { visibleToJobs } from "../environment/child_environment.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import {
  type EventFacts,
  usesPaths,
  type When,
  whenReason,
} from "../schema/when.ts";
import type { GraphRunOptions } from "../steps/graph_run.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import type { RunState } from "./run_state.ts";

/** Revisions and branches between which the code of an event is compared. */
export interface ComparedSides {
  /** Commit to compare with; empty if it is unknown. */
  readonly diffBase: string;
  /** Number of the pull request; empty for other events. */
  readonly prNumber: string;
  /** Base branch of the pull request. */
  readonly prBaseRef: string;
  /** Base branch of the pull request, under another name. */
  readonly baseRef: string;
  /** Branch of the event; for a pull request, its base branch. */
  readonly branch: string;
  /** `true` for a pull request from a fork. */
  readonly isForkPr: string;
}

/**
 * Returns the git revision with which the code of an event is compared.
 *
 * The base branch is a full ref name, since a tag could have the same short
 * name. In the clone of a fork, `origin` is the fork, whose owner controls its
 * branches.
 *
 * @param sides Known properties of the event.
 */
export function comparedRevision(sides: ComparedSides): string {
  const { diffBase, prNumber, prBaseRef, baseRef, branch, isForkPr } = sides;
  if (diffBase !== "") return diffBase;
  const name = prBaseRef || (prNumber === "" ? "" : baseRef || branch);
  const remote = isForkPr === "true" ? "upstream" : "origin";
  return name === "" ? "HEAD^" : `refs/remotes/${remote}/${name}`;
}

/** Known properties of an event. */
export interface DescribedEvent {
  /** Type of the event; empty if it is unknown. */
  readonly type: string;
  /** Branch or tag; empty if it is unknown. */
  readonly branch: string;
  /** Number of the pull request; empty for other events. */
  readonly prNumber: string;
}

/**
 * Returns the facts of a described event, without changed files.
 *
 * A pull request has no branch: its code is not on the base branch, and the
 * author chooses the name of the head branch. After it is merged, its code is
 * on the base branch.
 *
 * @param event The event; its type or branch must be known.
 */
export function describedFacts(
  { type, branch, prNumber }: DescribedEvent,
): EventFacts {
  const isPull = type === "" ? prNumber !== "" : type.startsWith("pull_");
  const base = type === ""
    ? { reasons: { event: `${Variable.eventType} is not set` } }
    : { event: type, reasons: {} };
  if (isPull && type !== "pull_request_merged") {
    const reason = "the event is a pull request";
    const reasons = { ...base.reasons, branch: reason, tag: reason };
    return { ...base, branch: null, tags: [], reasons };
  }
  const isTag = type === "tag_created";
  if (branch === "") {
    const reason = `${Variable.branch} is not set`;
    const other = `the event is ${type}`;
    return {
      ...base,
      ...isTag ? { branch: null } : { tags: [] },
      reasons: {
        ...base.reasons,
        branch: isTag ? other : reason,
        tag: isTag ? reason : other,
      },
    };
  }
  return isTag
    ? {
      ...base,
      branch: null,
      tags: [branch],
      reasons: { ...base.reasons, branch: "the event is a tag" },
    }
    : {
      ...base,
      branch,
      tags: [],
      reasons: { ...base.reasons, tag: "the event is not a tag" },
    };
}

/** Options for {@linkcode eventFacts}. */
export interface EventFactsOptions {
  /** Environment of the runner, without variables of the job. */
  env: Environment;
  /** Absolute path of a directory in the code. */
  directory: string;
  /** Whether changed files are needed. */
  hasPaths: boolean;
}

/**
 * Returns the known facts of the event of a job, from the variables that
 * describe it or, if none is set, from git.
 *
 * @param options Environment and directory.
 * @returns The facts, and a reason for each unknown one.
 */
export async function eventFacts(
  { env, directory, hasPaths }: EventFactsOptions,
): Promise<EventFacts> {
  const read = (name: string) => env[name] ?? "";
  const event = {
    type: read(Variable.eventType),
    branch: read(Variable.branch),
    prNumber: read(Variable.prNumber),
  };
  const isDescribed = Object.values(event).some((value) => value !== "");
  const facts = isDescribed
    ? describedFacts(event)
    : await readCheckoutFacts(env, directory);
  if (!hasPaths) return facts;
  const revision = comparedRevision({
    ...event,
    diffBase: read(Variable.diffBase),
    prBaseRef: read(Variable.prBaseRef),
    baseRef: read(Variable.baseRef),
    isForkPr: read(Variable.isForkPr),
  });
  const { changedFiles } = await import("../source/git/queries/git_queries.ts");
  try {
    return {
      ...facts,
      changedFiles: await changedFiles(revision, { directory, env }),
    };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return { ...facts, reasons: { ...facts.reasons, paths: messageOf(error) } };
  }
}

/**
 * Determines whether the event skips a job.
 *
 * @param when Condition of the job.
 * @returns The first part that is not met, as a reason; `undefined` if all are
 * met.
 */
export async function jobSkipReason(
  { runner: { host }, settings }: RunState,
  when: When,
): Promise<string | undefined> {
  const facts = await eventFacts({
    env: host.env,
    directory: host.cwd,
    hasPaths: usesPaths(when),
  });
  const setting = settings.get("job_env");
  const { env } = setting === undefined
    ? { env: {} }
    : parseJobEnv(setting, host.cwd);
  return whenReason(when, facts, { ...visibleToJobs(host.env), ...env });
}

/**
 * Collects the facts and variables for the conditions of steps, before any step
 * runs, so that no step can change them.
 *
 * @returns Facts and variables; an empty object if no selected step has a
 * condition that needs them.
 */
export async function stepConditions(
  { runner: { host }, sourcePath, jobEnv }: RunState,
  { steps, isSelected }: JobPlan,
): Promise<Pick<GraphRunOptions, "facts" | "envOf">> {
  const definitions = steps.filter((_, step) => isSelected[step])
    .map(({ definition }) => definition);
  const hasFunctions = definitions.some(({ condition }) =>
    typeof condition === "function"
  );
  if (!hasFunctions && !definitions.some(({ when }) => when)) return {};
  return {
    facts: await eventFacts({
      env: host.env,
      directory: sourcePath ?? host.cwd,
      hasPaths: hasFunctions || definitions.some(({ when }) => usesPaths(when)),
    }),
    envOf: (step) => ({
      ...visibleToJobs(host.env),
      ...jobEnv,
      ...steps[step].definition.env,
      ...steps[step].variables,
    }),
  };
}

async function readCheckoutFacts(
  env: Environment,
  directory: string,
): Promise<EventFacts> {
  const event = `${Variable.eventType} is not set`;
  const { checkedOut } = await import("../source/git/queries/git_info.ts");
  const unknown = (reason: string): EventFacts => ({
    reasons: { event, branch: reason, tag: reason },
  });
  try {
    const { branch, tags } = await checkedOut({ directory, env });
    if (branch !== null) {
      const reason = "a branch is checked out";
      return { branch, tags: [], reasons: { event, tag: reason } };
    }
    return {
      tags,
      reasons: {
        event,
        branch: "no branch is checked out",
        tag: "no tag points to the commit",
      },
    };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return unknown(messageOf(error));
  }
}
