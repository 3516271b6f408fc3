/**
 * Creates a table.
 *
 * @param heading Cells of the heading.
 * @param rows Cells of the other rows.
 * @returns Lines of Markdown.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  return [heading, heading.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map(cell).join(" | ")} |`)
    .join("\n");
}

/**
 * Formats a text as code.
 *
 * @param text Text; may be empty.
 * @returns Markdown.
 */
export function code(text: string | undefined): string {
  return text ? `\`${text}\`` : "";
}

/**
 * Escapes characters that Markdown would treat as markup.
 *
 * @param text Plain text.
 * @returns Markdown.
 */
export function plain(text: string): string {
  return text.replace(/[*_<>\[\]]/g, "\\$&");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
