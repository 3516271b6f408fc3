import type { DocumentNode } from "./document.ts";
import { suggest } from "../suggest.ts";

/** A JSON Schema of draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a value of a job file may be: how an editor judges it, and how it is
 * read. The two stand side by side so that they agree.
 */
export interface Kind<T> {
  /**
   * Describes the values that are accepted; a number or a flag stands for its
   * text. Most readers never ask for it.
   *
   * @returns Schema.
   */
  schema(): JsonSchema;
  /** Value when the file names the key and says nothing, if that means something. */
  readonly nothing?: T;
  /**
   * Reads a value and reports what is wrong with it.
   *
   * @param node The value, which is not nothing.
   * @returns What it means; of no worth if a problem was reported.
   */
  read(node: DocumentNode): T | undefined;
}

/** Kinds of a value by its shape. */
export interface Shapes<T> {
  /** For a text, a number or a flag. */
  readonly scalar?: Kind<T>;
  /** For a list. */
  readonly list?: Kind<T>;
  /** For a mapping. */
  readonly mapping?: Kind<T>;
}

/**
 * Makes a kind of values that are of another kind for each shape.
 *
 * @param expected What is expected, worded to follow "must".
 * @param shapes Kinds.
 * @returns The kind.
 */
export function byShape<T>(expected: string, shapes: Shapes<T>): Kind<T> {
  return {
    schema: () => ({
      anyOf: Object.values(shapes).map((kind: Kind<T>) => kind.schema()),
    }),
    read(node) {
      const kind = node.text !== undefined
        ? shapes.scalar
        : node.items
        ? shapes.list
        : shapes.mapping;
      return kind ? kind.read(node) : void node.report(`must ${expected}`);
    },
  };
}

/**
 * Makes a kind that means something else than what is written.
 *
 * @param kind Kind of what is written.
 * @param convert Tells what a value means; may report problems.
 * @returns The kind.
 */
export function mapped<T, U>(
  kind: Kind<T>,
  convert: (value: T, node: DocumentNode) => U | undefined,
): Kind<U> {
  return {
    schema: kind.schema,
    read(node) {
      const value = kind.read(node);
      return value === undefined ? undefined : convert(value, node);
    },
  };
}

/** Kind of what somebody else reads. */
export const anything: Kind<unknown> = {
  schema: () => ({}),
  read: () => undefined,
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
  readonly kind: Kind<T>;
  /** Value when nobody says anything, for an editor. */
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
 * Makes the kind of a mapping that has no other keys than the given ones.
 *
 * @param title What the mapping describes, for an editor.
 * @param keys Keys.
 * @param options Additional options.
 * @returns The kind.
 */
export function mapping<T extends object>(
  title: string,
  keys: Keys<T>,
  options: MappingOptions = {},
): Kind<T> {
  const { ignoresUnknown = false, refused = {} } = options;
  const all = Object.entries(keys) as [string, Key<unknown>][];
  const byName = new Map<string, [string, Key<unknown>]>();
  for (const entry of all) {
    for (const name of namesOf(entry[1])) byName.set(name, entry);
  }
  return {
    schema: () => schemaOf(title, all.map(([, key]) => key)),
    read(node) {
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
        } else if (!value.isNothing) {
          const other = said.get(property);
          if (other) value.report(`means the same as ${other}: give one`);
          said.set(property, name);
          result[property] = key.kind.read(value);
        } else if ("nothing" in key.kind) result[property] = key.kind.nothing;
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
 * Makes the schema of the value of a key, which may be left empty.
 *
 * @param key The key.
 * @returns Schema.
 */
export function keySchema(key: Omit<Key<unknown>, "key">): JsonSchema {
  const { description, kind, defaultValue, isRequired } = key;
  return {
    description,
    ...defaultValue === undefined ? {} : { default: defaultValue },
    ...isRequired ? kind.schema() : orNull(kind.schema()),
  };
}

/**
 * Makes the schema of objects that say something for a key.
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
