import { segmentPattern } from "./segment_pattern.ts";

/** Part of a pattern: any number of segments, or a test for one. */
type Part = "**" | ((segment: string) => boolean);

/**
 * Makes a test out of a pattern of branches or paths.
 *
 * Pattern and text are split at slashes. A segment `**` stands for any number
 * of segments, none included; `*`, `?`, `[abc]` and `[!abc]` stay within one.
 * Case counts, and a leading dot is like any other character.
 *
 * @param pattern Pattern.
 * @returns Tells whether the whole of a text matches.
 */
export function eventGlob(pattern: string): (text: string) => boolean {
  const parts = pattern.split("/").map((segment): Part =>
    segment === "**" ? "**" : segmentPattern(segment)
  );
  return (text) => matches(parts, text.split("/"));
}

/** After a mismatch, the last `**` takes one segment more: no other can help. */
function matches(
  parts: readonly Part[],
  segments: readonly string[],
): boolean {
  let at = 0;
  let part = 0;
  let star = -1;
  let starAt = 0;
  while (at < segments.length) {
    const current = parts[part];
    if (current === "**") {
      star = part++;
      starAt = at;
    } else if (current?.(segments[at])) {
      part++;
      at++;
    } else if (star === -1) return false;
    else {
      part = star + 1;
      at = ++starAt;
    }
  }
  return parts.slice(part).every((rest) => rest === "**");
}
