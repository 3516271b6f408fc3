import { sha256Hex } from "../../fs/checksum.ts";
import { pause } from "../../process/time_limit.ts";
import { styledPieces, type TextLook } from "../../terminal/styles.ts";
import { outputPieces } from "../formats/html_output.ts";
import type { RunRecord } from "../run_record.ts";
import type { RecordFollower } from "./follow_record.ts";
import { readLines, type StepLogs } from "./step_logs.ts";

/**
 * Interval at which a record and the logs of its steps are read, in
 * milliseconds.
 */
const POLL_MS = 200;

/**
 * Maximum share of time for reading a run, and for drawing its page, because
 * the job needs the processor. A pause is never longer than a tick.
 */
const MAX_SHARE = 0.02;

/**
 * Interval at which the page of a running job is redrawn even without events.
 */
const TICK_MS = 2_000;

/** Time after which something is sent, to detect a lost connection. */
const QUIET_MS = 15_000;

/** Maximum number of logs that are followed at once. */
const MAX_LOGS = 16;

/** Last event of a browser that reconnects. */
const CURSOR = /^([0-9a-f]{16})-([^~]{1,100})((?:~\d{1,5}@\d{1,15}){0,64})$/;

/** An event for a browser. */
export interface ServerEvent {
  readonly event: "change" | "log" | "log-end";
  readonly data: unknown;
}

/** How far a browser has read. */
export class Cursor {
  /** Version of the record that its page shows. */
  version = "";
  /** Position in the log of each step that it follows. */
  readonly logs = new Map<number, number>();
  /** The run, which another one may replace. */
  run = "";

  /**
   * Reads the id of an event.
   *
   * @param text Value of `Last-Event-ID`.
   * @returns The cursor; one at the start if the text is not such an id.
   */
  static parse(text: string | null): Cursor {
    const cursor = new Cursor();
    const [, run, version, logs] = text?.match(CURSOR) ?? [];
    if (run === undefined) return cursor;
    cursor.run = run;
    cursor.version = version;
    for (const [, step, at] of logs.matchAll(/~(\d+)@(\d+)/g)) {
      cursor.logs.set(Number(step), Number(at));
    }
    return cursor;
  }

  /** Id of an event after which the browser has read up to the cursor. */
  toString(): string {
    const logs = Array.from(this.logs, ([step, at]) => `~${step}@${at}`);
    return `${this.run}-${this.version}${logs.join("")}`;
  }
}

/** Options for {@linkcode runEvents}. */
export interface RunEventsOptions {
  /** The record. */
  follower: RecordFollower;
  /** Logs of its steps. */
  logs: StepLogs;
  /** How far the browser has read; it is updated. */
  cursor: Cursor;
  /** Ends the events. */
  signal: AbortSignal;
}

/**
 * Follows a run: reports when its page must be redrawn, and what its running
 * steps have printed.
 *
 * @returns Events; `undefined` if there has been none for a while.
 */
export async function* runEvents(
  { follower, logs, cursor, signal }: RunEventsOptions,
): AsyncGenerator<ServerEvent | undefined, void> {
  let sentAt = performance.now();
  let drawnAt = sentAt;
  // A browser that reconnects immediately gets what it has missed.
  let isFirst = true;
  const looks = new Map<number, TextLook>();
  while (!signal.aborted) {
    const start = performance.now();
    await follower.refresh();
    const { record, version } = follower;
    const run = await runHash(record?.started);
    const isNew = run !== cursor.run;
    if (isNew) {
      cursor.logs.clear();
      looks.clear();
    }
    cursor.run = run;
    const now = performance.now();
    const undrawnMs = now - drawnAt;
    const isDue = record?.isRunning === true && undrawnMs >= TICK_MS;
    const hasChanged = version !== cursor.version || isDue;
    const restMs = isFirst ? 0 : restTime(follower.drawMs);
    if (isNew || hasChanged && undrawnMs >= restMs) {
      isFirst = false;
      cursor.version = version;
      [sentAt, drawnAt] = [now, now];
      yield { event: "change", data: { isNew } };
    }
    let hasMore = false;
    for (const step of followed(record, cursor)) {
      const part = await nextPart(record, step, { logs, cursor, looks });
      hasMore ||= part.hasMore;
      for (const event of part.events) {
        sentAt = performance.now();
        yield event;
      }
    }
    if (hasMore) continue;
    if (performance.now() - sentAt >= QUIET_MS) {
      sentAt = performance.now();
      yield undefined;
    }
    const takenMs = performance.now() - start;
    await pause(Math.max(POLL_MS, restTime(takenMs)), signal);
  }
}

function restTime(workMs: number): number {
  return Math.min(workMs / MAX_SHARE, TICK_MS);
}

/** Running steps, and those whose logs the browser has not read to the end. */
function followed(
  record: RunRecord | undefined,
  { logs }: Cursor,
): number[] {
  const indexes = new Set(logs.keys());
  for (const [index, { state }] of (record?.steps ?? []).entries()) {
    if (state === "running" || state === "retrying") indexes.add(index);
  }
  return [...indexes].slice(0, MAX_LOGS);
}

/** Reads new output of a step and advances the cursor. */
async function nextPart(
  record: RunRecord | undefined,
  index: number,
  { logs, cursor, looks }: Pick<RunEventsOptions, "logs" | "cursor"> & {
    /**
     * Style of the last text of each step, which continues in the next text.
     */
    looks: Map<number, TextLook>;
  },
): Promise<{ events: ServerEvent[]; hasMore: boolean }> {
  const step = record?.steps[index];
  const isOver = step?.state === undefined;
  await using file = record && await logs.open(record, index);
  const part = file &&
    await readLines(file, cursor.logs.get(index), isOver);
  const events: ServerEvent[] = [];
  if (part !== undefined) {
    cursor.logs.set(index, part.offset);
    if (step !== undefined && part.text !== "") {
      const { name } = step;
      const { pieces, look } = styledPieces(part.text, looks.get(index));
      looks.set(index, look);
      events.push({
        event: "log",
        data: { step: index, name, pieces: outputPieces(pieces) },
      });
    }
  }
  const hasMore = part?.hasMore ?? false;
  if (isOver && !hasMore) {
    events.push({ event: "log-end", data: { step: index } });
    cursor.logs.delete(index);
  }
  return { events, hasMore };
}

async function runHash(
  started: { readonly id: string; readonly time: string } | undefined,
): Promise<string> {
  const text = started === undefined ? "" : `${started.id} ${started.time}`;
  return (await sha256Hex(text)).slice(0, 16);
}
