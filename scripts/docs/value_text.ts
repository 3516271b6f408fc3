import type { JsonSchema } from "../../src/schema/combinators.ts";

/** Describes in Markdown which values a schema of a file accepts. */
export function valueText(schema: JsonSchema): string {
  const { enum: words, anyOf, type, items, properties } = schema;
  if (Array.isArray(words)) return wordsText(words);
  if (Array.isArray(anyOf)) {
    // A pattern in addition to words only allows other spellings of them.
    const hasWords = anyOf.some((one: JsonSchema) => Array.isArray(one.enum));
    const texts = anyOf
      .filter((one: JsonSchema) => !(hasWords && "pattern" in one))
      .map((one: JsonSchema) => valueText(one));
    return [...new Set(texts.filter((text) => text !== ""))].join(" or ");
  }
  if ("$ref" in schema) return "list of steps, or names to steps";
  const types = [type].flat();
  if (types.includes("array")) {
    if (items === undefined) return "list of any values";
    return `list of ${plural(valueText(firstOf(items)))}`;
  }
  if (types.includes("object")) {
    return properties === undefined ? namesText(schema) : "mapping";
  }
  if (types.includes("integer")) return rangeText("whole number", schema);
  if (types.includes("number") && !types.includes("boolean")) {
    return String(schema.pattern).includes("ms|s")
      ? "duration"
      : rangeText("number", schema);
  }
  return types.includes("string") ? "string" : "";
}

/** Removes older spellings, and words that mean an empty value. */
function wordsText(words: readonly unknown[]): string {
  if (words.includes(true)) return "`true` or `false`";
  return words
    .filter((word) => typeof word === "string" && /^[\w-]+$/.test(word))
    .map((word) => `\`${word}\``)
    .join(", ");
}

function namesText({ additionalProperties }: JsonSchema): string {
  if (additionalProperties === undefined) return "names to any values";
  const value = valueText(additionalProperties as JsonSchema);
  return `names to ${plural(value)}`;
}

function rangeText(kind: string, { minimum, maximum }: JsonSchema): string {
  return `${kind}, ${minimum} to ${maximum}`;
}

function plural(text: string): string {
  return text.split(" or ")
    .map((part) => part.replace(/^(string|mapping|list|whole number)\b/, "$1s"))
    .join(" or ");
}

function firstOf(items: unknown): JsonSchema {
  return (Array.isArray(items) ? items[0] : items) as JsonSchema;
}
