import { suggest } from "../../suggest.ts";
import type { JsonSchema, Kind } from "./kind.ts";
import type { DocumentNode } from "./node.ts";

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
