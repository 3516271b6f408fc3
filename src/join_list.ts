/**
 * Joins values into one text for a program that splits it again.
 *
 * A value was validated as one value. If the receiver would read it as two, or
 * as none, it would get something that was never validated.
 *
 * @param values Values.
 * @param separator What the receiver splits at.
 * @param receiver What reads the list, for the message.
 * @returns The list.
 * @throws {TypeError} If a value is empty, or contains the separator or a
 * character that ends the text.
 */
export function joinList(
  values: readonly string[],
  separator: string,
  receiver: string,
): string {
  for (const value of values) {
    const problem = value === ""
      ? "it is empty"
      : value.includes(separator)
      ? `it contains "${separator}"`
      : value.includes("\0")
      ? "it contains a NUL character"
      : undefined;
    if (problem === undefined) continue;
    throw new TypeError(
      `Cannot pass ${JSON.stringify(value)} to ${receiver}: ${problem}`,
    );
  }
  return values.join(separator);
}
