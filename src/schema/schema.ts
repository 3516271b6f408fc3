import type { DocumentNode } from "./document.ts";
import { suggest } from "../suggest.ts";

/** A JSON Schema of draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Which values are valid: for editors, as a JSON Schema, and for the program,
 * which parses them. The two are defined together so that they agree.
 */
export interface Schema<T> {
  /**
   * Describes the valid values for an editor; a number or a flag is as good as its
   * text.
   *
   * @returns JSON Schema.
   */
  jsonSchema(): JsonSchema;
  /** Value of a key without a value, if that is valid. */
  readonly nullValue?: T;
  /**
   * Parses a value and reports what is wrong with it.
   *
   * @param node The value, which is not null.
   * @returns The parsed value; meaningless if a problem was reported.
   */
  parse(node: DocumentNode): T | undefined;
}

/** Schemas of a value by its shape. */
export interface Shapes<T> {
  /** For a text, a number or a flag. */
  readonly scalar?: Schema<T>;
  /** For a list. */
  readonly list?: Schema<T>;
  /** For a mapping. */
  readonly mapping?: Schema<T>;
}

/**
 * Creates the schema of values that have a different schema for each shape.
 *
 * @param expected What is expected, worded to follow "must".
 * @param shapes Schemas.
 * @returns The schema.
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
 * Creates a schema whose parsed value is converted.
 *
 * @param schema Schema of what is written.
 * @param convert Converts the parsed value; may report problems.
 * @returns The schema.
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

/** Schema of what other programs read. */
export const anything: Schema<unknown> = {
  jsonSchema: () => ({}),
  parse: () => undefined,
};

/** A key of a mapping. */
export interface Key<T> {
  /** Name in the file. */
  readonly key: string;
  /** Another name, which means the same. */
  readonly alias?: string;
  /** What the key means, for an editor. */
  readonly description: string;
  /** What its value may be. */
  readonly schema: Schema<T>;
  /** Default value, for an editor. */
  readonly defaultValue?: unknown;
  /** Whether there must be such a key. */
  readonly isRequired?: boolean;
}

/** Keys of a mapping by the property that each one becomes. */
export type Keys<T> = {
  readonly [Property in keyof T]-?: Key<Exclude<T[Property], undefined>>;
};

/** Options for {@linkcode mapping}. */
export interface MappingOptions {
  /**
   * Whether an unknown key is a warning, as in files that other programs read
   * as well. The schema has no warnings, and refuses it.
   *
   * @default {false}
   */
  ignoresUnknown?: boolean;
  /**
   * Keys that make a file invalid, with the reason, worded to follow the key.
   *
   * @default {none}
   */
  refused?: Readonly<Record<string, string>>;
}

/**
 * Creates the schema of a mapping that has no other keys than the given ones.
 *
 * @param title What the mapping describes, for an editor.
 * @returns The schema.
 */
export function mapping<T extends object>(
  title: string,
  keys: Keys<T>,
  options: MappingOptions = {},
): Schema<T> {
  const { ignoresUnknown = false, refused = {} } = options;
  const all = Object.entries(keys) as [string, Key<unknown>][];
  const byName = new Map<string, [string, Key<unknown>]>();
  for (const entry of all) {
    for (const name of namesOf(entry[1])) byName.set(name, entry);
  }
  return {
    jsonSchema: () => schemaOf(title, all.map(([, key]) => key)),
    parse(node) {
      const { entries } = node;
      if (entries === undefined) {
        return void node.report("must be a mapping of keys");
      }
      const result: Record<string, unknown> = {};
      const said = new Map<string, string>();
      for (const [name, value] of entries) {
        const [property, key] = byName.get(name) ?? [];
        if (key === undefined || property === undefined) {
          if (Object.hasOwn(refused, name)) value.report(refused[name]);
          else reportUnknown(value, byName.keys(), ignoresUnknown);
        } else if (!value.isNull) {
          const other = said.get(property);
          if (other) value.report(`means the same as ${other}: give one`);
          said.set(property, name);
          result[property] = key.schema.parse(value);
        } else if ("nullValue" in key.schema) {
          result[property] = key.schema.nullValue;
        }
      }
      for (const [property, { key, isRequired }] of all) {
        if (isRequired && !said.has(property)) {
          node.report(`needs the key "${key}"`);
        }
      }
      return result as T;
    },
  };
}

/**
 * Reports a key that is not known.
 *
 * @param node Value of the key.
 * @param known Keys that would be.
 * @param isWarning Whether the file can be used all the same.
 */
export function reportUnknown(
  node: DocumentNode,
  known: Iterable<string>,
  isWarning: boolean = false,
): void {
  const message = () => {
    const near = suggest(String(node.key), known);
    return `unknown key "${node.label}"` +
      (near === undefined ? "" : `; did you mean "${node.prefix}${near}"?`);
  };
  if (isWarning) node.warn(message);
  else node.explain(message);
}

/**
 * Creates the schema of the value of a key, which may be left empty.
 *
 * @returns Schema.
 */
export function keySchema(key: Omit<Key<unknown>, "key">): JsonSchema {
  const { description, schema, defaultValue, isRequired } = key;
  return {
    description,
    ...defaultValue === undefined ? {} : { default: defaultValue },
    ...isRequired ? schema.jsonSchema() : orNull(schema.jsonSchema()),
  };
}

/**
 * Creates the schema of objects that say something for a key.
 *
 * @param key Name of the key.
 * @returns Schema.
 */
export function saying(key: string): JsonSchema {
  return {
    type: "object",
    required: [key],
    properties: { [key]: { not: { type: "null" } } },
  };
}

function schemaOf(
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
      : [{ not: { allOf: [saying(key), saying(alias)] } }]
  );
  const required = keys.filter((key) => key.isRequired).map(({ key }) => key);
  return {
    title,
    type: "object",
    properties,
    additionalProperties: false,
    ...required.length > 0 ? { required } : {},
    ...both.length > 0 ? { allOf: both } : {},
  };
}

function namesOf({ key, alias }: Key<unknown>): string[] {
  return alias === undefined ? [key] : [key, alias];
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type, anyOf, enum: values } = schema;
  if (type) return { ...schema, type: [type, "null"].flat() };
  if (Array.isArray(values)) return { ...schema, enum: [...values, null] };
  if (Array.isArray(anyOf)) {
    return { ...schema, anyOf: [...anyOf, { type: "null" }] };
  }
  // Others hold nothing, or a reference, beside which nothing may stand.
  return "$ref" in schema ? { anyOf: [schema, { type: "null" }] } : schema;
}
