import { Variable } from "../../environment/variables.ts";
import type { Host } from "../../host.ts";
import type { Approval } from "../../workflow/eval/decide.ts";
import {
  type Policy,
  policyRevision,
  readPolicy,
} from "../../workflow/eval/policy.ts";

/** Inputs of the policy, from the coordinator. */
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
 * Reads the inputs of the policy.
 *
 * @param env Environment.
 * @returns The inputs; lists that cannot be read count as empty, as they do
 * for the coordinator: they can only take rights away.
 * @throws {RunnerError} `invalid-config`, if the policy cannot be used.
 */
export async function policyInputs(env: Host["env"]): Promise<PolicyInputs> {
  const text = env[Variable.ciPolicy];
  const policy = text ? await readPolicy(text, Variable.ciPolicy) : undefined;
  return {
    policy,
    policyRevision: env[Variable.ciPolicyRevision] ||
      (policy === undefined ? "" : await policyRevision(policy)),
    actor: env[Variable.headActor] ?? "",
    actorSubjects: listOf(env[Variable.actorSubjects])
      .filter((subject) => typeof subject === "string"),
    approvals: listOf(env[Variable.ciApprovals])
      .filter((approval): approval is Approval =>
        typeof approval === "object" && approval !== null
      ),
  };
}

function listOf(text: string | undefined): unknown[] {
  try {
    const list: unknown = JSON.parse(text || "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
