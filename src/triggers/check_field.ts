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

/** Largest number that the database of the coordinator stores. */
const MAX_INTEGER = 2 ** 31 - 1;

/** The database has an index of names, whose entries have a maximum size. */
const MAX_NAME_BYTES = 2_000;

/** Size of an argument or variable with which Linux starts a program, its NUL included. */
const MAX_ARGUMENT_BYTES = 128 * 1024;

/** Users that a worker can start a container as. */
const USER = /^(|runner|root|[0-9]{1,9}(:[0-9]{0,9})?)$/i;

const SOURCE_TYPES: ReadonlySet<unknown> = new Set(["git", "copy", "none"]);

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const CHECKS: Readonly<Record<TriggerFieldKind, FieldCheck>> = {
  name: (value, path, report) => {
    const name = checkText(value, path, report);
    if (name?.trim() === "") report(`${path} must not be empty`);
    return checkSize(name, MAX_NAME_BYTES, path, report);
  },
  text: checkText,
  command: (value, path, report) =>
    checkSize(
      checkText(value, path, report),
      MAX_ARGUMENT_BYTES - 1,
      path,
      report,
    ),
  user: (value, path, report) => {
    const user = checkText(value, path, report);
    if (user !== undefined && !USER.test(user.trim())) {
      report(`${path} must be "runner", "root" or uid[:gid]`);
    }
    return user;
  },
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
    isWhole(value, -MAX_INTEGER - 1) ? value : void report(
      `${path} must be a whole number from ${
        -MAX_INTEGER - 1
      } to ${MAX_INTEGER}`,
    ),
  seconds: (value, path, report) =>
    isWhole(value, 1)
      ? value
      : void report(`${path} must be a whole number from 1 to ${MAX_INTEGER}`),
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
    checkMembers(
      value,
      path,
      report,
      (member, key) => textProblem(member) ?? variableProblem(key, `${member}`),
    ),
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
  problemOf: (member: unknown, key: string) => string | undefined,
): JsonValue {
  const entries = plainEntries(value, path);
  for (const [key, member] of entries) {
    const place = `${path}.${brief(key)}`;
    if (key === "" || key.includes("=")) {
      report(`${path} must not have the key ${quote(key)}`);
    }
    const problem = problemOf(member, key);
    if (problem !== undefined) report(`${place} ${problem}`);
  }
  return Object.fromEntries(entries) as { [key: string]: JsonValue };
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/**
 * Describes what keeps a variable from the environment of a process.
 *
 * @param name Name of the variable.
 * @param value Value of the variable.
 * @returns The end of a sentence that starts with the variable.
 */
export function variableProblem(
  name: string,
  value: string,
): string | undefined {
  const maxBytes = MAX_ARGUMENT_BYTES - byteLength(name) - 2;
  return isLonger(value, maxBytes)
    ? `must be at most ${maxBytes} bytes: Linux starts no program with a longer variable`
    : undefined;
}

function checkSize(
  text: string | undefined,
  maxBytes: number,
  path: string,
  report: ReportProblem,
): string | undefined {
  if (text !== undefined && isLonger(text, maxBytes)) {
    report(`${path} must be at most ${maxBytes} bytes`);
  }
  return text;
}

/** A UTF-16 unit has at most 3 bytes in UTF-8. */
function isLonger(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && byteLength(text) > maxBytes;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && value as number >= min &&
    value as number <= MAX_INTEGER;
}
