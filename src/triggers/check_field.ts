import { checkResources } from "./check_resources.ts";
import { copyJson, kindOf, plainEntries, textProblem } from "./copy_json.ts";
import { CONDITION_WORDS, parseCondition } from "../schema/condition.ts";
import { brief, quote } from "./printable.ts";
import type { JsonValue } from "./trigger.ts";
import type { TriggerFieldKind } from "./trigger_fields.ts";

/** Takes a problem: the end of the sentence `Cannot trigger "…": `. */
export type ReportProblem = (problem: string) => void;

/** Checks a value; throws what {@linkcode copyJson} throws, reports the rest. */
type FieldCheck = (
  value: unknown,
  path: string,
  report: ReportProblem,
) => JsonValue | undefined;

const SOURCE_TYPES: ReadonlySet<unknown> = new Set(["git", "copy", "none"]);

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const CHECKS: Readonly<Record<TriggerFieldKind, FieldCheck>> = {
  name: (value, path, report) => {
    if (typeof value === "string" && value.trim() === "") {
      return void report(`${path} must not be empty`);
    }
    return checkText(value, path, report);
  },
  text: checkText,
  variable: (value, path, report) =>
    typeof value === "string" && value.includes("=")
      ? void report(`${path} must not hold "="`)
      : checkText(value, path, report),
  condition: (value, path, report) =>
    parseCondition(value) ??
      void report(`${path} must be ${CONDITION_WORDS}`),
  "source-type": (value, path, report) =>
    value === "" || SOURCE_TYPES.has(value)
      ? value as string
      : void report(`${path} must be "git", "copy" or "none"`),
  integer: (value, path, report) =>
    Number.isSafeInteger(value)
      ? value as number
      : void report(`${path} must be a whole number, not ${numberKind(value)}`),
  seconds: (value, path, report) =>
    Number.isSafeInteger(value) && value as number > 0
      ? value as number
      : void report(`${path} must be a whole number of at least 1`),
  flag: (value, path, report) =>
    typeof value === "boolean"
      ? value
      : void report(`${path} must be true or false, not ${kindOf(value)}`),
  texts: checkTexts,
  "secret-names": (value, path, report) => {
    const names = checkTexts(value, path, report);
    for (const [index, name] of names?.entries() ?? []) {
      if (!SUBDOMAIN.test(name)) {
        report(`${path}[${index}] must be the name of a Kubernetes secret`);
      }
    }
    return names;
  },
  env: (value, path, report) =>
    checkMembers(value, path, report, (member) => textProblem(member)),
  characteristics: (value, path, report) =>
    checkMembers(
      value,
      path,
      report,
      (member) =>
        typeof member === "boolean"
          ? undefined
          : textProblem(member)?.replace("text, not", "text or a flag, not"),
    ),
  items: (value, path, report) => {
    const items = copyJson(value, path);
    if (!isList(items)) {
      return void report(`${path} must be a list, not ${kindOf(items)}`);
    }
    // The coordinator would print a large number as 1e+06.
    return items.map((item) => typeof item === "number" ? `${item}` : item);
  },
  resources: checkResources,
  object: (value, path, report) => {
    const copy = copyJson(value, path);
    return copy !== null && typeof copy === "object" && !isList(copy)
      ? copy
      : void report(`${path} must be an object, not ${kindOf(copy)}`);
  },
};

/**
 * Checks one field of a trigger and brings it into its plain form.
 *
 * @param kind What the field may hold.
 * @param value Value of unknown origin.
 * @param path Name of the field, for messages.
 * @param report Receives each problem.
 * @returns Copy of the value; worth nothing if a problem was reported.
 * @throws {TypeError} If the value is not plain JSON data.
 */
export function checkField(
  kind: TriggerFieldKind,
  value: unknown,
  path: string,
  report: ReportProblem,
): JsonValue | undefined {
  return CHECKS[kind](value, path, report);
}

function checkText(
  value: unknown,
  path: string,
  report: ReportProblem,
): string | undefined {
  const problem = textProblem(value);
  if (problem !== undefined) return void report(`${path} ${problem}`);
  return value as string;
}

function checkTexts(
  value: unknown,
  path: string,
  report: ReportProblem,
): string[] | undefined {
  const list = copyJson(value, path);
  if (!isList(list)) {
    return void report(`${path} must be a list of texts, not ${kindOf(list)}`);
  }
  for (const [index, item] of list.entries()) {
    if (typeof item !== "string") {
      report(`${path}[${index}] must be text, not ${kindOf(item)}`);
    } else if (item === "") report(`${path}[${index}] must not be empty`);
  }
  return [...new Set(list)] as string[];
}

/** Checks an object whose keys are names and whose values are alike. */
function checkMembers(
  value: unknown,
  path: string,
  report: ReportProblem,
  problemOf: (member: unknown) => string | undefined,
): JsonValue {
  const entries = plainEntries(value, path);
  for (const [key, member] of entries) {
    const place = `${path}.${brief(key)}`;
    if (key === "" || key.includes("=")) {
      report(`${path} must not have the key ${quote(key)}`);
    }
    const problem = problemOf(member);
    if (problem !== undefined) report(`${place} ${problem}`);
  }
  return Object.fromEntries(entries) as { [key: string]: JsonValue };
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function numberKind(value: unknown): string {
  return typeof value === "number"
    ? "a fraction or one that is too large"
    : kindOf(value);
}
