import { messageOf } from "../../errors.ts";
import {
  openUntrusted,
  readAt,
  readToEnd,
  type UntrustedFile,
} from "../../fs/untrusted_file.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { parseEvent } from "../event_schema.ts";
import type { RunEvent } from "../run_event.ts";
import { createRecord, elapsedMs, type RunRecord } from "../run_record.ts";

/** Maximum size of a record that is followed, in bytes. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Maximum number of bytes without a line break. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** Maximum number of steps on a page. */
const MAX_STEPS = 10_000;

/** Length of its start that identifies a record, in bytes. */
const HEAD_BYTES = 1024;

/** Minimum interval between two checks of a file, in milliseconds. */
const FRESH_MS = 100;

/** The same for a file that could not be read. */
const RETRY_MS = 2_000;

const decoder = new TextDecoder();

/**
 * Follows the record of a run that another process writes. Reads only new
 * lines, and starts over when another record has replaced the file.
 */
export class RecordFollower {
  /** How long it took to draw the page of the run, in milliseconds. */
  drawMs = 0;
  readonly #path: string;
  readonly #base: string;
  #events: RunEvent[] = [];
  #steps = new Set<string>();
  #fileId = "";
  #head: Uint8Array = new Uint8Array();
  #offset = 0;
  #isLocked = false;
  #problem: string | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;

  /**
   * @param path Absolute path of the record.
   * @param base Absolute path of a directory that links must not leave.
   */
  constructor(path: string, base: string) {
    this.#path = path;
    this.#base = base;
  }

  /** Absolute path of the record. */
  get path(): string {
    return this.#path;
  }

  /** Why there is nothing to show; `undefined` if there is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Changes whenever the content of the record changes. */
  get version(): string {
    const { length } = this.#events;
    return `${this.#offset}-${length}-${this.#isRunning}-${this.#problem}`;
  }

  /** The run so far. */
  get record(): RunRecord | undefined {
    const events = this.#events;
    return createRecord(
      events,
      this.#isRunning ? { nowMs: elapsedMs(events) } : {},
    );
  }

  /** Reads new lines. Concurrent callers share one read. */
  refresh(): Promise<void> {
    const freshMs = this.#problem === undefined ? FRESH_MS : RETRY_MS;
    if (performance.now() - this.#refreshedAt < freshMs) {
      return Promise.resolve();
    }
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
      this.#refreshedAt = performance.now();
    });
    return this.#refreshing;
  }

  get #isRunning(): boolean {
    return this.#isLocked && this.#events.at(-1)?.event !== "run.ended";
  }

  async #refresh(): Promise<void> {
    try {
      await using file = await openUntrusted(this.#path, { base: this.#base });
      if (file.size > MAX_BYTES) {
        throw new Error(`it is larger than ${MAX_BYTES} bytes`);
      }
      if (!await this.#isSame(file)) this.#reset();
      this.#fileId = file.id;
      // Checked first: a run that ends now releases the lock after its last
      // line. Without locks, a run without an end may still be active.
      this.#isLocked = await file.isLocked() ?? true;
      await this.#readNew(file);
      this.#problem = this.#check();
    } catch (error) {
      this.#reset();
      this.#problem = error instanceof Deno.errors.NotFound
        ? "it does not exist any more"
        : messageOf(error);
    }
  }

  /** A new file can have the inode number of a removed one. */
  async #isSame(file: UntrustedFile): Promise<boolean> {
    if (file.id !== this.#fileId || file.size < this.#offset) return false;
    const head = await readAt(file, 0, this.#head.length);
    return head.every((byte, at) => byte === this.#head[at]);
  }

  #reset(): void {
    this.#events = [];
    this.#steps = new Set();
    this.#offset = 0;
    this.#head = new Uint8Array();
    this.#isLocked = false;
  }

  async #readNew(file: UntrustedFile): Promise<void> {
    const bytes = await readToEnd(file, this.#offset, MAX_BYTES);
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    if (bytes.length - end > MAX_LINE_BYTES) {
      throw new Error(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    if (this.#offset === 0) {
      this.#head = bytes.slice(0, Math.min(end, HEAD_BYTES));
    }
    this.#offset += end;
    for (const line of decoder.decode(bytes.subarray(0, end)).split("\n")) {
      const event = parseEvent(line);
      if (event !== undefined) this.#add(event);
    }
  }

  #add(event: RunEvent): void {
    this.#events.push(event);
    if (event.event === "run.planned") {
      for (const { name } of event.steps) this.#steps.add(name);
    } else if ("step" in event) {
      this.#steps.add(event.step);
    }
    if (this.#steps.size <= MAX_STEPS) return;
    throw new Error(`it has more than ${MAX_STEPS} steps`);
  }

  #check(): string | undefined {
    return this.record === undefined ? "it is not a run record" : undefined;
  }
}
