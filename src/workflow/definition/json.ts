import { RESERVED_KEYS } from "../../schema/names.ts";
import type { Schema } from "../../schema/schema.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { copyJson } from "../../schema/copy_json.ts";
import type { JsonValue } from "../../json.ts";

/** Deepest nesting of a value. */
const DEEPEST = 100;

/** Schema of variables of a workflow: any JSON values by their names. */
export const jsonVariables: Schema<Readonly<Record<string, JsonValue>>> = {
  jsonSchema: () => ({
    type: "object",
    propertyNames: { pattern: "\\S", not: { enum: RESERVED_KEYS } },
  }),
  parse(node) {
    const { entries } = node;
    if (entries === undefined) {
      return void node.report("must map names to values");
    }
    for (const [key, value] of entries) {
      if (key.trim() === "") value.report("must have a name");
    }
    return understood(node, 0) as Readonly<Record<string, JsonValue>>;
  },
};

/**
 * Schema of the items of `for_each`: a scalar keeps its text, since
 * the coordinator would print a large number as `1e+06`. Nothing is an item, too.
 */
export const jsonItems: Schema<readonly JsonValue[]> = {
  jsonSchema: () => ({ type: "array" }),
  parse: (node) =>
    node.items === undefined
      ? void node.report("must be a list")
      : node.items.map((item) => item.text ?? understood(item, 0)),
};

/**
 * Writes an item as the variable that a job gets.
 *
 * @param item Item of `for_each`.
 * @returns Text as the coordinator writes it: a text as it is, and compact
 * JSON with sorted keys.
 */
export function itemText(item: JsonValue): string {
  return typeof item === "string" ? item : goJson(item);
}

/**
 * Writes a value as the JSON of Go's standard library: keys sorted, no spaces,
 * and escaped what could end a script in a web page.
 *
 * @param value Value.
 * @returns The text.
 */
export function goJson(value: JsonValue): string {
  return JSON.stringify(sorted(value)).replace(
    /[<>&\u2028\u2029]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => compareCodePoints(a, b))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

/** Go sorts by the bytes of UTF-8, JavaScript by UTF-16. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const order = left[at].codePointAt(0)! - right[at].codePointAt(0)!;
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function understood(node: DocumentNode, depth: number): JsonValue {
  if (depth > DEEPEST) {
    node.report(`is nested deeper than ${DEEPEST} levels`);
    return null;
  }
  if (node.isNull) return null;
  if (node.items !== undefined) {
    return node.items.map((item) => understood(item, depth + 1));
  }
  if (node.entries === undefined) return scalar(node);
  const members = node.entries.map(([key, value]) => {
    if (RESERVED_KEYS.includes(key) || key === "__proto__") {
      value.report("has a name that the coordinator keeps for itself");
    }
    return [key, understood(value, depth + 1)] as const;
  });
  return Object.fromEntries(members);
}

function scalar(node: DocumentNode): JsonValue {
  const { value } = node;
  if (typeof value === "number" && !isExact(value)) {
    node.report("must be put in quotation marks: no JSON number is exactly it");
    return null;
  }
  try {
    return copyJson(value, "it");
  } catch {
    node.report("must be a value that JSON can hold");
    return null;
  }
}

function isExact(value: number): boolean {
  return Number.isInteger(value)
    ? Number.isSafeInteger(value)
    : Number.isFinite(value);
}
