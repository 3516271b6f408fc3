import type { Filters, WorkflowDefinition } from "../definition/definition.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { CodePlace } from "./generated_job.ts";
import type { BaseNodes, Policy } from "./policy.ts";

/** Profile and class of what runs from the trusted tree. */
const DEFAULT_PROFILE = "standard";
const DEFAULT_WORKERS = "default";

/** With which rights a workflow runs, and why. */
export interface WorkflowGrant {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Revision of the policy; empty for a trusted definition. */
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
  /** Whether the event does not start it, and somebody wants to know that. */
  readonly isSkipped: boolean;
}

/** A change that the policy does not allow, with the keys of the wire. */
export interface PolicyViolation {
  /** Changed file. */
  readonly path: string;
  /** Workflow that the file defines; empty for none. */
  readonly workflow_id: string;
  /** Who made the change. */
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
 * @param policy Policy, if there is one.
 * @returns The workflow.
 */
export function trusted(
  definition: WorkflowDefinition,
  { ciSourceUrl, ciSourceRef }: EvalEvent,
  policy: Policy | undefined,
): PlannedWorkflow {
  return {
    definition,
    filters: definition,
    origin: "base",
    ci: { url: ciSourceUrl, ref: ciSourceRef },
    grant: {
      profile: policy?.profile ?? DEFAULT_PROFILE,
      workers: DEFAULT_WORKERS,
      policyRevision: "",
      ruleId: "",
      approvalId: null,
    },
    authority: new Map(),
    isSkipped: false,
  };
}
