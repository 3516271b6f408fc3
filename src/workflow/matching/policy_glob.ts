/**
 * Creates a test out of a pattern of a CI policy, which are other ones than
 * those of events: `**` stands for any text, `*` for any text without a slash,
 * `?` for one character that is no slash, and all else for itself.
 *
 * @param pattern Pattern.
 * @returns Whether the whole of a text matches.
 */
export function policyGlob(pattern: string): (text: string) => boolean {
  const tokens = pattern.match(/\*\*|[^]/gu) ?? [];
  return (text) => matches(tokens, [...text]);
}

/** Goes through the text with all places in the pattern that fit so far. */
function matches(
  tokens: readonly string[],
  characters: readonly string[],
): boolean {
  let fits = reach(tokens, new Array(tokens.length + 1).fill(false), [0]);
  for (const character of characters) {
    const next: number[] = [];
    tokens.forEach((token, at) => {
      if (!fits[at]) return;
      if (token === "**" || token === "*" && character !== "/") next.push(at);
      else if (token === "?" ? character !== "/" : token === character) {
        next.push(at + 1);
      }
    });
    if (next.length === 0) return false;
    fits = reach(tokens, new Array(tokens.length + 1).fill(false), next);
  }
  return fits[tokens.length];
}

/** A star may also stand for nothing. */
function reach(
  tokens: readonly string[],
  fits: boolean[],
  places: readonly number[],
): boolean[] {
  for (const place of places) {
    for (let at = place; !fits[at]; at++) {
      fits[at] = true;
      if (tokens[at] !== "*" && tokens[at] !== "**") break;
    }
  }
  return fits;
}
