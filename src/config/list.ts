/**
 * Parses a list that is written as one text: items with commas between them,
 * or a JSON list of strings, whose items may hold anything.
 *
 * @param text Text.
 * @returns Items, without the white space around them and without empty ones
 * where commas divide them; `undefined` if the text begins like a JSON list
 * of strings and is not one.
 */
export function parseList(text: string): string[] | undefined {
  if (!/^\s*\[\s*"/.test(text)) return splitTrimmed(text, ",");
  try {
    const items: unknown = JSON.parse(text);
    if (Array.isArray(items) && items.every((it) => typeof it === "string")) {
      return items;
    }
  } catch {
    // The caller says what is expected.
  }
  return undefined;
}

/**
 * Writes a list as {@linkcode parseList} parses it.
 *
 * @param items Items.
 * @returns Text of one line.
 */
export function listText(items: readonly string[]): string {
  const isPlain = items.every((item) =>
    item !== "" && item === item.trim() && !/[,"\n]/.test(item)
  );
  return isPlain ? items.join(",") : JSON.stringify(items);
}

/**
 * Splits a text, and leaves out white space and empty parts.
 *
 * @param text Text.
 * @param separator What stands between the parts.
 */
export function splitTrimmed(text: string, separator: string): string[] {
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
}
