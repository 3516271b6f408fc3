import { parseJobEnv } from "../config/text_values.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { visibleToJobs } from "../environment/child_environment.ts";
import {
  type EventFacts,
  usesPaths,
  type When,
  whenReason,
} from "../schema/when.ts";
import type { GraphRunOptions } from "../steps/graph_run.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import type { JobRun } from "./job_run.ts";

/** What a pull request is compared with. */
export interface ComparedSides {
  /** Commit to compare with; empty if it is unknown. */
  readonly diffBase: string;
  /** Number of the pull request; empty if it is none. */
  readonly prNumber: string;
  /** Branch that the pull request is for. */
  readonly prBaseRef: string;
  /** The same, by another name. */
  readonly baseRef: string;
  /** Branch of the event; of a pull request the one that it is for. */
  readonly branch: string;
  /** `true` for a pull request from a fork. */
  readonly isForkPr: string;
}

/**
 * Finds the revision with which the code of an event is compared.
 *
 * The branch that a pull request is for is named in full, since a tag could have
 * the same short name. In the clone of a fork, `origin` is the fork, whose
 * branches are up to its owner.
 *
 * @param sides What is known about the event.
 * @returns A revision of git.
 */
export function comparedRevision(sides: ComparedSides): string {
  const { diffBase, prNumber, prBaseRef, baseRef, branch, isForkPr } = sides;
  if (diffBase !== "") return diffBase;
  const name = prBaseRef || (prNumber === "" ? "" : baseRef || branch);
  const remote = isForkPr === "true" ? "upstream" : "origin";
  return name === "" ? "HEAD^" : `refs/remotes/${remote}/${name}`;
}

/** An event, as far as it is described. */
export interface DescribedEvent {
  /** Type of the event; empty if it is unknown. */
  readonly type: string;
  /** Branch or tag; empty if it is unknown. */
  readonly branch: string;
  /** Number of the pull request; empty if it is none. */
  readonly prNumber: string;
}

/**
 * Returns the facts of an event that is described, without changed files.
 *
 * A pull request has no branch: neither the one that it is for, because the code
 * is not on it, nor its own, whose name its author chooses. Once it is merged,
 * its code is on the branch that it was for.
 *
 * @param event The event; its type or branch is known.
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
  /** Environment of the runner; variables of the job do not count. */
  env: Environment;
  /** Absolute path of a directory in the code. */
  directory: string;
  /** Whether changed files are needed. */
  hasPaths: boolean;
}

/**
 * Finds what is known about the event of a job: from the variables that describe
 * it, and without them from git.
 *
 * @param options Additional options.
 * @returns The facts; each unknown one has a reason.
 */
export async function eventFacts(
  { env, directory, hasPaths }: EventFactsOptions,
): Promise<EventFacts> {
  const valueOf = (name: string) => env[name] ?? "";
  const event = {
    type: valueOf(Variable.eventType),
    branch: valueOf(Variable.branch),
    prNumber: valueOf(Variable.prNumber),
  };
  const isDescribed = Object.values(event).some((value) => value !== "");
  const facts = isDescribed
    ? describedFacts(event)
    : await checkoutFacts(env, directory);
  if (!hasPaths) return facts;
  const revision = comparedRevision({
    ...event,
    diffBase: valueOf(Variable.diffBase),
    prBaseRef: valueOf(Variable.prBaseRef),
    baseRef: valueOf(Variable.baseRef),
    isForkPr: valueOf(Variable.isForkPr),
  });
  const { changedFiles } = await import("../source/git/queries/revisions.ts");
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
 * Finds why the event skips a job.
 *
 * @param run The run.
 * @param when Condition of the job.
 * @returns The part that does not hold; `undefined` if all hold.
 */
export async function jobSkipReason(
  { parts: { host }, settings }: JobRun,
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
 * Finds what the conditions of a job's steps look at, before any step runs: none
 * of them can change it.
 *
 * @param run The run.
 * @param plan The steps.
 * @returns Facts and variables; nothing for a job without such conditions.
 */
export async function stepConditions(
  { parts: { host }, sourcePath, jobEnv }: JobRun,
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

async function checkoutFacts(
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
