import type { JsonSchema } from "../../src/schema/combinators.ts";

/** Describes in Markdown which values a schema of a file accepts. */
export function valueText(schema: JsonSchema): string {
  const { enum: values, anyOf, type, items, properties } = schema;
  if (Array.isArray(values)) return formatValues(values);
  if (Array.isArray(anyOf)) {
    // A pattern in addition to words only allows other spellings of them.
    const hasValues = anyOf.some((option: JsonSchema) =>
      Array.isArray(option.enum)
    );
    const texts = anyOf
      .filter((option: JsonSchema) => !(hasValues && "pattern" in option))
      .map((option: JsonSchema) => valueText(option));
    return [...new Set(texts.filter((text) => text !== ""))].join(" or ");
  }
  if ("$ref" in schema) return "list of steps, or names to steps";
  const types = [type].flat();
  if (types.includes("array")) {
    if (items === undefined) return "list of any values";
    return `list of ${plural(valueText(firstSchema(items)))}`;
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
function formatValues(values: readonly unknown[]): string {
  if (values.includes(true)) return "`true` or `false`";
  return values
    .filter((value) => typeof value === "string" && /^[\w-]+$/.test(value))
    .map((value) => `\`${value}\``)
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

function firstSchema(items: unknown): JsonSchema {
  return (Array.isArray(items) ? items[0] : items) as JsonSchema;
}
