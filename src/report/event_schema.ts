import { isObject } from "../json.ts";
import type { JsonSchema } from "../schema/schema.ts";
import type { RunEvent, RunEventName } from "./run_event.ts";
import { RECORD_VERSION } from "./run_recorder.ts";

/** Maximum length of one line of a record, in UTF-16 units. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

/** What a field of an event holds. */
interface Field {
  readonly schema: JsonSchema;
  readonly isOptional?: true;
  /** Checks a value. */
  accepts(value: unknown): boolean;
  /**
   * Masks the text in a value, if the field may hold text that is not the
   * runner's own: a secret can be a word such as "success", too.
   */
  mask?(value: unknown, maskText: (text: string) => string): unknown;
}

/** Fields of an object by name. */
type Fields = Readonly<Record<string, Field>>;

/** Text that a user, a program or a system chose. */
const text: Field = {
  schema: { type: "string" },
  accepts: (value) => typeof value === "string",
  mask: (value, maskText) => maskText(value as string),
};

/** Text that the runner chose, and hexadecimal numbers. */
const word: Field = {
  schema: { type: "string" },
  accepts: (value) => typeof value === "string",
};

const number: Field = {
  schema: { type: "number" },
  accepts: (value) => typeof value === "number" && Number.isFinite(value),
};

const time: Field = {
  schema: { type: "number", minimum: 0 },
  accepts: (value) => number.accepts(value) && (value as number) >= 0,
};

const count: Field = {
  schema: { type: "integer", minimum: 0 },
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

const yesOrNo: Field = {
  schema: { type: "boolean" },
  accepts: (value) => typeof value === "boolean",
};

const dateTime: Field = {
  schema: { type: "string", format: "date-time" },
  accepts: (value) =>
    typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) &&
    !Number.isNaN(Date.parse(value)),
};

function oneOf(...values: readonly string[]): Field {
  return {
    schema: { enum: values },
    accepts: (value) => typeof value === "string" && values.includes(value),
  };
}

function optional(field: Field): Field {
  return { ...field, isOptional: true };
}

function orNull({ schema, accepts, mask }: Field): Field {
  return {
    schema: { anyOf: [schema, { type: "null" }] },
    accepts: (value) => value === null || accepts(value),
    mask: mask &&
      ((value, maskText) => value === null ? null : mask(value, maskText)),
  };
}

function list({ schema, accepts, mask }: Field): Field {
  return {
    schema: { type: "array", items: schema },
    accepts: (value) => Array.isArray(value) && value.every(accepts),
    mask: mask &&
      ((value, maskText) =>
        (value as unknown[]).map((one) => mask(one, maskText))),
  };
}

function object(fields: Fields): Field {
  const entries = Object.entries(fields);
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(
        entries.map(([name, { schema }]) => [name, schema]),
      ),
      required: entries.filter(([, { isOptional }]) => !isOptional)
        .map(([name]) => name),
    },
    accepts: (value) =>
      isObject(value) &&
      entries.every(([name, { isOptional, accepts }]) =>
        Object.hasOwn(value, name) ? accepts(value[name]) : isOptional
      ),
    mask(value, maskText) {
      const masked: Record<string, unknown> = { ...value as object };
      for (const [name, { mask }] of entries) {
        if (mask === undefined || masked[name] === undefined) continue;
        masked[name] = mask(masked[name], maskText);
      }
      return masked;
    },
  };
}

const status = oneOf(
  "success",
  "failed",
  "cancelled",
  "timeout",
  "skipped",
  "neutral",
);

const attempt = object({
  number: count,
  startMs: time,
  durationMs: time,
  outcome: status,
  exitCode: orNull(count),
  signal: orNull(word),
  reason: optional(text),
  spanId: optional(word),
  peakMemoryBytes: optional(count),
  cpuMs: optional(time),
});

/** Fields of each event, besides those that all events have. */
const EVENTS: Readonly<Record<RunEventName, Fields>> = {
  "run.started": {
    version: count,
    kind: oneOf("job", "workflow"),
    id: word,
    name: optional(text),
    runner: object({ version: word, deno: word }),
    trace: object({
      traceId: word,
      spanId: word,
      parentSpanId: optional(word),
      sampled: yesOrNo,
    }),
  },
  "run.configured": {
    options: list(object({ name: text, value: text, origin: text })),
  },
  "run.planned": {
    steps: list(object({
      name: text,
      group: optional(text),
      dependsOn: list(text),
    })),
  },
  "phase.ended": { phase: word, startMs: time, durationMs: time },
  "source.prepared": {
    source: oneOf("source", "ci"),
    type: text,
    repository: optional(text),
    ref: optional(text),
    commit: optional(text),
    startMs: time,
    durationMs: time,
  },
  "plugin.called": {
    plugin: text,
    phase: word,
    durationMs: time,
    error: optional(text),
  },
  "step.queued": { step: text },
  "step.started": { step: text, attempt: count, spanId: optional(word) },
  "step.retrying": { step: text, attempt, delayMs: time },
  "step.ended": {
    step: text,
    outcome: status,
    conclusion: status,
    exitCode: orNull(count),
    signal: orNull(word),
    reason: optional(text),
    startedAt: orNull(dateTime),
    durationMs: time,
    attempts: list(attempt),
    outputs: optional(list(text)),
    log: optional(text),
    logBytes: optional(count),
    tail: optional(list(text)),
  },
  "trigger.submitted": { name: text },
  "metric": { plugin: text, phase: word, name: text, value: number },
  "run.ended": {
    status: oneOf("success", "failed", "cancelled", "timeout"),
    exitCode: count,
    durationMs: time,
    error: optional(text),
  },
};

const COMMON: Fields = { time: dateTime, ms: time };

const schemas = new Map(
  Object.entries(EVENTS).map(([name, fields]) => [
    name,
    object({ ...COMMON, ...fields }),
  ]),
);

/**
 * Reads one line of a run record.
 *
 * A record lies where steps of a job can write, so a line may hold anything.
 *
 * @param line The line, without its line break.
 * @returns The event; `undefined` for an unknown event, and for a line that is
 * no event.
 */
export function parseEvent(line: string): RunEvent | undefined {
  if (line.length > MAX_LINE_LENGTH) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value.event !== "string") return undefined;
  return schemas.get(value.event)?.accepts(value)
    ? value as unknown as RunEvent
    : undefined;
}

/**
 * Masks the text of an event that is not the runner's own.
 *
 * @returns A copy of the event.
 */
export function maskEvent(
  event: RunEvent,
  maskText: (text: string) => string,
): RunEvent {
  const { mask } = schemas.get(event.event)!;
  return mask!(event, maskText) as RunEvent;
}

/**
 * Describes the lines of a run record for other programs.
 *
 * @returns JSON Schema of one line.
 */
export function runEventSchema(): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Line of a run record, version ${RECORD_VERSION}`,
    anyOf: Object.entries(EVENTS).map(([event, fields]) => {
      const { schema } = object({ ...COMMON, ...fields });
      const { properties, required } = schema;
      return {
        ...schema,
        properties: { event: { const: event }, ...properties as object },
        required: ["event", ...required as string[]],
      };
    }),
  };
}
