import { listOrOne } from "../../schema/collections.ts";
import { mapping, type Schema } from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { filledText, text } from "../../schema/scalars.ts";
import { EVENT_TYPES, type EventType } from "../../schema/when.ts";
import { didYouMean, suggest } from "../../suggest.ts";

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
          eventOf(name.trim(), one)
        )
      )
    ),
};

function eventOf(name: string, node: DocumentNode): EventType[] {
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
