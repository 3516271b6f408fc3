import type { Filters } from "../definition/definition.ts";
import type { EventType } from "../definition/filters.ts";
import { eventGlob } from "./event_glob.ts";

/** What happened, as far as it decides what is started. */
export interface MatchedEvent {
  /** Kind of the event. */
  readonly type: EventType;
  /** Branch, or tag; empty if there is none, which every pattern lets pass. */
  readonly branch: string;
  /** Files that have changed; `undefined` if nobody knows. */
  readonly changedFiles: readonly string[] | undefined;
}

/**
 * Tells whether something is started by an event.
 *
 * @param filters When it is started.
 * @param event The event.
 * @returns Whether event, branch and changed files all fit.
 */
export function matchFilters(
  { triggers, paths }: Filters,
  event: MatchedEvent,
): boolean {
  const { events = [], branches = [] } = triggers;
  if (!events.includes(event.type)) return false;
  if (branches.length > 0 && event.branch !== "") {
    if (!branches.some((it) => eventGlob(it)(event.branch))) return false;
  }
  return matchPaths(paths, event.changedFiles);
}

function matchPaths(
  { include = [], exclude = [] }: Filters["paths"],
  files: readonly string[] | undefined,
): boolean {
  if (include.length === 0 && exclude.length === 0) return true;
  // To run too much is better than to leave out what should have run.
  if (files === undefined) return true;
  const included = include.map(eventGlob);
  const excluded = exclude.map(eventGlob);
  return files.some((file) =>
    (included.length === 0 || included.some((fits) => fits(file))) &&
    !excluded.some((fits) => fits(file))
  );
}
