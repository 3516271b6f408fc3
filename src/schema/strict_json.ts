/**
 * Schemas for JSON documents. Unlike in YAML, a number is not a string.
 *
 * @module
 */

import { kindOf, textProblem } from "./copy_json.ts";
import type { JsonValue } from "../json_value.ts";
import type { TextRule } from "./scalars.ts";
import type { Schema } from "./combinators.ts";

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
    typeof node.value === "boolean"
      ? node.value
      : void node.report(`must be true or false, not ${kindOf(node.value)}`),
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
  const quoted = words.map((word) => `"${word}"`);
  const listed = [quoted.slice(0, -1).join(", "), ...quoted.slice(-1)]
    .filter((part) => part !== "").join(" or ");
  return {
    jsonSchema: () => ({ enum: all }),
    parse: (node) =>
      all.find((word) => word === node.value) ??
        // The value may be secret.
        void node.report(`must be ${listed}`),
  };
}

/** Schema of a list of any values. */
export const jsonArray: Schema<readonly JsonValue[]> = {
  jsonSchema: () => ({ type: "array" }),
  parse: (node) =>
    Array.isArray(node.value)
      ? node.value
      : void node.report(`must be a list, not ${kindOf(node.value)}`),
};

/** Schema of an object with any keys. */
export const jsonObject: Schema<{ readonly [key: string]: JsonValue }> = {
  jsonSchema: () => ({ type: "object" }),
  parse: (node) =>
    node.entries === undefined
      ? void node.report(`must be an object, not ${kindOf(node.value)}`)
      : node.value as { readonly [key: string]: JsonValue },
};

/** Checks whether a text is longer than a number of bytes in UTF-8. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes at most 3 bytes in UTF-8.
  return text.length * 3 > maxBytes &&
    new TextEncoder().encode(text).length > maxBytes;
}
