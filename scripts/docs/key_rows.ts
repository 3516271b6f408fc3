import type { JsonSchema } from "../../src/schema/combinators.ts";
import { code, plain } from "./markdown.ts";
import { valueText } from "./value_text.ts";

/** Cells of a row of a table. */
export type Row = readonly string[];

/** Heading of the tables of keys. */
export const HEADING: Row = ["Key", "Value", "Default", "Meaning"];

/**
 * Creates the row of a key.
 *
 * @param name Name of the key.
 * @param schema Schema of its value.
 */
export function keyRow(name: string, schema: JsonSchema): Row {
  const { description, default: value } = schema;
  const text = value === undefined ? undefined : String(value);
  return [
    code(name),
    valueText(schema),
    code(text),
    firstSentence(description),
  ];
}

function firstSentence(description: unknown): string {
  return plain(String(description).replace(/\.$/, ""))
    .replace(/^Same as ([\w\\]+)\. .*$/s, "Same as `$1`")
    .replaceAll("`depends\\_on`", "`depends_on`");
}
