import { RunnerError } from "../errors.ts";

/** Types of repository events; the coordinator sends no others. */
export const EVENT_TYPES = [
  "push",
  "pull_request_opened",
  "pull_request_updated",
  "pull_request_merged",
  "pull_request_closed",
  "tag_created",
] as const;

/** Type of a repository event. */
export type EventType = (typeof EVENT_TYPES)[number];

/**
 * Parses the type of an event.
 *
 * @param text Value of an option or a variable.
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
