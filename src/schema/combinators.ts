import { didYouMean, suggestName } from "../suggest.ts";
import type { DocumentNode } from "./document.ts";

/** Draft of all schemas: the latest one that most editors support. */
export const JSON_SCHEMA_DRAFT = "http://json-schema.org/draft-07/schema#";

/** A JSON Schema of draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Defines the valid values both as a JSON Schema for editors and as a parser.
 * They are defined together so that they agree.
 */
export interface Schema<T> {
  /**
   * Describes the valid values for editors, where a number or a boolean can
   * also be written as a string.
   */
  jsonSchema(): JsonSchema;
  /** Value of a key that is empty, if that is valid. */
  readonly nullValue?: T;
  /**
   * Parses a value, and reports its problems.
   *
   * @param node Value that is not null.
   * @returns The parsed value; meaningless if a problem was reported.
   */
  parse(node: DocumentNode): T | undefined;
}

/** Schemas by type of the value. */
export interface Shapes<T> {
  /** Schema of a string, number or boolean. */
  readonly scalar?: Schema<T>;
  /** Schema of a list. */
  readonly list?: Schema<T>;
  /** Schema of a mapping. */
  readonly mapping?: Schema<T>;
}

/**
 * Creates a schema that depends on the type of the value.
 *
 * @param expected Allowed values, phrased to follow "must".
 */
export function byShape<T>(expected: string, shapes: Shapes<T>): Schema<T> {
  return {
    jsonSchema: () => ({
      anyOf: Object.values(shapes).map((schema: Schema<T>) =>
        schema.jsonSchema()
      ),
    }),
    parse(node) {
      const schema = node.text !== undefined
        ? shapes.scalar
        : node.items
        ? shapes.list
        : shapes.mapping;
      return schema ? schema.parse(node) : void node.report(`must ${expected}`);
    },
  };
}

/**
 * Creates a schema that converts the parsed value.
 *
 * @param convert Converts the parsed value; may report problems.
 */
export function mapped<T, U>(
  schema: Schema<T>,
  convert: (value: T, node: DocumentNode) => U | undefined,
): Schema<U> {
  return {
    jsonSchema: schema.jsonSchema,
    parse(node) {
      const value = schema.parse(node);
      return value === undefined ? undefined : convert(value, node);
    },
  };
}

/** Schema of values that only other programs read. */
export const anything: Schema<unknown> = {
  jsonSchema: () => ({}),
  parse: () => undefined,
};

/** A key of a mapping. */
export interface Key<T> {
  /** Name in the file. */
  readonly key: string;
  /** Alternative name. */
  readonly alias?: string;
  /** Description for editors. */
  readonly description: string;
  readonly schema: Schema<T>;
  /** Default for editors. */
  readonly defaultValue?: unknown;
  /** Whether the key is required. */
  readonly isRequired?: boolean;
}

/** Keys of a mapping, by the property that each one sets. */
export type Keys<T> = {
  readonly [Property in keyof T]-?: Key<Exclude<T[Property], undefined>>;
};

/** Options for {@linkcode mapping}. */
export interface MappingOptions {
  /**
   * Whether an unknown key is only a warning, for files that other programs
   * read as well. The JSON Schema always rejects it.
   *
   * @default {false}
   */
  ignoresUnknown?: boolean;
  /**
   * Keys that make a file invalid, and why, phrased to follow the key.
   *
   * @default {none}
   */
  refused?: Readonly<Record<string, string>>;
  /**
   * Whether a key without a value is a problem, because its absence means
   * something else.
   *
   * @default {false}
   */
  needsValues?: boolean;
}

/**
 * Creates the schema of a mapping that allows only the given keys.
 *
 * @param title Description of the mapping for editors.
 */
export function mapping<T extends object>(
  title: string,
  keys: Keys<T>,
  options: MappingOptions = {},
): Schema<T> {
  const { ignoresUnknown = false, refused = {}, needsValues = false } = options;
  const all = Object.entries(keys) as [string, Key<unknown>][];
  const byName = new Map<string, [string, Key<unknown>]>();
  for (const entry of all) {
    for (const name of keyNames(entry[1])) byName.set(name, entry);
  }
  return {
    jsonSchema: () => mappingSchema(title, all.map(([, key]) => key)),
    parse(node) {
      const { entries } = node;
      if (entries === undefined) return reportNoMapping(node);
      const result: Record<string, unknown> = {};
      const setBy = new Map<string, string>();
      for (const [name, value] of entries) {
        const [property, key] = byName.get(name) ?? [];
        if (key === undefined || property === undefined) {
          if (Object.hasOwn(refused, name)) value.report(refused[name]);
          else reportUnknown(value, byName.keys(), ignoresUnknown);
        } else if (!value.isNull) {
          const other = setBy.get(property);
          if (other) {
            value.report(`is another name for ${other}: use only one`);
          }
          setBy.set(property, name);
          result[property] = key.schema.parse(value);
        } else if ("nullValue" in key.schema) {
          result[property] = key.schema.nullValue;
        } else if (needsValues) value.report("must not be empty");
      }
      for (const [property, { key, isRequired }] of all) {
        if (isRequired && !setBy.has(property)) {
          node.report(`needs the key "${key}"`);
        }
      }
      return result as T;
    },
  };
}

/**
 * Keys that are ignored everywhere, such as those of templates that aliases
 * refer to.
 */
export const EXTENSION = /^x-/;

/** Reports that a value has no keys; for the whole file, says what it must be. */
export function reportNoMapping(node: DocumentNode): undefined {
  if (node.key !== undefined) {
    return void node.report("must be a mapping of keys");
  }
  return void node.report(
    node.isNull
      ? 'the file is empty; it must contain keys ("KEY: VALUE")'
      : 'the file must contain keys ("KEY: VALUE")',
  );
}

/**
 * Reports an unknown key, unless it is an {@linkcode EXTENSION}.
 *
 * @param node Value of the key.
 * @param known Allowed keys.
 * @param isWarning Whether the file is still valid.
 */
export function reportUnknown(
  node: DocumentNode,
  known: Iterable<string>,
  isWarning: boolean = false,
): void {
  if (EXTENSION.test(String(node.key))) return;
  const message = () => {
    const near = suggestName(String(node.key), known);
    return `unknown key "${node.label}"` +
      didYouMean(near && node.prefix + near);
  };
  if (isWarning) node.warn(message);
  else node.explain(message);
}

/** Creates the JSON Schema of the value of a key, which may be empty. */
export function keySchema(key: Omit<Key<unknown>, "key">): JsonSchema {
  const { description, schema, defaultValue, isRequired } = key;
  return {
    description,
    ...defaultValue === undefined ? {} : { default: defaultValue },
    ...isRequired ? schema.jsonSchema() : orNull(schema.jsonSchema()),
  };
}

/** Creates the JSON Schema of objects that have a non-empty value for a key. */
export function requiresKey(key: string): JsonSchema {
  return {
    type: "object",
    required: [key],
    properties: { [key]: { not: { type: "null" } } },
  };
}

function mappingSchema(
  title: string,
  keys: readonly Key<unknown>[],
): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const key of keys) {
    properties[key.key] = keySchema(key);
    if (key.alias === undefined) continue;
    const description = `Same as ${key.key}. ${key.description}`;
    properties[key.alias] = keySchema({ ...key, description });
  }
  const both = keys.flatMap(({ key, alias }) =>
    alias === undefined
      ? []
      : [{ not: { allOf: [requiresKey(key), requiresKey(alias)] } }]
  );
  const required = keys.filter((key) => key.isRequired).map(({ key }) => key);
  return {
    title,
    type: "object",
    properties,
    patternProperties: { [EXTENSION.source]: {} },
    additionalProperties: false,
    ...required.length > 0 ? { required } : {},
    ...both.length > 0 ? { allOf: both } : {},
  };
}

function keyNames({ key, alias }: Key<unknown>): string[] {
  return alias === undefined ? [key] : [key, alias];
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type, anyOf, enum: values } = schema;
  if (type) return { ...schema, type: [type, "null"].flat() };
  if (Array.isArray(values)) return { ...schema, enum: [...values, null] };
  if (Array.isArray(anyOf)) {
    return { ...schema, anyOf: [...anyOf, { type: "null" }] };
  }
  // Other schemas are empty or a reference, which allows no siblings.
  return "$ref" in schema ? { anyOf: [schema, { type: "null" }] } : schema;
}
