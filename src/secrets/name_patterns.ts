/** Finds the pattern that a name matches. */
export type NameMatcher = (name: string) => string | undefined;

/**
 * Makes a matcher of patterns in which `*` stands for any text, also for none.
 *
 * @param patterns Patterns; case does not matter.
 * @returns Finds the first pattern that a whole name matches.
 */
export function nameMatcher(patterns: readonly string[]): NameMatcher {
  const rules = patterns.map((pattern) => ({
    pattern,
    rule: new RegExp(
      `^${pattern.split("*").map(RegExp.escape).join(".*")}$`,
      "is",
    ),
  }));
  return (name) => rules.find(({ rule }) => rule.test(name))?.pattern;
}
