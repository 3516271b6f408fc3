/**
 * Copies JSON values, and checks JSON documents. Unlike in YAML, a number is not
 * a string.
 *
 * @module
 */
import { isObject, type JsonValue } from "../json_value.ts";
import { oneOf } from "../suggest.ts";
import type { Schema } from "./combinators.ts";
import { shownKey } from "./document.ts";
import type { TextRule } from "./scalars.ts";

/** Maximum number of values in one field. */
const MAX_VALUES = 250_000;

/** Maximum depth; also stops at a value that contains itself. */
const MAX_DEPTH = 100;

/**
 * Keys for which the coordinator rejects the entire document, wherever they
 * occur.
 */
export const RESERVED_KEYS: readonly string[] = [
  "org",
  "org_id",
  "organization",
];

/** Remaining limits of a copy. */
interface Budget extends CopyJsonOptions {
  remainingCount: number;
}

/** Options for {@linkcode copyJson}. */
export interface CopyJsonOptions {
  /**
   * Whether objects may have the keys that the coordinator rejects in trigger
   * documents.
   *
   * @default {false}
   */
  allowsReservedKeys?: boolean;
  /**
   * Whether a property that is `undefined` is an error, because the caller
   * meant to set it.
   *
   * @default {false}
   */
  refusesUndefined?: boolean;
}

/**
 * Copies a value of unknown origin as plain, frozen JSON data.
 *
 * No getter, `toJSON` or iterator of the value is called, and only own
 * properties count.
 *
 * @param path Path of the value, for messages.
 * @throws {TypeError} If the value is not plain JSON data.
 */
export function copyJson(
  value: unknown,
  path: string,
  options: CopyJsonOptions = {},
): JsonValue {
  return copy(value, path, 0, { ...options, remainingCount: MAX_VALUES });
}

/**
 * Lists the own, enumerable data properties of a plain object.
 *
 * @returns Keys and values.
 * @throws {TypeError} If the value is not a plain object, has a getter, or has
 * a reserved key.
 */
export function plainEntries(
  value: unknown,
  path: string,
  options: CopyJsonOptions = {},
): [key: string, value: unknown][] {
  const { allowsReservedKeys = false } = options;
  if (!isPlainObject(value)) {
    throw new TypeError(
      `${path} must be a plain object, not ${describeKind(value)}`,
    );
  }
  return Object.keys(value).map((key) => {
    if (
      key === "__proto__" || !allowsReservedKeys && RESERVED_KEYS.includes(key)
    ) {
      throw new TypeError(`${path} must not have the reserved key "${key}"`);
    }
    const problem = textProblem(key);
    if (problem !== undefined) {
      throw new TypeError(`${path} has a key that ${problem}`);
    }
    return [key, dataProperty(value, key, `${path}.${shownKey(key)}`)];
  });
}

/**
 * Checks whether a value is a string that every consumer can store.
 *
 * @returns The problem, phrased to follow the path of the value; `undefined` if
 * there is none.
 */
function textProblem(value: unknown): string | undefined {
  if (typeof value !== "string") {
    return `must be a string, not ${describeKind(value)}`;
  }
  // The database of the coordinator can store neither.
  if (value.includes("\0")) return "must not contain a NUL character";
  if (!value.isWellFormed()) return "must be well-formed Unicode";
  return undefined;
}

/**
 * Returns the kind of a value, but no part of the value, which may be secret.
 *
 * @returns The kind, with an article.
 */
export function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a string";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function copy(
  value: unknown,
  path: string,
  depth: number,
  budget: Budget,
): JsonValue {
  // Shared objects can multiply without deep nesting.
  if (--budget.remainingCount < 0) {
    throw new TypeError(`${path} exceeds ${MAX_VALUES} values`);
  }
  if (depth > MAX_DEPTH) {
    throw new TypeError(
      `${
        path.slice(0, 40)
      }… is nested deeper than ${MAX_DEPTH} levels or contains itself`,
    );
  }
  if (typeof value === "string") {
    const problem = textProblem(value);
    if (problem !== undefined) throw new TypeError(`${path} ${problem}`);
    return value;
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${path} must be a finite number`);
  }
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (value === null) return null;
  if (Array.isArray(value)) return copyList(value, path, depth, budget);
  if (typeof value !== "object") {
    throw new TypeError(`${path} must be JSON, not ${describeKind(value)}`);
  }
  const entries = plainEntries(value, path, budget)
    .filter(([, member]) => member !== undefined || budget.refusesUndefined)
    .map(([key, member]) => [
      key,
      copy(member, `${path}.${shownKey(key)}`, depth + 1, budget),
    ]);
  return Object.freeze(Object.fromEntries(entries));
}

function copyList(
  list: readonly unknown[],
  path: string,
  depth: number,
  budget: Budget,
): readonly JsonValue[] {
  const items: JsonValue[] = [];
  // A list can claim any length, but its first hole throws.
  for (let index = 0; index < list.length; index++) {
    const place = `${path}[${index}]`;
    const item = dataProperty(list, index, place);
    items.push(copy(item, place, depth + 1, budget));
  }
  return Object.freeze(items);
}

function dataProperty(
  owner: object,
  key: PropertyKey,
  path: string,
): unknown {
  const property = Object.getOwnPropertyDescriptor(owner, key);
  if (property?.get !== undefined || property?.set !== undefined) {
    throw new TypeError(`${path} must be data, not a getter`);
  }
  return property?.value;
}

/**
 * Objects from another realm have another `Object.prototype`, which has no
 * prototype either.
 */
function isPlainObject(value: unknown): value is object {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Options for {@linkcode jsonString}. */
export interface JsonStringOptions {
  /**
   * Rule of the string.
   *
   * @default {any string}
   */
  rule?: TextRule;
  /**
   * Maximum size in UTF-8, in bytes.
   *
   * @default {no limit}
   */
  maxBytes?: number;
}

/** Creates the schema of a string. */
export function jsonString(options: JsonStringOptions = {}): Schema<string> {
  const { rule, maxBytes = Infinity } = options;
  return {
    jsonSchema: () => ({
      type: "string",
      // Regular expressions in a JSON Schema have no flags.
      ...rule?.pattern.flags === "" ? { pattern: rule.pattern.source } : {},
    }),
    parse(node) {
      const problem = textProblem(node.value);
      if (problem !== undefined) return void node.report(problem);
      const text = node.value as string;
      if (rule?.pattern.test(text) === false) {
        return void node.report(`must ${rule.words}`);
      }
      if (exceedsBytes(text, maxBytes)) {
        return void node.report(`must be at most ${maxBytes} bytes`);
      }
      return text;
    },
  };
}

/** Schema of `true` and `false`. */
export const jsonBoolean: Schema<boolean> = {
  jsonSchema: () => ({ type: "boolean" }),
  parse: (node) =>
    typeof node.value === "boolean" ? node.value : void node.report(
      `must be true or false, not ${describeKind(node.value)}`,
    ),
};

/** Creates the schema of an integer. */
export function jsonInteger(minimum: number, maximum: number): Schema<number> {
  return {
    jsonSchema: () => ({ type: "integer", minimum, maximum }),
    parse(node) {
      const value = node.value as number;
      return Number.isSafeInteger(value) && value >= minimum && value <= maximum
        ? value
        : void node.report(
          `must be a whole number from ${minimum} to ${maximum}`,
        );
    },
  };
}

/**
 * Creates the schema of a string with a few allowed values.
 *
 * @param unnamed Other allowed values, which messages do not list.
 */
export function jsonChoice<T extends string>(
  words: readonly T[],
  unnamed: readonly T[] = [],
): Schema<T> {
  const all = [...words, ...unnamed];
  return {
    jsonSchema: () => ({ enum: all }),
    parse: (node) =>
      all.find((word) => word === node.value) ??
        // The value may be secret.
        void node.report(`must be ${oneOf(words)}`),
  };
}

/** Schema of a list of any values. */
export const jsonArray: Schema<readonly JsonValue[]> = {
  jsonSchema: () => ({ type: "array" }),
  parse: (node) =>
    Array.isArray(node.value)
      ? node.value
      : void node.report(`must be a list, not ${describeKind(node.value)}`),
};

/** Schema of an object with any keys. */
export const jsonObject: Schema<{ readonly [key: string]: JsonValue }> = {
  jsonSchema: () => ({ type: "object" }),
  parse: (node) =>
    node.entries === undefined
      ? void node.report(`must be an object, not ${describeKind(node.value)}`)
      : node.value as { readonly [key: string]: JsonValue },
};

/** Checks whether a text is longer than a number of bytes in UTF-8. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes at most 3 bytes in UTF-8.
  return text.length * 3 > maxBytes &&
    new TextEncoder().encode(text).length > maxBytes;
}
