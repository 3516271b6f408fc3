import { defaultOf } from "../../options/options.ts";
import { Variable } from "../../environment/variables.ts";
import { booleanProblem, parseBoolean } from "../../boolean.ts";
import {
  type EventType,
  parseEventType,
} from "../../workflow/definition/filters.ts";
import type { EvalEvent } from "../../workflow/eval/eval_event.ts";
import type { CommandContext, Flag } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

/** Options that have a variable in their place. */
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
  })),
  {
    name: "triggers-file",
    valueName: "PATH",
    help: `File for the trigger document (${defaultOf("triggers_file")})`,
  },
  {
    name: "workflow-file",
    valueName: "FILE",
    help: "Evaluate only this workflow file",
  },
  {
    name: "changed-file",
    valueName: "PATH",
    isRepeatable: true,
    help: "File that the event changed",
  },
];

/**
 * Reads an option, or the variable in its place.
 *
 * @param context What the command got to work with.
 * @param name Name of the option.
 * @param fallback Text without both.
 * @returns The text.
 */
export function evalValue(
  { flags, parts }: CommandContext,
  name: string,
  fallback = "",
): string {
  const given = flags.get(name);
  if (typeof given === "string") return given;
  const [variable] = VALUES[name] ?? [];
  return variable && parts.host.env[variable] || fallback;
}

/**
 * Reads the event.
 *
 * @param context What the command got to work with.
 * @returns The event.
 * @throws {RunnerError} `usage` without a type; `invalid-config` for an unknown
 * one.
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

/** An unknown word is an error: a fork must not count as a trusted branch. */
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
