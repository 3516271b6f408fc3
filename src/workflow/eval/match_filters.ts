import type { Filters } from "../definition/definition.ts";
import type { EventType } from "../definition/filters.ts";

/** Maximum number of patterns that a reason lists. */
const MAX_LISTED = 6;

/** Properties of an event that filters use. */
export interface MatchedEvent {
  /** Type of the event. */
  readonly type: EventType;
  /** Branch or tag; an empty one matches every pattern. */
  readonly branch: string;
  /** Changed files; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
}

/** Whether an event starts a workflow or job, and why. */
export interface FilterMatch {
  /** Whether the event, the branch and the changed files match. */
  readonly isStarted: boolean;
  /** Why, or why not. */
  readonly reason: string;
}

/**
 * Matches the filters of a workflow or job against an event.
 *
 * @param filters Events, branches and paths.
 * @returns Whether the event starts it, and the reason.
 */
export function matchFilters(
  { triggers, paths }: Filters,
  { type, branch, changedFiles }: MatchedEvent,
): FilterMatch {
  const { events = [], branches = [] } = triggers;
  if (!events.includes(type)) {
    return skip(
      events.length === 0
        ? "no events are configured"
        : `event ${type} is not one of ${listed(events)}`,
    );
  }
  const kind = type === "tag_created" ? "tag" : "branch";
  if (branches.length > 0 && branch !== "" && !anyGlob(branches)(branch)) {
    return skip(`${kind} "${branch}" does not match ${listed(branches)}`);
  }
  const [isMatch, pathReason] = matchPaths(paths, changedFiles);
  if (!isMatch) return skip(pathReason);
  return {
    isStarted: true,
    reason: [
      `event ${type}`,
      ...branch === "" ? [] : [`${kind} "${branch}"`],
      ...pathReason === "" ? [] : [pathReason],
    ].join(", "),
  };
}

function skip(reason: string): FilterMatch {
  return { isStarted: false, reason };
}

function matchPaths(
  { include = [], exclude = [] }: Filters["paths"],
  files: readonly string[] | undefined,
): [isMatch: boolean, reason: string] {
  if (include.length === 0 && exclude.length === 0) return [true, ""];
  // Running too many jobs is better than skipping one that should run.
  if (files === undefined) {
    return [true, "paths are ignored because the changed files are unknown"];
  }
  if (files.length === 0) return [false, "no files have changed"];
  const patterns = include.length === 0 ? ["**"] : include;
  const [isIncluded, isExcluded] = [anyGlob(patterns), anyGlob(exclude)];
  const match = files.find((file) => isIncluded(file) && !isExcluded(file));
  if (match !== undefined) return [true, `"${match}" has changed`];
  const count = files.length === 1
    ? "the 1 changed file does not match"
    : `none of ${files.length} changed files matches`;
  const excluded = exclude.length === 0 ? "" : ` (without ${listed(exclude)})`;
  return [false, `${count} ${listed(patterns)}${excluded}`];
}

function anyGlob(patterns: readonly string[]): (text: string) => boolean {
  const globs = patterns.map(eventGlob);
  return (text) => globs.some((matches) => matches(text));
}

function listed(texts: readonly string[]): string {
  const hiddenCount = texts.length - MAX_LISTED;
  return texts.slice(0, MAX_LISTED).join(", ") +
    (hiddenCount > 0 ? ` and ${hiddenCount} more` : "");
}

/** Part of a pattern: any number of items, or a predicate for one item. */
type Part = "any" | ((item: string) => boolean);

/**
 * Compiles a pattern for branches or paths.
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
    segment === "**" ? "any" : segmentGlob(segment)
  );
  return (text) => matchParts(parts, text.split("/"));
}

/** Compiles the pattern of one segment, in which wildcards match characters. */
function segmentGlob(pattern: string): (segment: string) => boolean {
  const parts = characterParts([...pattern]);
  return (segment) => matchParts(parts, [...segment]);
}

/**
 * After a mismatch, the last "any" matches one more item; backtracking further
 * cannot help.
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

/**
 * A closing bracket directly after the first one, or after its `!`, is a
 * member.
 */
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
