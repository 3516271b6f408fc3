/**
 * Makes a table.
 *
 * @param heading Cells of its first row.
 * @param rows The other rows.
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
 * Marks a text as code.
 *
 * @param text Text; nothing gives nothing.
 * @returns Markdown.
 */
export function code(text: string | undefined): string {
  return text ? `\`${text}\`` : "";
}

/**
 * Keeps what could be taken for markup as it is written.
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
