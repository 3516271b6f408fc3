import type { DocumentNode } from "./document.ts";
import { text } from "./scalars.ts";
import { byShape, type Schema } from "./schema.ts";

const anyText = text();

/** Schema of a value whose null is the text `null`, as the coordinator has it. */
export const item: Schema<string> = {
  jsonSchema: () => ({
    ...anyText.jsonSchema(),
    type: ["string", "number", "boolean", "null"],
  }),
  nullValue: "null",
  parse: anyText.parse,
};

/** Schema of a variable's value, whose null is an empty text. */
const variable: Schema<string> = { ...item, nullValue: "" };

/** What the name of a variable must match. */
const VARIABLE = /^\s*[^=\s\0][^=\0]*$/;

/** Options for {@linkcode list}. */
export interface ListOptions {
  /**
   * Fewest members.
   *
   * @default {0}
   */
  minimum?: number;
}

/**
 * Creates the schema of a list.
 *
 * @param member Schema of its members.
 * @returns The schema.
 */
export function list<T>(
  member: Schema<T>,
  options: ListOptions = {},
): Schema<readonly T[]> {
  const { minimum = 0 } = options;
  return {
    jsonSchema: () => ({
      type: "array",
      items: member.jsonSchema(),
      ...minimum > 0 ? { minItems: minimum } : {},
    }),
    parse(node) {
      const { items } = node;
      if (items === undefined) return void node.report("must be a list");
      if (items.length < minimum) node.report("must not be empty");
      return items.flatMap((one) => readMember(member, one) ?? []);
    },
  };
}

/**
 * Creates the schema of a list in whose place a single member may stand.
 *
 * @param expected What is expected, worded to follow "must".
 * @param member Schema of its members.
 * @returns The schema.
 */
export function listOrOne<T>(
  expected: string,
  member: Schema<T>,
  options: ListOptions = {},
): Schema<readonly T[]> {
  return byShape<readonly T[]>(expected, {
    scalar: {
      jsonSchema: member.jsonSchema,
      parse(node) {
        const value = member.parse(node);
        return value === undefined ? undefined : [value];
      },
    },
    list: list(member, options),
  });
}

/** Options for {@linkcode record}. */
export interface RecordOptions {
  /** What each key must match, and what such a key is. */
  keys: { readonly pattern: RegExp; readonly words: string };
  /**
   * Fewest entries.
   *
   * @default {0}
   */
  minimum?: number;
}

/**
 * Creates the schema of a mapping whose keys are names.
 *
 * @param member Schema of its values.
 * @param expected What is expected, worded to follow "must".
 * @returns The schema.
 */
export function record<T>(
  member: Schema<T>,
  expected: string,
  options: RecordOptions,
): Schema<Readonly<Record<string, T>>> {
  const { keys, minimum = 0 } = options;
  return {
    jsonSchema: () => ({
      type: "object",
      propertyNames: { pattern: keys.pattern.source },
      additionalProperties: member.jsonSchema(),
      ...minimum > 0 ? { minProperties: minimum } : {},
    }),
    parse(node) {
      const { entries } = node;
      if (entries === undefined) return void node.report(`must ${expected}`);
      if (entries.length < minimum) node.report("must not be empty");
      const values: Record<string, T> = Object.create(null);
      for (const [key, one] of entries) {
        if (!keys.pattern.test(key)) one.report(`must be ${keys.words}`);
        const value = readMember(member, one);
        if (value !== undefined) values[key] = value;
      }
      return values;
    },
  };
}

/** Schema of variables by their names. */
export const variables: Schema<Readonly<Record<string, string>>> = {
  ...record(variable, "map names to values", {
    keys: { pattern: VARIABLE, words: 'a name without "="' },
  }),
  nullValue: {},
};

function readMember<T>(schema: Schema<T>, node: DocumentNode): T | undefined {
  if (!node.isNull) return schema.parse(node);
  if ("nullValue" in schema) return schema.nullValue;
  return void node.report("must not be empty");
}
