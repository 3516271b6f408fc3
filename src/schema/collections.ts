import type { DocumentNode } from "./document.ts";
import { text } from "./scalars.ts";
import { byShape, type Kind } from "./schema.ts";

const anyText = text();

/** Kind of a value whose nothing is the word `null`, as the coordinator has it. */
export const item: Kind<string> = {
  schema: () => ({
    ...anyText.schema(),
    type: ["string", "number", "boolean", "null"],
  }),
  nothing: "null",
  read: anyText.read,
};

/** Kind of a variable's value; to say nothing is to say an empty text. */
const variable: Kind<string> = { ...item, nothing: "" };

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
 * Makes the kind of a list.
 *
 * @param member Kind of its members.
 * @param options Additional options.
 * @returns The kind.
 */
export function list<T>(
  member: Kind<T>,
  options: ListOptions = {},
): Kind<readonly T[]> {
  const { minimum = 0 } = options;
  return {
    schema: () => ({
      type: "array",
      items: member.schema(),
      ...minimum > 0 ? { minItems: minimum } : {},
    }),
    read(node) {
      const { items } = node;
      if (items === undefined) return void node.report("must be a list");
      if (items.length < minimum) node.report("must not be empty");
      return items.flatMap((one) => readMember(member, one) ?? []);
    },
  };
}

/**
 * Makes the kind of a list in whose place a single member may stand.
 *
 * @param expected What is expected, worded to follow "must".
 * @param member Kind of its members.
 * @param options Additional options.
 * @returns The kind.
 */
export function listOrOne<T>(
  expected: string,
  member: Kind<T>,
  options: ListOptions = {},
): Kind<readonly T[]> {
  return byShape<readonly T[]>(expected, {
    scalar: {
      schema: member.schema,
      read(node) {
        const value = member.read(node);
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
 * Makes the kind of a mapping whose keys are names.
 *
 * @param member Kind of its values.
 * @param expected What is expected, worded to follow "must".
 * @param options Additional options.
 * @returns The kind.
 */
export function record<T>(
  member: Kind<T>,
  expected: string,
  options: RecordOptions,
): Kind<Readonly<Record<string, T>>> {
  const { keys, minimum = 0 } = options;
  return {
    schema: () => ({
      type: "object",
      propertyNames: { pattern: keys.pattern.source },
      additionalProperties: member.schema(),
      ...minimum > 0 ? { minProperties: minimum } : {},
    }),
    read(node) {
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

/** Kind of variables by their names. */
export const variables: Kind<Readonly<Record<string, string>>> = {
  ...record(variable, "map names to values", {
    keys: { pattern: VARIABLE, words: 'a name without "="' },
  }),
  nothing: {},
};

function readMember<T>(kind: Kind<T>, node: DocumentNode): T | undefined {
  if (!node.isNothing) return kind.read(node);
  if ("nothing" in kind) return kind.nothing;
  return void node.report("must not be empty");
}
