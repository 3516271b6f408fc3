import { byShape, type Schema } from "./combinators.ts";
import type { DocumentNode } from "./document.ts";
import { referenceProblem } from "./reference.ts";
import { text } from "./scalars.ts";

const anyText = text();

/** Schema of a string in which references are well-formed. */
const referringText = text({ findProblem: referenceProblem });

/**
 * Schema of a string, where null becomes the string `null`, as in the
 * coordinator.
 */
export const item: Schema<string> = {
  jsonSchema: () => ({
    ...anyText.jsonSchema(),
    type: ["string", "number", "boolean", "null"],
  }),
  nullValue: "null",
  parse: anyText.parse,
};

/** Schema of a variable's value, where null becomes an empty string. */
const variable: Schema<string> = {
  ...item,
  nullValue: "",
  parse: referringText.parse,
};

/**
 * Names that a variable of a job can have. Programs pass on more than a shell
 * can read, but a line break would look like another variable in a list.
 */
export const VARIABLE_KEYS: DictionaryOptions["keys"] = {
  // deno-lint-ignore no-control-regex
  pattern: /^(?=.*\S)[^=\x00-\x1f\x7f-\x9f\u2028\u2029]+$/,
  words: 'a name without "=" or control characters',
};

/** Options for {@linkcode list}. */
export interface ListOptions {
  /**
   * Minimum number of items.
   *
   * @default {0}
   */
  minimum?: number;
}

/** Creates the schema of a list. */
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
 * Creates the schema of a list, or of a single item instead.
 *
 * @param expected Allowed values, phrased to follow "must".
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

/** Options for {@linkcode dictionary}. */
export interface DictionaryOptions {
  /** Pattern of the keys, and its description. */
  keys: { readonly pattern: RegExp; readonly words: string };
  /**
   * Minimum number of entries.
   *
   * @default {0}
   */
  minimum?: number;
}

/**
 * Creates the schema of a mapping with arbitrary keys.
 *
 * @param expected Allowed values, phrased to follow "must".
 */
export function dictionary<T>(
  member: Schema<T>,
  expected: string,
  options: DictionaryOptions,
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

/** Schema of environment variables by name. */
export const variables: Schema<Readonly<Record<string, string>>> = {
  ...dictionary(variable, "map names to values", {
    keys: VARIABLE_KEYS,
  }),
  nullValue: {},
};

function readMember<T>(schema: Schema<T>, node: DocumentNode): T | undefined {
  if (!node.isNull) return schema.parse(node);
  if ("nullValue" in schema) return schema.nullValue;
  return void node.report("must not be empty");
}
