/** Finds the pattern that a name matches. */
export type NameMatcher = (name: string) => string | undefined;

/**
 * Makes a matcher of patterns in which `*` stands for any text, also for none.
 *
 * Every job looks through its whole environment, once; to compile regular
 * expressions for that would take longer than the rest of it.
 *
 * @param patterns Patterns; case does not matter.
 * @returns Finds the first pattern that a whole name matches.
 */
export function nameMatcher(patterns: readonly string[]): NameMatcher {
  const rules = patterns.map((pattern) => ({
    pattern,
    parts: pattern.toUpperCase().split("*"),
  }));
  return (name) => {
    const text = name.toUpperCase();
    return rules.find(({ parts }) => matches(text, parts))?.pattern;
  };
}

/** Tells whether a text is made of these parts with anything between them. */
function matches(text: string, parts: readonly string[]): boolean {
  if (parts.length === 1) return text === parts[0];
  const last = parts.at(-1)!;
  if (!text.startsWith(parts[0])) return false;
  let at = parts[0].length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
