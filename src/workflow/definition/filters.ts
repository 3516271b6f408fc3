import { RunnerError } from "../../errors.ts";
import { listOrOne } from "../../schema/collections.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { FILLED_TEXT, text } from "../../schema/scalars.ts";
import { mapping, type Schema } from "../../schema/schema.ts";
import { suggest } from "../../suggest.ts";

/** Types of events in a repository; the coordinator sends no others. */
export const EVENT_TYPES = [
  "push",
  "pull_request_opened",
  "pull_request_updated",
  "pull_request_merged",
  "pull_request_closed",
  "tag_created",
] as const;

/** Kind of an event in a repository. */
export type EventType = (typeof EVENT_TYPES)[number];

/**
 * Parses the type of an event.
 *
 * @param text Text from an option or a variable.
 * @throws {RunnerError} `invalid-config` for any other text.
 */
export function parseEventType(text: string): EventType {
  const type = EVENT_TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  throw new RunnerError(
    `Cannot use event ${JSON.stringify(text)}: it must be one of ${
      EVENT_TYPES.join(", ")
    }`,
    { code: "invalid-config" },
  );
}

/** For which events something is started. */
export interface TriggerFilter {
  /** Events; none without them. */
  readonly events?: readonly EventType[];
  /** Patterns of branches; all without them. */
  readonly branches?: readonly string[];
}

/** For changes of which files something is started. */
export interface PathFilter {
  /** Patterns of files, one of which must have changed; any without them. */
  readonly include?: readonly string[];
  /** Patterns of files that do not count. */
  readonly exclude?: readonly string[];
}

/** Schema of a list of texts, or of one text in its place. */
export const texts: Schema<readonly string[]> = listOrOne(
  "be a text or a list of texts",
  text({ rule: FILLED_TEXT }),
);

const eventTexts = listOrOne(
  "be the name of an event or a list of names",
  text(),
);

/**
 * Schema of the names of events: a list, or one text. A name that no event has is
 * ignored with a warning, as it never starts anything.
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
    return `${node.label} is not an event, and starts nothing` +
      (near === undefined ? "" : `; did you mean "${near}"?`);
  });
  return [];
}

/** Schema of what says for which events something is started. */
export const triggerFilter: Schema<TriggerFilter> = mapping<TriggerFilter>(
  "Events",
  {
    events: {
      key: "events",
      schema: events,
      description: "Events that start it; without any, none does.",
    },
    branches: {
      key: "branches",
      schema: texts,
      description: "Patterns of branches, or of tags; all unless given.",
    },
  },
  { ignoresUnknown: true },
);

/** Schema of what says for changes of which files something is started. */
export const pathFilter: Schema<PathFilter> = mapping<PathFilter>("Paths", {
  include: {
    key: "include",
    schema: texts,
    description: "Patterns of files, one of which must have changed.",
  },
  exclude: {
    key: "exclude",
    schema: texts,
    description: "Patterns of files whose changes do not count.",
  },
}, { ignoresUnknown: true });
