import { isObject } from "../json_value.ts";
import { JSON_SCHEMA_DRAFT, type JsonSchema } from "../schema/combinators.ts";
import { onlyRenditions } from "../terminal/styles.ts";
import { printableLines } from "../terminal/text.ts";
import {
  RECORD_VERSION,
  type RunEvent,
  type RunEventName,
} from "./run_event.ts";

/** Maximum length of one line of a record, in UTF-16 units. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

/** Type of a field of an event. */
interface Field {
  readonly schema: JsonSchema;
  readonly isOptional?: true;
  /** Checks a value. */
  accepts(value: unknown): boolean;
  /**
   * Copies only the described parts of a value, and changes all text that does
   * not come from the runner itself: a secret can also be a word such as
   * "success". Without this function, the value is copied as it is.
   */
  copy?(value: unknown, change: ChangeText): unknown;
}

/**
 * Changes text. If `isStyled`, the text of a program keeps its colors and
 * styles.
 */
type ChangeText = (text: string, isStyled?: boolean) => string;

/** Fields of an object by name. */
type Fields = Readonly<Record<string, Field>>;

/** Text that a user, a program or a system chose. */
const text: Field = {
  schema: { type: "string" },
  accepts: (value) => typeof value === "string",
  copy: (value, change) => change(value as string),
};

/**
 * Pattern of values that the runner chose: words, hexadecimal numbers,
 * versions.
 */
const WORD = "^[!-~]{0,256}$";

/** Text that the runner chose. */
const word: Field = matchPattern({ type: "string", pattern: WORD });

const number: Field = {
  schema: { type: "number" },
  accepts: (value) => typeof value === "number" && Number.isFinite(value),
};

/**
 * Several such times can be added to a date of the record without making it
 * invalid.
 */
const MAX_MS = 1e15;

const time: Field = {
  schema: { type: "number", minimum: 0, maximum: MAX_MS },
  accepts: (value) =>
    number.accepts(value) && (value as number) >= 0 &&
    (value as number) <= MAX_MS,
};

const count: Field = {
  schema: { type: "integer", minimum: 0 },
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

const boolean: Field = {
  schema: { type: "boolean" },
  accepts: (value) => typeof value === "boolean",
};

/** `Date.parse()` alone takes more, and ignores text in parentheses. */
const DATE_TIME =
  "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,9})?(?:Z|[+-]\\d\\d:\\d\\d)$";

const anyDateTime = matchPattern({
  type: "string",
  format: "date-time",
  pattern: DATE_TIME,
});

const dateTime: Field = {
  ...anyDateTime,
  accepts: (value) =>
    anyDateTime.accepts(value) && !Number.isNaN(Date.parse(value as string)),
};

function matchPattern(schema: JsonSchema & { pattern: string }): Field {
  const pattern = new RegExp(schema.pattern);
  return {
    schema,
    accepts: (value) => typeof value === "string" && pattern.test(value),
  };
}

function oneOfWords(...values: readonly string[]): Field {
  return {
    schema: { enum: values },
    accepts: (value) => typeof value === "string" && values.includes(value),
  };
}

function optional(field: Field): Field {
  return { ...field, isOptional: true };
}

function orNull({ schema, accepts, copy }: Field): Field {
  return {
    schema: { anyOf: [schema, { type: "null" }] },
    accepts: (value) => value === null || accepts(value),
    copy: copy &&
      ((value, change) => value === null ? null : copy(value, change)),
  };
}

function list({ schema, accepts, copy }: Field): Field {
  return {
    schema: { type: "array", items: schema },
    accepts: (value) => Array.isArray(value) && value.every(accepts),
    copy: copy &&
      ((value, change) => (value as unknown[]).map((one) => copy(one, change))),
  };
}

/**
 * Lines of a program, with their colors. They are masked as one text: a secret
 * can span several lines, and one text is masked faster than many.
 */
const outputLines: Field = {
  ...list(text),
  copy(value, change) {
    const lines = value as string[];
    return lines.length === 0 ? [] : change(lines.join("\n"), true).split("\n");
  },
};

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
    copy(value, change) {
      const copied: Record<string, unknown> = {};
      for (const [name, one] of Object.entries(value as object)) {
        if (one === undefined || !Object.hasOwn(fields, name)) continue;
        const { copy } = fields[name];
        copied[name] = copy === undefined ? one : copy(one, change);
      }
      return copied;
    },
  };
}

const status = oneOfWords(
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

const cacheUse = object({
  name: text,
  key: text,
  restored: oneOfWords("exact", "fallback", "miss"),
  from: optional(text),
  saved: boolean,
});

/** Fields of each event, without those that all events have. */
const EVENTS: Readonly<Record<RunEventName, Fields>> = {
  "run.started": {
    version: count,
    kind: oneOfWords("job", "workflow"),
    id: word,
    name: optional(text),
    repository: optional(text),
    ref: optional(text),
    commit: optional(text),
    runner: object({ version: word, deno: word }),
    trace: object({
      traceId: word,
      spanId: word,
      parentSpanId: optional(word),
      sampled: boolean,
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
      isService: optional(boolean),
    })),
  },
  "phase.ended": { phase: word, startMs: time, durationMs: time },
  "secret.masked": { rule: text, name: optional(text) },
  "source.prepared": {
    source: oneOfWords("source", "ci"),
    type: text,
    repository: optional(text),
    ref: optional(text),
    commit: optional(text),
    bytes: optional(count),
    stages: optional(list(object({
      name: text,
      startMs: time,
      durationMs: time,
    }))),
    isKept: optional(boolean),
    startMs: time,
    durationMs: time,
  },
  "plugin.called": {
    plugin: text,
    phase: word,
    durationMs: time,
    error: optional(text),
    denied: optional(list(text)),
  },
  "step.queued": { step: text },
  "step.started": { step: text, attempt: count, spanId: optional(word) },
  "service.ready": { step: text, durationMs: time },
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
    flaky: optional(boolean),
    cached: optional(boolean),
    outputs: optional(list(text)),
    log: optional(text),
    logBytes: optional(count),
    tail: optional(outputLines),
    rerun: optional(text),
    caches: optional(list(cacheUse)),
    record: optional(text),
  },
  "problem": {
    step: text,
    owner: text,
    severity: oneOfWords("error", "warning", "notice"),
    message: text,
    file: optional(text),
    line: optional(count),
    column: optional(count),
    code: optional(text),
  },
  "artifact.restored": { job: text, name: text, bytes: count, count },
  "artifact.saved": { name: text, bytes: count, count },
  "trigger.submitted": { name: text },
  "metric": { plugin: text, phase: word, name: text, value: number },
  "run.ended": {
    status: oneOfWords("success", "failed", "cancelled", "timeout"),
    exitCode: count,
    durationMs: time,
    error: optional(text),
  },
};

const COMMON: Fields = { time: dateTime, ms: time };

const schemas = new Map(
  Object.entries(EVENTS).map(([name, fields]) => {
    const event: Field = {
      schema: { const: name },
      accepts: (value) => value === name,
    };
    return [name, object({ event, ...COMMON, ...fields })];
  }),
);

/**
 * Reads one line of a run record.
 *
 * Steps of the job can write to the record, so a line may contain anything. The
 * result contains only known fields, and text that is safe to print.
 *
 * @param line The line, without its line break.
 * @returns The event; `undefined` if the line is not a known event.
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
  const schema = schemas.get(value.event);
  if (!schema?.accepts(value)) return undefined;
  return schema.copy!(value, safeText) as RunEvent;
}

/**
 * Masks the text of an event that does not come from the runner itself, and
 * makes it safe to print.
 *
 * @returns A copy of the event.
 */
export function maskEvent(
  event: RunEvent,
  maskText: (text: string) => string,
): RunEvent {
  const { copy } = schemas.get(event.event)!;
  return copy!(
    event,
    (text, isStyled) => safeText(maskText(text), isStyled),
  ) as RunEvent;
}

function safeText(text: string, isStyled = false): string {
  return isStyled && text.includes("\x1b")
    ? onlyRenditions(text, printableLines)
    : printableLines(text);
}

/**
 * Describes the lines of a run record for other programs.
 *
 * @returns JSON Schema of one line.
 */
export function runEventSchema(): JsonSchema {
  return {
    $schema: JSON_SCHEMA_DRAFT,
    title: `Line of a run record, version ${RECORD_VERSION}`,
    anyOf: Array.from(schemas.values(), ({ schema }) => schema),
  };
}
