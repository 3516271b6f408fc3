import { booleanProblem, parseBoolean } from "../../boolean.ts";
import { Variable } from "../../environment/variables.ts";
import type { Host } from "../../host.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { defaultOf } from "../../options/options.ts";
import { type EventType, parseEventType } from "../../schema/events.ts";
import type { EvalEvent } from "../../workflow/eval/eval_event.ts";
import {
  type Policy,
  policyRevision,
  readPolicy,
} from "../../workflow/eval/policy.ts";
import type { Approval } from "../../workflow/eval/policy_decision.ts";
import type { CommandContext, Flag } from "../command.ts";
import { usageError } from "../parse_arguments.ts";
import { CHANGED_FILE_FLAG } from "../workflow/load_workflow.ts";

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
    help: `File for the trigger document (${defaultOf("triggers_file")})`,
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
export function evalValue(
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
export function evalEvent(context: CommandContext): EvalEvent {
  const value = (name: string) => evalValue(context, name);
  return {
    type: eventType(value("event-type")),
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
    isForkPr: forkText(value("is-fork-pr")),
  };
}

/** Rejects unknown values: a fork must not count as a trusted branch. */
function forkText(given: string): EvalEvent["isForkPr"] {
  if (given === "") return "";
  const isFork = parseBoolean(given);
  if (isFork !== undefined) return isFork ? "true" : "false";
  throw usageError(
    `Option --is-fork-pr, or ${Variable.isForkPr}, ${booleanProblem(given)}`,
    "eval",
  );
}

function eventType(given: string): EventType {
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
      .filter((approval): approval is Approval => isObject(approval)),
  };
}

function listOf(text: string | undefined): unknown[] {
  const list = parseJson(text || "[]");
  return Array.isArray(list) ? list : [];
}
