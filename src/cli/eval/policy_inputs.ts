import { Variable } from "../../environment/variables.ts";
import type { Host } from "../../host.ts";
import type { Approval } from "../../workflow/eval/decide.ts";
import {
  type Policy,
  policyRevision,
  readPolicy,
} from "../../workflow/eval/policy.ts";

/** What the coordinator says of rights. */
export interface PolicyInputs {
  /** Policy, if there is one. */
  readonly policy: Policy | undefined;
  /** Revision of the policy. */
  readonly policyRevision: string;
  /** Who made the change. */
  readonly actor: string;
  /** What the actor is. */
  readonly actorSubjects: readonly string[];
  /** Approvals that were given. */
  readonly approvals: readonly Approval[];
}

/**
 * Reads what the coordinator says of rights.
 *
 * @param env Environment.
 * @returns The inputs; lists that cannot be read count as empty, as they do
 * for the coordinator: they can only take rights away.
 * @throws {RunnerError} `invalid-config`, if the policy cannot be used.
 */
export async function policyInputs(env: Host["env"]): Promise<PolicyInputs> {
  const text = env[Variable.ciPolicy];
  const policy = text ? readPolicy(text) : undefined;
  return {
    policy,
    policyRevision: env[Variable.ciPolicyRevision] ||
      (policy === undefined ? "" : await policyRevision(policy)),
    actor: env[Variable.headActor] ?? "",
    actorSubjects: listOf(env[Variable.actorSubjects])
      .filter((it) => typeof it === "string"),
    approvals: listOf(env[Variable.ciApprovals])
      .filter((it): it is Approval => typeof it === "object" && it !== null),
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
