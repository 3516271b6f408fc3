import type { Filters } from "../definition/definition.ts";
import type { EventType } from "../definition/filters.ts";
import { eventGlob } from "./event_glob.ts";

/** Maximum number of patterns that a reason lists. */
const MAX_LISTED = 6;

/** The event, as filters see it. */
export interface MatchedEvent {
  /** Kind of the event. */
  readonly type: EventType;
  /** Branch or tag; every pattern matches an empty one. */
  readonly branch: string;
  /** Files that have changed; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
}

/** Whether an event starts something, and why. */
export interface FilterMatch {
  /** Whether event, branch and changed files all match. */
  readonly isStarted: boolean;
  /** Why, or why not. */
  readonly reason: string;
}

/**
 * Compares the filters of a workflow or job with an event.
 *
 * @param filters Events, branches and paths.
 * @param event The event.
 * @returns Whether the event starts it, and the reason in words.
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
  // To run too much is better than to leave out what should have run.
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
