import { listOrOne } from "../../schema/collections.ts";
import { mapping, type Schema } from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { anyGlob } from "../../schema/globs.ts";
import { filledText, text } from "../../schema/scalars.ts";
import { EVENT_TYPES, type EventType } from "../../schema/when.ts";
import { didYouMean, listed, suggest } from "../../suggest.ts";

/** Events that start a workflow or job. */
export interface TriggerFilter {
  /** Types of events; if empty, no event matches. */
  readonly events?: readonly EventType[];
  /** Patterns of branches; if empty, all branches match. */
  readonly branches?: readonly string[];
}

/** Files whose changes start a workflow or job. */
export interface PathFilter {
  /**
   * Patterns of files, at least one of which must have changed; if empty, all
   * files match.
   */
  readonly include?: readonly string[];
  /** Patterns of files whose changes are ignored. */
  readonly exclude?: readonly string[];
}

/** Filters that determine when a workflow or job starts. */
export interface Filters {
  /** Events that start it. */
  readonly triggers: TriggerFilter;
  /** Files whose changes start it. */
  readonly paths: PathFilter;
}

/** Schema of a list of strings, or of a single string. */
export const texts: Schema<readonly string[]> = listOrOne(
  "be a string or a list of strings",
  filledText,
);

const eventTexts = listOrOne(
  "be the name of an event or a list of names",
  text(),
);

/**
 * Schema of event types: a list or a comma-separated string. Unknown types are
 * ignored with a warning, since they never match.
 */
const events: Schema<readonly EventType[]> = {
  jsonSchema: () => {
    const names = EVENT_TYPES.join("|");
    return {
      anyOf: [
        { type: "array", items: { enum: EVENT_TYPES } },
        { type: "string", pattern: `^\\s*((${names})(\\s*,\\s*|\\s*$))*$` },
      ],
    };
  },
  parse: (node) =>
    (node.items ?? [node]).flatMap((one) =>
      (eventTexts.parse(one) ?? []).flatMap((text) =>
        (node.items ? [text] : text.split(",")).flatMap((name) =>
          parseEvent(name.trim(), one)
        )
      )
    ),
};

function parseEvent(name: string, node: DocumentNode): EventType[] {
  const event = EVENT_TYPES.find((type) => type === name);
  if (event !== undefined) return [event];
  if (name === "") return [];
  node.warn(() => {
    const near = suggest(name, EVENT_TYPES);
    return `${node.label} is not an event and never matches` +
      didYouMean(near);
  });
  return [];
}

/** Schema of a filter for events. */
export const triggerFilter: Schema<TriggerFilter> = mapping<TriggerFilter>(
  "Events",
  {
    events: {
      key: "events",
      schema: events,
      description: "Types of events that start it; none by default.",
    },
    branches: {
      key: "branches",
      schema: texts,
      description: "Patterns of branches or tags; all by default.",
    },
  },
  { ignoresUnknown: true },
);

/** Schema of a filter for changed files. */
export const pathFilter: Schema<PathFilter> = mapping<PathFilter>("Paths", {
  include: {
    key: "include",
    schema: texts,
    description: "Patterns of files, one of which must have changed.",
  },
  exclude: {
    key: "exclude",
    schema: texts,
    description: "Patterns of files whose changes are ignored.",
  },
}, { ignoresUnknown: true });

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
  const result = files.length === 1
    ? "the only changed file does not match"
    : `none of ${files.length} changed files matches`;
  const excluded = exclude.length === 0 ? "" : ` (without ${listed(exclude)})`;
  return [false, `${result} ${listed(patterns)}${excluded}`];
}
