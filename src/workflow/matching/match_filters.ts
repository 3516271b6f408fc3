import type { Filters } from "../definition/definition.ts";
import type { EventType } from "../definition/filters.ts";
import { eventGlob } from "./event_glob.ts";

/** What happened, as far as it decides what is started. */
export interface MatchedEvent {
  /** Kind of the event. */
  readonly type: EventType;
  /** Branch, or tag; empty if there is none, which every pattern lets pass. */
  readonly branch: string;
  /** Files that have changed; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
}

/**
 * Finds out why an event does not start something.
 *
 * @param filters When it is started.
 * @param event The event.
 * @returns The reason; `undefined` if event, branch and changed files all match.
 */
export function mismatchReason(
  { triggers, paths }: Filters,
  event: MatchedEvent,
): string | undefined {
  const { events = [], branches = [] } = triggers;
  if (!events.includes(event.type)) {
    return events.length === 0
      ? "it names no events"
      : `it runs on ${events.join(", ")}`;
  }
  if (branches.length > 0 && event.branch !== "") {
    const matches = branches.some((glob) => eventGlob(glob)(event.branch));
    if (!matches) {
      return `branch "${event.branch}" matches none of ${branches.join(", ")}`;
    }
  }
  if (matchPaths(paths, event.changedFiles)) return undefined;
  const count = event.changedFiles?.length ?? 0;
  return `none of ${count} changed file${
    count === 1 ? "" : "s"
  } matches its paths`;
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
