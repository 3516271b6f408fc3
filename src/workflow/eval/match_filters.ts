import { anyGlob } from "../../schema/globs.ts";
import type { EventType } from "../../schema/when.ts";
import { listed } from "../../suggest.ts";
import type { Filters } from "../definition/definition.ts";

/** Properties of an event that filters use. */
export interface MatchedEvent {
  /** Type of the event. */
  readonly type: EventType;
  /** Branch or tag; if it is empty, branches are not checked. */
  readonly branch: string;
  /** Changed files; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
}

/** Whether an event starts a workflow or job, and why. */
export interface FilterMatch {
  /** Whether the event, the branch and the changed files match. */
  readonly isStarted: boolean;
  /** Reason for the decision. */
  readonly reason: string;
}

/**
 * Matches the filters of a workflow or job against an event.
 *
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
  // It is safer to run too many jobs than to skip one that should run.
  if (files === undefined) {
    return [true, "paths are ignored because the changed files are unknown"];
  }
  if (files.length === 0) return [false, "no files have changed"];
  const patterns = include.length === 0 ? ["**"] : include;
  const [isIncluded, isExcluded] = [anyGlob(patterns), anyGlob(exclude)];
  const match = files.find((file) => isIncluded(file) && !isExcluded(file));
  if (match !== undefined) return [true, `"${match}" has changed`];
  const count = files.length === 1
    ? "the only changed file does not match"
    : `none of ${files.length} changed files matches`;
  const excluded = exclude.length === 0 ? "" : ` (without ${listed(exclude)})`;
  return [false, `${count} ${listed(patterns)}${excluded}`];
}
