/** Part of a pattern: any number of items, or a predicate for one item. */
type Part = "any" | ((item: string) => boolean);

/**
 * Compiles a pattern of an event filter, for branches or paths.
 *
 * Patterns and texts are split at slashes. The segment `**` matches any number
 * of segments, including none; `*`, `?`, `[abc]` and `[!abc]` match within a
 * segment. Patterns are case-sensitive, and a leading dot is not special.
 *
 * The time of a match is at most proportional to the length of the pattern
 * times the length of the text.
 *
 * @returns Function that checks whether a whole text matches.
 */
export function eventGlob(pattern: string): (text: string) => boolean {
  const parts = pattern.split("/").map((segment): Part =>
    segment === "**" ? "any" : compileSegment(segment)
  );
  return (text) => matchParts(parts, text.split("/"));
}

/** Compiles the pattern of one segment, in which wildcards match characters. */
function compileSegment(pattern: string): (segment: string) => boolean {
  const parts = parseSegment([...pattern]);
  return (segment) => matchParts(parts, [...segment]);
}

/**
 * Checks whether all items match. After a mismatch, the last "any" matches one
 * more item; backtracking further cannot help.
 */
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

function parseSegment(pattern: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "*") parts.push("any");
    else if (character === "?") parts.push(() => true);
    else {
      const end = character === "[" ? findClassEnd(pattern, at) : -1;
      if (end === -1) parts.push((other) => other === character);
      else {
        parts.push(compileClass(pattern.slice(at + 1, end)));
        at = end;
      }
    }
  }
  return parts;
}

/**
 * Finds the closing bracket of a class. One directly after the opening bracket,
 * or after its `!`, is a member of the class.
 */
function findClassEnd(pattern: readonly string[], start: number): number {
  const first = pattern[start + 1] === "!" ? start + 2 : start + 1;
  return pattern.indexOf("]", first + 1);
}

function compileClass(
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

/** Compiles patterns, one of which must match. */
export function anyGlob(
  patterns: readonly string[],
): (text: string) => boolean {
  const globs = patterns.map(eventGlob);
  return (text) => globs.some((matches) => matches(text));
}

/**
 * Compiles a pattern of a CI policy. The syntax differs from that of event
 * filters: `**` matches any text, `*` any text without a slash, `?` any
 * character except a slash, and any other character itself.
 *
 * @returns Function that checks whether a whole text matches.
 */
export function policyGlob(pattern: string): (text: string) => boolean {
  const tokens = pattern.match(/\*\*|[^]/gu) ?? [];
  return (text) => matchTokens(tokens, [...text]);
}

/**
 * Walks through the text and tracks all positions in the pattern that match so
 * far.
 */
function matchTokens(
  tokens: readonly string[],
  characters: readonly string[],
): boolean {
  let fits = expandStars(tokens, new Array(tokens.length + 1).fill(false), [0]);
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
    fits = expandStars(tokens, new Array(tokens.length + 1).fill(false), next);
  }
  return fits[tokens.length];
}

/** A star also matches the empty text. */
function expandStars(
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
