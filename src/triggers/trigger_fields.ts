import {
  CPU_PATTERN,
  CPU_WORDS,
  MEMORY_PATTERN,
  MEMORY_WORDS,
} from "../schema/amount.ts";
import { CONDITION_WORDS, parseCondition } from "../schema/condition.ts";
import { SUBDOMAIN } from "../schema/names.ts";
import { copyJson, kindOf, plainEntries, textProblem } from "./copy_json.ts";
import { brief, quote } from "../terminal/text.ts";
import type { JsonValue, Trigger } from "./trigger.ts";

/** Kind of value of a field. */
export type TriggerFieldKind =
  | "name"
  | "text"
  | "command"
  | "user"
  | "variable"
  | "condition"
  | "source-type"
  | "integer"
  | "seconds"
  | "flag"
  | "texts"
  | "secret-names"
  | "env"
  | "items"
  | "characteristics"
  | "resources"
  | "object";

/** A field of a trigger. */
export interface TriggerField {
  /** Key in the document. */
  readonly wire: string;
  /** Kind of its value. */
  readonly kind: TriggerFieldKind;
}

/**
 * Every field of a trigger, in the order in which documents are written.
 *
 * Triggers are checked, written and read by this table.
 */
export const TRIGGER_FIELDS: Readonly<Record<keyof Trigger, TriggerField>> = {
  name: { wire: "job_name", kind: "name" },
  dependsOn: { wire: "depends_on", kind: "texts" },
  condition: { wire: "condition", kind: "condition" },
  env: { wire: "env", kind: "env" },
  sourceType: { wire: "source_type", kind: "source-type" },
  sourceUrl: { wire: "source_url", kind: "text" },
  sourceRef: { wire: "source_ref", kind: "text" },
  ciSourceType: { wire: "ci_source_type", kind: "source-type" },
  ciSourceUrl: { wire: "ci_source_url", kind: "text" },
  ciSourceRef: { wire: "ci_source_ref", kind: "text" },
  containerImage: { wire: "container_image", kind: "text" },
  jobCommand: { wire: "job_command", kind: "command" },
  codeDir: { wire: "code_dir", kind: "text" },
  jobDir: { wire: "job_dir", kind: "text" },
  workingDir: { wire: "working_dir", kind: "text" },
  runAsUser: { wire: "run_as_user", kind: "user" },
  priority: { wire: "priority", kind: "integer" },
  timeoutSeconds: { wire: "timeout", kind: "seconds" },
  capabilities: { wire: "capabilities", kind: "texts" },
  imagePullSecrets: { wire: "image_pull_secrets", kind: "secret-names" },
  forEach: { wire: "for_each", kind: "items" },
  itemVar: { wire: "item_var", kind: "variable" },
  workerClass: { wire: "worker_class", kind: "text" },
  characteristics: { wire: "characteristics", kind: "characteristics" },
  resources: { wire: "resources", kind: "resources" },
  disableRunLocal: { wire: "disable_run_local", kind: "flag" },
  runLocal: { wire: "run_local", kind: "object" },
};

/**
 * Name of the field for each key of a document.
 *
 * It has no prototype: a hostile key finds nothing inherited.
 */
export const FIELD_OF_WIRE: Readonly<Record<string, keyof Trigger>> = Object
  .assign(
    Object.create(null),
    Object.fromEntries(
      Object.entries(TRIGGER_FIELDS).map(([name, { wire }]) => [wire, name]),
    ),
  );

/** Called with a problem: the end of the sentence `Cannot trigger "…": `. */
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

/** Keys of `resources`, and their amounts. */
const RESOURCES = new Map([
  ["cpu", {
    keys: ["request", "limit"],
    pattern: CPU_PATTERN,
    words: CPU_WORDS,
  }],
  ["memory", {
    keys: ["limit"],
    pattern: MEMORY_PATTERN,
    words: MEMORY_WORDS,
  }],
]);

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
      ? void report(`${path} must not contain "="`)
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
        report(
          `${path}[${index}] must be the name of a Kubernetes secret: at most 253 lower-case letters, digits, "-" and "."`,
        );
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
        typeof member === "boolean" ? undefined : textProblem(member)?.replace(
          "a string, not",
          "a string or boolean, not",
        ),
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
 * Checks one field of a trigger and returns it in its plain form.
 *
 * @param kind Kind of value of the field.
 * @param value Value of unknown origin.
 * @param path Name of the field, for messages.
 * @param report Called with each problem.
 * @returns Copy of the value; meaningless if a problem was reported.
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
    return void report(
      `${path} must be a list of strings, not ${kindOf(list)}`,
    );
  }
  for (const [index, item] of list.entries()) {
    if (typeof item !== "string") {
      report(`${path}[${index}] must be a string, not ${kindOf(item)}`);
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
      report(
        `${path} must not have the key ${
          quote(key)
        }: names are not empty and contain no "="`,
      );
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

function checkResources(
  value: unknown,
  path: string,
  report: ReportProblem,
): JsonValue {
  const copy = copyJson(value, path);
  for (const [name, members] of plainEntries(copy, path)) {
    const group = RESOURCES.get(name);
    if (group === undefined) {
      report(
        `${path} has the unknown key ${quote(name)}; it takes cpu, memory`,
      );
      continue;
    }
    const place = `${path}.${name}`;
    for (const [key, amount] of plainEntries(members, place)) {
      if (!group.keys.includes(key)) {
        const known = group.keys.join(", ");
        report(`${place} has the unknown key ${quote(key)}; it takes ${known}`);
      } else if (!isAmount(amount, group.pattern)) {
        report(`${place}.${key} must be ${group.words}`);
      }
    }
  }
  return copy;
}

/** The coordinator trims the text. */
function isAmount(value: unknown, pattern: RegExp): boolean {
  return typeof value === "number"
    ? value >= 0 && value <= Number.MAX_SAFE_INTEGER
    : typeof value === "string" && pattern.test(value.trim());
}
