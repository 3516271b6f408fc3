import type { RenamedLogs } from "../output/job_log.ts";
import type { RunEvent, RunEventName, RunEvents } from "./run_event.ts";

/**
 * Version of the run record. A reader accepts records of its own version and
 * of earlier ones, and skips events and fields that it does not know.
 */
export const RECORD_VERSION = 1;

/** Name of the file with the record, in the directory of the artifacts. */
export const RECORD_FILE = "run.jsonl";

/**
 * Collects the events of a run. The engine reports events only here. Reports
 * listen to the recorder, or read the record that is written from it.
 */
export class RunRecorder {
  /** Events so far, unmasked. */
  readonly events: RunEvent[] = [];
  /** Called with each event from now on, unmasked. */
  onEvent: ((event: RunEvent) => void) | undefined;
  readonly #startedAt = new Date();
  readonly #start = performance.now();
  readonly #secrets = new Set<string>();

  /** Time since the run started, in milliseconds. */
  get ms(): number {
    return performance.now() - this.#start;
  }

  /**
   * Records an event that happens now.
   *
   * @param event Name of the event.
   * @param fields Its fields, unmasked.
   */
  add<Name extends RunEventName>(event: Name, fields: RunEvents[Name]): void {
    const stamped = {
      event,
      time: new Date().toISOString(),
      ms: this.ms,
      ...fields,
    } as unknown as RunEvent;
    this.events.push(stamped);
    this.onEvent?.(stamped);
  }

  /**
   * Records, once, the rule by which the values of a variable or option, or
   * those that a step or plugin registers, are masked.
   *
   * @param rule The rule.
   * @param name Name of the variable, option, step or plugin, if known.
   */
  recordSecret(rule: string, name?: string): void {
    const key = `${rule}\0${name ?? ""}`;
    if (this.#secrets.has(key)) return;
    this.#secrets.add(key);
    this.add("secret.masked", name === undefined ? { rule } : { rule, name });
  }

  /**
   * Updates the paths of renamed logs.
   *
   * @param renamed Names of the files, by their names before.
   */
  renameLogs(renamed: RenamedLogs): void {
    for (const [index, event] of this.events.entries()) {
      if (event.event !== "step.ended" || event.log === undefined) continue;
      const log = renamedPath(event.log, renamed);
      if (log !== event.log) this.events[index] = { ...event, log };
    }
  }

  /**
   * Converts a time to the clock of the record.
   *
   * @param time Time from `performance.now()`.
   * @returns Milliseconds since the run started.
   */
  msAt(time: number): number {
    return Math.max(0, time - this.#start);
  }

  /**
   * Records the start of the run as the first event.
   *
   * @param fields Fields of the event.
   */
  begin(fields: RunEvents["run.started"]): void {
    const time = this.#startedAt.toISOString();
    this.events.unshift({ event: "run.started", time, ms: 0, ...fields });
  }
}

/**
 * Returns the path of a log that may have been renamed.
 *
 * @param path Path before.
 * @param renamed Names of renamed files, by their names before.
 */
export function renamedPath(path: string, renamed: RenamedLogs): string {
  const start = path.lastIndexOf("/") + 1;
  const name = renamed.get(path.slice(start));
  return name === undefined ? path : path.slice(0, start) + name;
}
