import { equalBytes } from "../bytes.ts";
import { osReason } from "../errors.ts";
import { tryLockFile } from "../fs/file_lock.ts";
import { lstatIfThere, writeAllSync } from "../fs/files.ts";
import { checkReplaceable, writeAtomic } from "../fs/write_atomic.ts";
import { LogDirectory } from "../output/log_directory.ts";
import { withoutSequences } from "../terminal/text.ts";
import { removeTree } from "../workspace/remove.ts";
import { maskEvent } from "./event_schema.ts";
import type { RunEvent, RunRecorder } from "./run_event.ts";
import type { StepOutcome } from "./step_outcome.ts";

/** Only the user who runs the job may read the record. */
const MODE = 0o600;

/** Maximum length of a text that is masked once for all events. */
const MAX_NAME_LENGTH = 200;

/** Maximum number of such texts. */
const MAX_NAME_COUNT = 10_000;

const encoder = new TextEncoder();

/** Location of a record. */
export interface RecordPlace {
  /** Absolute path of its directory, which is created if it is missing. */
  directory: string;
  /** Name of the file. */
  name: string;
  /**
   * Whether the runner owns the path and may remove a directory that a step put
   * there. Otherwise, it replaces only a file.
   */
  isOwn: boolean;
}

/** Options for {@linkcode RecordWriter.open}. */
export interface RecordWriterOptions extends RecordPlace {
  /** Masks a text with the secrets that are known at that time. */
  maskText: (text: string) => string;
  /**
   * Number that grows when more secrets become known.
   *
   * @default {all lines are masked again at the end}
   */
  secretTotal?: () => number;
  /**
   * Called once, with the first error. A run does not fail because of its
   * record.
   */
  onWarning: (message: string) => void;
}

/**
 * Writes the record of a run: one line for each event, immediately, so that the
 * file can be read during the run and after a crash.
 *
 * The file is locked during the run. The system releases the lock when the
 * process ends, so a reader can distinguish an active run from a killed one.
 *
 * Steps can change the file. Therefore, {@linkcode finish} compares it with the
 * recorded events, and replaces it if it differs.
 */
export class RecordWriter {
  readonly #recorder: RunRecorder;
  readonly #options: RecordWriterOptions;
  readonly #directory: LogDirectory;
  #file: Deno.FsFile | undefined;
  #isLocked = false;
  #hasFailed = false;
  /** Lines by their events, and the number of secrets that were known. */
  readonly #lines = new Map<RunEvent, { line: string; total: number }>();

  /** Masked names by their texts, and the number of secrets at that time. */
  readonly #masked = new Map<string, string>();
  #maskedTotal: number | undefined;

  private constructor(recorder: RunRecorder, options: RecordWriterOptions) {
    this.#recorder = recorder;
    this.#options = options;
    this.#directory = new LogDirectory(options.directory);
  }

  /**
   * Opens a record, which replaces that of an earlier run.
   *
   * @param recorder The run. Events recorded so far are written immediately.
   * @param options Location, masking and the listener for failures.
   * @returns The writer; it writes nothing if the file cannot be created.
   */
  static async open(
    recorder: RunRecorder,
    options: RecordWriterOptions,
  ): Promise<RecordWriter> {
    const writer = new RecordWriter(recorder, options);
    try {
      const path = writer.#path();
      await writer.#clear(path);
      writer.#file = Deno.openSync(path, {
        read: true,
        write: true,
        createNew: true,
        mode: MODE,
      });
      for (const event of recorder.events) writer.#write(event);
      recorder.onEvent = (event) => writer.#write(event);
    } catch (error) {
      writer.#fail(error);
    }
    return writer;
  }

  /**
   * Closes the record. Replaces it if secrets have become known since its lines
   * were written, or if another program has changed the file.
   */
  async finish(): Promise<void> {
    this.#recorder.onEvent = undefined;
    using file = this.#file;
    if (file === undefined || this.#hasFailed) return;
    try {
      const bytes = this.#bytes();
      if (!isIntact(this.#path(), file, bytes)) await this.#replace(bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Masks a finished record again, if the caller knows that there are more
   * secrets.
   */
  async remask(): Promise<void> {
    if (this.#file === undefined || this.#hasFailed) return;
    try {
      await this.#replace(this.#bytes());
    } catch (error) {
      this.#fail(error);
    }
  }

  #bytes(): Uint8Array {
    const lines = this.#recorder.events.map((event) => this.#lastLine(event));
    return encoder.encode(lines.join(""));
  }

  async #replace(bytes: Uint8Array): Promise<void> {
    const path = this.#path();
    await this.#clear(path);
    await writeAtomic(path, bytes, { mode: MODE });
  }

  async #clear(path: string): Promise<void> {
    if (this.#options.isOwn) return void await removeTree(path);
    await checkReplaceable(path);
    const there = await lstatIfThere(path);
    if (there === undefined) return;
    // Deno.remove() would also remove an empty directory.
    if (there.isDirectory) throw new Deno.errors.IsADirectory("is a directory");
    await Deno.remove(path);
  }

  #path(): string {
    return `${this.#directory.prepare()}/${this.#options.name}`;
  }

  #write(event: RunEvent): void {
    if (this.#file === undefined || this.#hasFailed) return;
    try {
      // A reader may have held it for a moment.
      this.#isLocked ||= tryLockFile(this.#file) !== false;
      writeAllSync(this.#file, encoder.encode(this.#line(event)));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Masking takes most of the time. */
  #lastLine(event: RunEvent): string {
    const known = this.#lines.get(event);
    const total = this.#options.secretTotal?.();
    return known !== undefined && known.total === total
      ? known.line
      : this.#line(event);
  }

  #line(event: RunEvent): string {
    const { secretTotal } = this.#options;
    const total = secretTotal?.();
    if (total !== this.#maskedTotal) this.#masked.clear();
    this.#maskedTotal = total;
    const masked = maskEvent(event, (text) => this.#mask(text));
    const line = `${JSON.stringify(masked, roundTimes)}\n`;
    if (total !== undefined) this.#lines.set(event, { line, total });
    return line;
  }

  /** Masks the name of a step once, since each of its events has it. */
  #mask(text: string): string {
    const { maskText } = this.#options;
    if (this.#maskedTotal === undefined || text.length > MAX_NAME_LENGTH) {
      return maskText(text);
    }
    const known = this.#masked.get(text);
    if (known !== undefined) return known;
    const masked = maskText(text);
    if (this.#masked.size < MAX_NAME_COUNT) this.#masked.set(text, masked);
    return masked;
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const { directory, name, onWarning } = this.#options;
    onWarning(
      `Cannot write the run record "${directory}/${name}": ${osReason(error)}`,
    );
  }
}

/** Rounds times to microseconds; further digits have no meaning. */
function roundTimes(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
}

/** Checks whether a path is an open file, private, with exactly these bytes. */
function isIntact(
  path: string,
  file: Deno.FsFile,
  bytes: Uint8Array,
): boolean {
  try {
    const [there, ours] = [Deno.lstatSync(path), file.statSync()];
    const isSame = there.dev === ours.dev && there.ino === ours.ino &&
      there.mode !== null && (there.mode & 0o777) === MODE &&
      ours.size === bytes.length;
    if (!isSame) return false;
    const content = new Uint8Array(bytes.length);
    file.seekSync(0, Deno.SeekMode.Start);
    for (let at = 0; at < content.length;) {
      const count = file.readSync(content.subarray(at));
      if (count === null) return false;
      at += count;
    }
    return equalBytes(content, bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Limits for the last lines of steps: their number and their length. */
const [FAILED, SUCCEEDED] = [
  { lines: 20, length: 2_000 },
  // Most steps succeed, and a record of a thousand steps should stay small.
  { lines: 5, length: 200 },
];

/**
 * Selects the last lines of a step for its record.
 *
 * @param step The step.
 * @param lines Last lines of its output, with colors.
 * @returns Fields of the event of its end.
 */
export function recordedTail(
  { outcome }: Pick<StepOutcome, "outcome">,
  lines: readonly string[] = [],
): { tail?: readonly string[] } {
  const max = outcome === "success" ? SUCCEEDED : FAILED;
  const tail = lines.slice(-max.lines).map((line) => cutLine(line, max.length));
  return tail.length === 0 ? {} : { tail };
}

/**
 * Truncates a line between words: a word may turn out to be a secret later, and
 * a part of it would not be masked. Colors are removed, since the cut may be
 * inside a sequence.
 */
function cutLine(line: string, length: number): string {
  if (line.length <= length) return line;
  const plain = withoutSequences(line);
  if (plain.length <= length) return plain;
  const end = plain.slice(0, length).search(/\s\S*$/);
  return `${plain.slice(0, Math.max(0, end))} …`;
}
