/** Words that need no quotes in any shell. */
const PLAIN_WORD = /^[\w./:@%+,-][\w./:@%+,=-]*$/;

/**
 * Quotes a word for a shell.
 *
 * Workers, which split commands themselves, understand the same quotes.
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
 * Formats a command as a person would type it.
 *
 * @param command Shell command, or a program and its arguments.
 */
export function commandText(command: string | readonly string[]): string {
  return typeof command === "string"
    ? command
    : command.map(shellWord).join(" ");
}

/**
 * Formats an option and its value for a command line.
 *
 * @param name The option, including dashes.
 * @param quote Quotes the value.
 */
export function optionText(
  name: string,
  value: string,
  quote: (word: string) => string = shellWord,
): string {
  // A value that starts with a dash would be parsed as an option.
  return `${name}${value.startsWith("-") ? "=" : " "}${quote(value)}`;
}

/**
 * Wraps a command so that the runner runs it, unless it is a command of the
 * runner already.
 *
 * @param command Shell command.
 */
export function runnerCommand(command: string): string {
  return command.startsWith("runnerlib ")
    ? command
    : `runnerlib run ${optionText("--job-command", command, quoteWord)}`;
}

/**
 * Joins values into a list for a program that splits it again.
 *
 * Each value was validated as one value. If the receiver split it into several,
 * or dropped it, it would use values that were never validated.
 *
 * @param separator Separator of the list.
 * @param receiver Program that reads the list, for the message.
 * @throws {TypeError} If a value is empty, or contains the separator or a NUL
 * character.
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
