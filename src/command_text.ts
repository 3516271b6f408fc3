/** Words that no shell takes for anything else. */
const PLAIN_WORD = /^[\w./:@%+,-][\w./:@%+,=-]*$/;

/**
 * Quotes a word for a shell.
 *
 * The splitter with which workers start a command understands the same quotes.
 *
 * @param word Any text without a NUL character.
 */
export function quoteWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Quotes a word for a shell, unless it needs no quotes.
 *
 * @param word Any text without a NUL character.
 */
export function shellWord(word: string): string {
  return PLAIN_WORD.test(word) ? word : quoteWord(word);
}

/**
 * Writes a command as a person would type it.
 *
 * @param command Text for the shell, or a program and its arguments.
 */
export function commandText(command: string | readonly string[]): string {
  return typeof command === "string"
    ? command
    : command.map(shellWord).join(" ");
}

/**
 * Writes an option of the command line with its value.
 *
 * @param name The option, with its dashes.
 * @param quote How the value is quoted.
 */
export function optionText(
  name: string,
  value: string,
  quote: (word: string) => string = shellWord,
): string {
  // A value that starts with a dash would be taken for an option.
  return `${name}${value.startsWith("-") ? "=" : " "}${quote(value)}`;
}

/**
 * Writes the command of a job that has the runner run another command, unless
 * that is one of the runner already.
 *
 * @param command Text for the shell.
 */
export function runnerCommand(command: string): string {
  return command.startsWith("runnerlib ")
    ? command
    : `runnerlib run ${optionText("--job-command", command, quoteWord)}`;
}

/**
 * Joins values into one text for a program that splits it again.
 *
 * A value was validated as one value. If the receiver would read it as two, or
 * as none, it would get something that was never validated.
 *
 * @param separator What the receiver splits at.
 * @param receiver What reads the list, for the message.
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
