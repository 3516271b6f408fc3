import { LineAssembler } from "./line_assembler.ts";
import { LINE_BREAK, LINE_FEED } from "./line_cut.ts";
import type { StreamName } from "./line_format.ts";
import type { LogFile } from "./log_file.ts";
import { LogTail } from "./log_tail.ts";
import { plainText } from "./plain_text.ts";

/** Most bytes of a line that wait for its end, so that a carriage return can take them back. */
const HELD_BYTES = 64 * 1024;

/** Longest text that tells how far a step is. */
const PROGRESS_LENGTH = 200;

/** How much of a line is looked at for such a text: colours take room, too. */
const PROGRESS_BYTES = 1024;

/** Options for {@linkcode StepRecord}. */
export interface StepRecordOptions {
  /** File that takes the lines. */
  file: LogFile | undefined;
  /** Hears the line that a carriage return writes anew, once per chunk. */
  onProgress: ((text: string) => void) | undefined;
}

/** What is kept of a step's output: the file, the last lines, how far it is. */
export class StepRecord {
  readonly #options: StepRecordOptions;
  readonly #tail = new LogTail();
  readonly #assemblers: Readonly<Record<StreamName, LineAssembler>> = {
    stdout: makeAssembler(),
    stderr: makeAssembler(),
  };
  /** The stream whose line is in the file without its end. */
  #open: StreamName | undefined;
  #progress = "";
  #lastLines: readonly string[] | undefined;

  /** Makes the record of one step. */
  constructor(options: StepRecordOptions) {
    this.#options = options;
  }

  /**
   * Takes output; one stream must wait before it gives more.
   *
   * @param stream Where the output comes from.
   * @param bytes The output, not to be changed before the promise resolves.
   * @returns Resolves when more may come; never rejects.
   */
  write(stream: StreamName, bytes: Uint8Array): Promise<void> {
    const assembler = this.#assemblers[stream];
    const lines = assembler.take(bytes);
    this.#tellProgress(assembler);
    return this.#keep(stream, lines);
  }

  /** Keeps what there is of a line that waits for its end. */
  flush(stream: StreamName): Promise<void> {
    const assembler = this.#assemblers[stream];
    // A line that is written anew is kept in its last form.
    if (assembler.isRewritten) return Promise.resolve();
    return this.#keep(stream, assembler.flush());
  }

  /** Returns the last lines, complete or not; 20 unless another number is given. */
  tail(lineCount?: number): readonly string[] {
    if (this.#lastLines) return this.#lastLines;
    const { stdout: { rest: out }, stderr: { rest: err } } = this.#assemblers;
    return this.#open === "stderr"
      ? this.#tail.lines(err, out, lineCount)
      : this.#tail.lines(out, err, lineCount);
  }

  /** Takes what waits for the end of its line, and gives memory back. */
  async close(): Promise<void> {
    await this.#keep("stdout", this.#assemblers.stdout.end());
    await this.#keep("stderr", this.#assemblers.stderr.end());
    this.#lastLines = this.tail();
    this.#tail.release();
  }

  async #keep(stream: StreamName, lines: Uint8Array): Promise<void> {
    if (lines.length === 0) return;
    const { file } = this.#options;
    // Two streams may both have a line too long to be held back.
    if (this.#open !== undefined && this.#open !== stream) {
      this.#tail.add(LINE_BREAK);
      await file?.write(LINE_BREAK);
    }
    this.#open = lines.at(-1) === LINE_FEED ? undefined : stream;
    this.#tail.add(lines);
    await file?.write(lines);
  }

  #tellProgress(assembler: LineAssembler): void {
    const { onProgress } = this.#options;
    if (!onProgress || !assembler.isRewritten) return;
    const text = plainText(assembler.rest.subarray(0, PROGRESS_BYTES))
      .replaceAll("\t", " ").trim().slice(0, PROGRESS_LENGTH).toWellFormed();
    if (text === "" || text === this.#progress) return;
    this.#progress = text;
    onProgress(text);
  }
}

function makeAssembler(): LineAssembler {
  return new LineAssembler({ maxBytes: HELD_BYTES, longLines: "open" });
}
