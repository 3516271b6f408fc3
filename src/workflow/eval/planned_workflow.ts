import type {
  Filters,
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type { FilterMatch } from "./match_filters.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { BaseNodes, Policy } from "./policy.ts";

/** A repository and a commit in it. */
export interface CodePlace {
  /** Repository; empty if there is none. */
  readonly url: string;
  /** Commit. */
  readonly ref: string;
}

/** Profile and class of what runs from the trusted tree. */
const DEFAULT_PROFILE = "standard";
const DEFAULT_WORKERS = "default";

/** Rights of a workflow, and why it has them. */
export interface WorkflowGrant {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Revision of the policy; empty without one. */
  readonly policyRevision: string;
  /** Rule of the policy; empty for a trusted definition. */
  readonly ruleId: string;
  /** Approval; `null` if none was needed. */
  readonly approvalId: string | null;
}

/** A workflow that is to run. */
export interface PlannedWorkflow {
  /** Definition that is used. */
  readonly definition: WorkflowDefinition;
  /** Which events start it. The pull request itself never decides that. */
  readonly filters: Filters;
  /** Whose definition it is. */
  readonly origin: "base" | "head";
  /** Where the definition comes from. */
  readonly ci: CodePlace;
  /** Rights of the workflow. */
  readonly grant: WorkflowGrant;
  /** Jobs that keep their trusted definition, by their names. */
  readonly authority: ReadonlyMap<string, BaseNodes>;
  /** Whether it is submitted without jobs, since the event does not start it. */
  readonly isSkipped: boolean;
  /** Why this definition is used, if the pull request has changed it. */
  readonly note?: string;
}

/** Whether a workflow or job starts, and why. */
export interface StartDecision extends FilterMatch {
  /** Id of the workflow, or name of the job. */
  readonly name: string;
  /** File that defines it. */
  readonly sourceFile: string;
  /** Whether the definition is the trusted one or that of the pull request. */
  readonly origin: "base" | "head";
  /** Jobs of the workflow; `undefined` for a job. */
  readonly jobs?: readonly JobDefinition[];
}

/** A change that the policy does not allow, with the keys of the wire. */
export interface PolicyViolation {
  /** Changed file. */
  readonly path: string;
  /** Workflow that the file defines; empty for none. */
  readonly workflow_id: string;
  /** Author of the change. */
  readonly actor: string;
  /** Rule that was broken. */
  readonly rule: string;
  /** Commit of the trusted definitions. */
  readonly base_sha: string;
  /** Commit of the change. */
  readonly head_sha: string;
  /** No other keys. */
  readonly [key: string]: string;
}

/**
 * Plans a workflow as the trusted tree defines it.
 *
 * @param definition Definition.
 * @param event What happened.
 * @param policy Policy and its revision, if there is one.
 * @returns The workflow.
 */
export function trusted(
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
