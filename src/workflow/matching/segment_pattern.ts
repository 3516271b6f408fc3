/** Part of a pattern: any text, or a test for one character. */
type Token = "any" | ((character: string) => boolean);

/**
 * Makes a test for text without slashes out of shell wildcards: `*`, `?`,
 * `[abc]` and `[!abc]`.
 *
 * It takes time in proportion to the lengths of pattern and text at most,
 * multiplied: no pattern makes it run away.
 *
 * @param pattern Pattern.
 * @returns Tells whether the whole of a text matches.
 */
export function segmentPattern(pattern: string): (text: string) => boolean {
  const tokens = tokensOf([...pattern]);
  return (text) => matches(tokens, [...text]);
}

/** After a mismatch, the last `*` takes one character more: no other can help. */
function matches(
  tokens: readonly Token[],
  characters: readonly string[],
): boolean {
  let at = 0;
  let token = 0;
  let star = -1;
  let starAt = 0;
  while (at < characters.length) {
    const current = tokens[token];
    if (current === "any") {
      star = token++;
      starAt = at;
    } else if (current?.(characters[at])) {
      token++;
      at++;
    } else if (star === -1) return false;
    else {
      token = star + 1;
      at = ++starAt;
    }
  }
  return tokens.slice(token).every((rest) => rest === "any");
}

function tokensOf(pattern: readonly string[]): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "*") tokens.push("any");
    else if (character === "?") tokens.push(() => true);
    else {
      const end = character === "[" ? endOfClass(pattern, at) : -1;
      if (end === -1) tokens.push((it) => it === character);
      else {
        tokens.push(classOf(pattern.slice(at + 1, end)));
        at = end;
      }
    }
  }
  return tokens;
}

/** A bracket right behind the first one, or behind its `!`, stands for itself. */
function endOfClass(pattern: readonly string[], start: number): number {
  const first = pattern[start + 1] === "!" ? start + 2 : start + 1;
  return pattern.indexOf("]", first + 1);
}

function classOf(inner: readonly string[]): (character: string) => boolean {
  const isNegated = inner[0] === "!";
  const members = isNegated ? inner.slice(1) : inner;
  const ranges: [from: string, to: string][] = [];
  for (let at = 0; at < members.length; at++) {
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    ranges.push([members[at], members[isRange ? at + 2 : at]]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = character.codePointAt(0)!;
    const isIn = ranges.some(([from, to]) =>
      from.codePointAt(0)! <= code && code <= to.codePointAt(0)!
    );
    return isIn !== isNegated;
  };
}
