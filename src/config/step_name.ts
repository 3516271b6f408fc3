/** Longest name of a step, in characters. */
export const LONGEST_STEP_NAME = 100;

/**
 * What the name of a step must match, besides its length: names stand in lists
 * that commas separate, in names of files, and on the command line.
 */
export const STEP_NAME: RegExp = /^(?![-.\s])[^/,\p{Cc}]*[^/,\s\p{Cc}]$/u;

/**
 * Tells what is wrong with the name of a step.
 *
 * @param name Name.
 * @returns The problem, worded to follow the name of the value; `undefined` if
 * there is none.
 */
export function stepNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  if ([...name].length > LONGEST_STEP_NAME) {
    return `must have at most ${LONGEST_STEP_NAME} characters`;
  }
  if (STEP_NAME.test(name)) return undefined;
  return 'must not hold "/", "," or control characters, start with "-" or ".", or have a space at either end';
}
