import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import type { JsonValue } from "../../json_value.ts";
import type { EventType } from "../../schema/when.ts";
import {
  triggerDocument,
  type TriggerJob,
} from "../../triggers/trigger_document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type { FilterMatch, Filters } from "../definition/filters.ts";
import { definitionTrigger } from "../definition/job_definition.ts";
import type { SkippedJob } from "../job_conditions.ts";
import { definitionWithRemoteSteps } from "../remote_steps.ts";
import type { BaseNodes, Policy } from "./policy.ts";

/** A commit of a repository. */
export interface CodePlace {
  /** URL of the repository; empty if there is none. */
  readonly url: string;
  /** Commit. */
  readonly ref: string;
}

/** Execution profile of trusted definitions, unless the policy sets another. */
const DEFAULT_PROFILE = "standard";

/** Worker class of trusted definitions. */
const DEFAULT_WORKERS = "default";

/** Permissions of a workflow, and their reason. */
export interface WorkflowGrant {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Revision of the policy; empty if there is no policy. */
  readonly policyRevision: string;
  /** ID of the matching rule; empty for a trusted definition. */
  readonly ruleId: string;
  /** ID of the approval; `null` if none is required. */
  readonly approvalId: string | null;
}

/** A workflow to run, with the chosen definition and its permissions. */
export interface PlannedWorkflow {
  /** Chosen definition. */
  readonly definition: WorkflowDefinition;
  /** Events that start the workflow; a pull request cannot change them. */
  readonly filters: Filters;
  /** Whether the definition is the trusted one or that of the pull request. */
  readonly origin: "base" | "head";
  /** Repository and commit of the definition. */
  readonly ci: CodePlace;
  /** Permissions of the workflow. */
  readonly grant: WorkflowGrant;
  /** Jobs that keep their trusted definition, by name. */
  readonly authority: ReadonlyMap<string, BaseNodes>;
  /**
   * Whether the workflow is submitted without jobs because the event does not
   * start it.
   */
  readonly isSkipped: boolean;
  /** Why this definition was chosen, if the pull request changes it. */
  readonly note?: string;
}

/** Whether a workflow or job starts, and why. */
export interface StartDecision extends FilterMatch {
  /** ID of the workflow, or name of the job. */
  readonly name: string;
  /** File that defines it. */
  readonly sourceFile: string;
  /** Whether the definition is the trusted one or that of the pull request. */
  readonly origin: "base" | "head";
  /** Jobs of the workflow; `undefined` for a job. */
  readonly jobs?: readonly JobDefinition[];
  /** Jobs that the event skips, or the job itself. */
  readonly skipped?: readonly SkippedJob[];
}

/** A change that the policy does not allow, with the keys of the protocol. */
export interface PolicyViolation {
  /** Changed file. */
  readonly path: string;
  /** Workflow that uses the file; empty if none does. */
  readonly workflow_id: string;
  /** Author of the change. */
  readonly actor: string;
  /** Why the change is not allowed. */
  readonly rule: string;
  /** Commit of the trusted definitions. */
  readonly base_sha: string;
  /** Commit of the change. */
  readonly head_sha: string;
  /** All values are strings. */
  readonly [key: string]: string;
}

/**
 * Plans a workflow with its trusted definition.
 *
 * @param policy Policy and its revision, if there is one.
 */
export function planTrusted(
  definition: WorkflowDefinition,
  { ciSourceUrl, ciSourceRef }: EvalEvent,
  { policy, policyRevision }: { policy?: Policy; policyRevision: string },
): PlannedWorkflow {
  return {
    definition,
    filters: definition,
    origin: "base",
    ci: { url: ciSourceUrl, ref: ciSourceRef },
    grant: {
      profile: policy?.profile ?? DEFAULT_PROFILE,
      workers: DEFAULT_WORKERS,
      policyRevision: policy === undefined ? "" : policyRevision,
      ruleId: "",
      approvalId: null,
    },
    authority: new Map(),
    isSkipped: false,
  };
}

/** A workflow of an evaluation, with the keys of the protocol. */
export interface EvalWorkflow {
  /** Jobs in topological order. */
  readonly jobs: readonly TriggerJob[];
  /** Other properties of the workflow. */
  readonly [key: string]: JsonValue;
}

/**
 * Converts a workflow to the format of the coordinator.
 *
 * @returns The workflow, with its jobs in topological order.
 * @throws {RunnerError} `invalid-trigger` if the coordinator would reject a
 * job, or a job would wait forever; `invalid-workflow` as for
 * {@linkcode generateJob}.
 */
export function wireWorkflow(
  { definition, origin, ci, grant, isSkipped, authority }: PlannedWorkflow,
  event: EvalEvent,
): EvalWorkflow {
  const { id, name, sourceFile, vars, jobs } = definition;
  const { jobs: wired } = triggerDocument(
    isSkipped ? [] : jobs.map((job) => generateJob(job, event, ci)),
  );
  return {
    id,
    name,
    source_file: sourceFile,
    ci_origin: origin,
    ci_repository: ci.url,
    ci_sha: ci.ref,
    execution_profile: grant.profile,
    worker_class: grant.workers,
    policy_revision: grant.policyRevision,
    policy_rule_id: grant.ruleId,
    approval_id: grant.approvalId,
    dependency_paths: definition.dependencyPaths,
    vars,
    jobs: wired.map((job) => {
      const grant = authority.get(job.job_name);
      return grant === undefined ? job : {
        ...job,
        ci_origin: "base",
        execution_profile: grant.profile,
        worker_class: grant.workers,
        ci_source_type: "git",
        ci_source_url: event.ciSourceUrl,
        ci_source_ref: event.ciSourceRef,
      };
    }),
  };
}

/**
 * Creates the job for the coordinator from a definition.
 *
 * @param ci Repository and commit for the CI source of the job.
 * @throws {RunnerError} `invalid-workflow` if the job needs artifacts, or has
 * steps that only this machine can run.
 */
export function generateJob(
  definition: JobDefinition,
  event: EvalEvent,
  ci: CodePlace,
): Trigger {
  if (definition.body.artifactNeeds !== undefined) {
    throw new RunnerError(
      `Cannot evaluate job "${definition.name}": it needs artifacts, which the coordinator does not pass on`,
      { code: "invalid-workflow" },
    );
  }
  const job = definitionTrigger(definitionWithRemoteSteps(definition));
  return {
    ...job,
    env: { ...job.env, ...eventVariables(event) },
    ...event.sourceUrl === "" ? {} : {
      sourceType: "git",
      sourceUrl: event.sourceUrl,
      sourceRef: event.sourceRef,
    },
    ...ci.url === ""
      ? {}
      : { ciSourceType: "git", ciSourceUrl: ci.url, ciSourceRef: ci.ref },
  };
}

/**
 * An event, and the repositories and commits of both of its sides. Unknown
 * values are empty strings.
 */
export interface EvalEvent {
  /** Type of the event. */
  readonly type: EventType;
  /** Branch or tag; for a pull request, the base branch. */
  readonly branch: string;
  /** Repository of the code. */
  readonly sourceUrl: string;
  /** Commit of the code. */
  readonly sourceRef: string;
  /** Repository of the trusted definitions. */
  readonly ciSourceUrl: string;
  /** Commit of the trusted definitions. */
  readonly ciSourceRef: string;
  /** Target branch of a pull request. */
  readonly prBaseRef: string;
  /** Number of the pull request. */
  readonly prNumber: string;
  /** Repository of the pull request's code. */
  readonly headUrl: string;
  /** Branch of the pull request's code. */
  readonly headRef: string;
  /** Target repository of the pull request. */
  readonly baseUrl: string;
  /** Target branch of the pull request. */
  readonly baseRef: string;
  /** `true` for a pull request from a fork. */
  readonly isForkPr: "true" | "false" | "";
}

/** Environment variables of generated jobs. */
const VARIABLES: Readonly<Record<string, keyof EvalEvent>> = {
  [Variable.eventType]: "type",
  [Variable.branch]: "branch",
  [Variable.sha]: "sourceRef",
  [Variable.sourceUrl]: "sourceUrl",
  [Variable.prBaseRef]: "prBaseRef",
  [Variable.prNumber]: "prNumber",
  [Variable.ciSourceUrl]: "ciSourceUrl",
  [Variable.ciSourceRef]: "ciSourceRef",
  [Variable.headUrl]: "headUrl",
  [Variable.headRef]: "headRef",
  [Variable.baseUrl]: "baseUrl",
  [Variable.baseRef]: "baseRef",
  [Variable.isForkPr]: "isForkPr",
};

/** Returns the variables that describe an event to jobs, without empty ones. */
export function eventVariables(event: EvalEvent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(VARIABLES)
      .filter(([, key]) => event[key] !== "")
      .map(([name, key]) => [name, event[key]]),
  );
}
