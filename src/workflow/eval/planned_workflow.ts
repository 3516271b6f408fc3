import type {
  Filters,
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type { SkippedJob } from "../job_conditions.ts";
import type { FilterMatch } from "./match_filters.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { BaseNodes, Policy } from "./policy.ts";

/** A commit of a repository. */
export interface CodePlace {
  /** URL of the repository; empty if there is none. */
  readonly url: string;
  /** Commit. */
  readonly ref: string;
}

/** Profile and worker class of trusted definitions. */
const DEFAULT_PROFILE = "standard";
const DEFAULT_WORKERS = "default";

/** Permissions of a workflow, and their reason. */
export interface WorkflowGrant {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Revision of the policy; empty if there is no policy. */
  readonly policyRevision: string;
  /** Id of the matching rule; empty for a trusted definition. */
  readonly ruleId: string;
  /** Id of the approval; `null` if none is required. */
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
  /** Id of the workflow, or name of the job. */
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
