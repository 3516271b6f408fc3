/**
 * Removes the quoted lines of a file and their carets from a message.
 *
 * @param message Message of an error.
 * @returns Its other lines.
 */
export function withoutExcerpts(message: string): string {
  return message.replace(/\n {2,4}(\d+| *) \| .*/g, "");
}
