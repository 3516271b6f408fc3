/** Finds the pattern that a name matches. */
export type NameMatcher = (name: string) => string | undefined;

/**
 * Makes a matcher of patterns in which `*` stands for any text, also for none.
 *
 * @param patterns Patterns; case does not matter.
 * @returns Finds the first pattern that a whole name matches.
 */
export function nameMatcher(patterns: readonly string[]): NameMatcher {
  const sources = patterns.map((pattern) =>
    `^${pattern.split("*").map(RegExp.escape).join(".*")}$`
  );
  // Hardly a name matches, and one expression tells that.
  const any = new RegExp(sources.join("|"), "is");
  return (name) => {
    if (!any.test(name)) return undefined;
    const at = sources.findIndex((it) => new RegExp(it, "is").test(name));
    return patterns[at];
  };
}
