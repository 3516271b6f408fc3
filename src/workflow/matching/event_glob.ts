/** Part of a pattern: any number of items, or a test of one item. */
type Part = "any" | ((item: string) => boolean);

/**
 * Compiles a pattern for branches or paths.
 *
 * Pattern and text are split at slashes. A segment `**` matches any number of
 * segments, none included; `*`, `?`, `[abc]` and `[!abc]` stay within one.
 * Patterns are case-sensitive, and a leading dot is like any other character.
 *
 * Matching takes at most time in proportion to the lengths of pattern and text,
 * multiplied: no pattern makes it run away.
 *
 * @param pattern Pattern.
 * @returns Function that tells whether the whole of a text matches.
 */
export function eventGlob(pattern: string): (text: string) => boolean {
  const parts = pattern.split("/").map((segment): Part =>
    segment === "**" ? "any" : segmentGlob(segment)
  );
  return (text) => matchParts(parts, text.split("/"));
}

/** Compiles the pattern of one segment, in which wildcards match characters. */
function segmentGlob(pattern: string): (segment: string) => boolean {
  const parts = characterParts([...pattern]);
  return (segment) => matchParts(parts, [...segment]);
}

/** After a mismatch, the last "any" takes one item more: no other can help. */
function matchParts(parts: readonly Part[], items: readonly string[]): boolean {
  let at = 0;
  let part = 0;
  let star = -1;
  let starAt = 0;
  while (at < items.length) {
    const current = parts[part];
    if (current === "any") {
      star = part++;
      starAt = at;
    } else if (current?.(items[at])) {
      part++;
      at++;
    } else if (star === -1) return false;
    else {
      part = star + 1;
      at = ++starAt;
    }
  }
  return parts.slice(part).every((rest) => rest === "any");
}

function characterParts(pattern: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "*") parts.push("any");
    else if (character === "?") parts.push(() => true);
    else {
      const end = character === "[" ? endOfClass(pattern, at) : -1;
      if (end === -1) parts.push((other) => other === character);
      else {
        parts.push(characterClass(pattern.slice(at + 1, end)));
        at = end;
      }
    }
  }
  return parts;
}

/** A bracket right behind the first one, or behind its `!`, is a member. */
function endOfClass(pattern: readonly string[], start: number): number {
  const first = pattern[start + 1] === "!" ? start + 2 : start + 1;
  return pattern.indexOf("]", first + 1);
}

function characterClass(
  inner: readonly string[],
): (character: string) => boolean {
  const isNegated = inner[0] === "!";
  const members = isNegated ? inner.slice(1) : inner;
  const ranges: [from: number, to: number][] = [];
  for (let at = 0; at < members.length; at++) {
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    const to = members[isRange ? at + 2 : at];
    ranges.push([members[at].codePointAt(0)!, to.codePointAt(0)!]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = character.codePointAt(0)!;
    return ranges.some(([from, to]) => from <= code && code <= to) !==
      isNegated;
  };
}
