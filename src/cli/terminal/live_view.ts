import { isSwitchedOn } from "../../boolean.ts";
import { joinBytes } from "../../bytes.ts";
import type { Host, HostStream } from "../../host.ts";
import { type Sink, streamSink } from "../../output/sink.ts";
import type { StepEvent } from "../../steps/step.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import { formatFrame, StepBoard } from "./frame.ts";

/** A process with a live view of a job on its terminal. */
export interface WatchedJob extends AsyncDisposable {
  /** The process, with streams that write above the view. */
  readonly host: Host;
  /** Updates the view. */
  readonly onStepEvent: (event: StepEvent) => void;
}

/**
 * Shows the steps of a job at the bottom of the terminal, if there are several.
 *
 * @returns The process with a view, to be disposed when the job has ended;
 * `undefined` if the terminal is not interactive.
 */
export function watchJob(host: Host): WatchedJob | undefined {
  if (!isInteractive(host)) return undefined;
  const view = openLiveView({
    stdout: host.stdout,
    stderr: host.stderr,
    columns: () => host.consoleSize?.()?.columns ?? 80,
    rows: () => host.consoleSize?.()?.rows ?? 24,
    color: shouldUseColor(host.env, true),
    now: () => performance.now(),
  });
  let isShown = false;
  return {
    host: { ...host, stdout: view.stdout, stderr: view.stderr },
    onStepEvent(event) {
      if (event.type === "planned") isShown = event.steps.length > 1;
      // A single step may leave an incomplete line on the screen.
      if (isShown) view.onEvent(event);
    },
    [Symbol.asyncDispose]: () => view.close(),
  };
}

/**
 * Checks whether a live view can be drawn on the terminal.
 *
 * Both streams must be terminals that can move the cursor, and `CI` must not be
 * set, because a terminal in CI is recorded.
 */
function isInteractive(
  host: Pick<Host, "env" | "stdout" | "stderr">,
): boolean {
  const { env, stdout, stderr } = host;
  if (isSwitchedOn(env.CI) || env.TERM === "dumb") return false;
  return stdout.isTerminal() && stderr.isTerminal();
}

/** Options for {@linkcode openLiveView}. */
export interface LiveViewOptions {
  /** Standard output, on the terminal. */
  stdout: HostStream;
  /** Standard error, on the same terminal. */
  stderr: HostStream;
  /** Returns the current number of columns. */
  columns(): number;
  /** Returns the current number of rows. */
  rows(): number;
  /** Whether the view may have colors. */
  color: boolean;
  /** Returns the current time of any clock, in milliseconds. */
  now(): number;
}

/** View of a running job. */
export interface LiveView extends AsyncDisposable {
  /** Standard output for all other writers, even after the view is closed. */
  readonly stdout: HostStream;
  /** Standard error for all other writers. */
  readonly stderr: HostStream;
  /** Records an event, which is drawn with the next update. */
  onEvent(event: StepEvent): void;
  /** Erases the view; can be called several times. */
  close(): Promise<void>;
}

const REDRAW_MS = 100;

const encoder = new TextEncoder();

/**
 * Opens a view of the steps of a job at the bottom of the terminal.
 *
 * While it is open, nothing else may write to the terminal. Its timer does not
 * keep the process alive. The streams still work after it is closed.
 *
 * @returns The view; it must be closed in all cases.
 */
export function openLiveView(options: LiveViewOptions): LiveView {
  const { columns, rows, color, now } = options;
  const board = new StepBoard(now());
  const region = new Region(() => {
    if (board.runningCount + board.waitingCount === 0) return [];
    const size = { columns: columns(), rows: rows() };
    return formatFrame(board, { size, color, now: now() });
  });
  const stdout = streamSink(options.stdout);
  const stderr = streamSink(options.stderr);
  const inTurn = createQueue();
  let isDrawing = false;
  let closing: Promise<void> | undefined;

  async function draw(): Promise<void> {
    // Skip updates that a slow terminal cannot keep up with.
    if (isDrawing) return;
    isDrawing = true;
    try {
      await inTurn(() => writeText(stderr, region.update()));
      isDrawing = false;
    } catch {
      // A job must not fail because its view cannot be drawn.
      clearInterval(timer);
    }
  }
  const timer = setInterval(draw, REDRAW_MS);
  Deno.unrefTimer(timer);

  function printer(stream: HostStream, sink: Sink): HostStream {
    return {
      isTerminal: () => stream.isTerminal(),
      write: (bytes) => inTurn(() => print(region, sink, bytes)),
    };
  }
  function close(): Promise<void> {
    clearInterval(timer);
    // Errors are ignored as in draw(); the next writer gets its own error.
    closing ??= inTurn(() => writeText(stderr, region.close())).catch(() => {});
    return closing;
  }
  return {
    stdout: printer(options.stdout, stdout),
    stderr: printer(options.stderr, stderr),
    onEvent: (event) => board.apply(event, now()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Creates a queue in which tasks run one after the other. */
function createQueue(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    // The caller of a task gets its error; later tasks still run.
    last = turn.catch(() => {});
    return turn;
  };
}

/** Prints bytes with a single write, to avoid flicker. */
async function print(
  region: Region,
  sink: Sink,
  bytes: Uint8Array,
): Promise<number> {
  if (bytes.length === 0) return 0;
  const { before, after } = region.moveBelow(bytes);
  await sink.write(
    before + after === ""
      ? bytes
      : joinBytes([encoder.encode(before), bytes, encoder.encode(after)]),
  );
  return bytes.length;
}

async function writeText(sink: Sink, text: string): Promise<void> {
  if (text !== "") await sink.write(encoder.encode(text));
}

/** Hides the cursor. */
const HIDE_CURSOR = "\x1b[?25l";

/** Shows the cursor. */
const SHOW_CURSOR = "\x1b[?25h";

/** Starts a synchronized update, which is shown at {@linkcode END_UPDATE}. */
const BEGIN_UPDATE = "\x1b[?2026h";

/** Ends a synchronized update, and shows it at once. */
const END_UPDATE = "\x1b[?2026l";

const SAVE_CURSOR = "\x1b7";
const RESTORE_CURSOR = "\x1b8";
const PLAIN_STYLE = "\x1b[0m";
const ERASE_TO_END_OF_LINE = "\x1b[K";
const ERASE_TO_END_OF_SCREEN = "\x1b[J";
const DO_NOT_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";

const CURSOR_DOWN = "\x1b[B";

/**
 * Erases the lines of {@linkcode drawLines}. The first line is erased by itself,
 * because tmux keeps a screen that is erased from its very start in its history.
 */
const ERASE_LINES: string = SAVE_CURSOR + PLAIN_STYLE +
  ERASE_TO_END_OF_LINE + CURSOR_DOWN + ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR;

/** Text to write around the bytes of other writers. */
export interface Surroundings {
  /** Text before the bytes; may be empty. */
  readonly before: string;
  /** Text after the bytes; may be empty. */
  readonly after: string;
}

const NEW_LINE = 0x0a;

/**
 * Lines at the bottom of a terminal, below all other output.
 *
 * Methods return text that must be written in order. The region is hidden while
 * another writer's line is incomplete.
 */
export class Region {
  readonly #lines: () => readonly string[];
  /** Text on the screen; empty if nothing is drawn. */
  #drawn = "";
  #isAtLineStart = true;
  #isCursorHidden = false;
  #isClosed = false;

  /**
   * Creates a region that is not drawn yet.
   *
   * @param lines Returns the current lines; none for an empty region.
   */
  constructor(lines: () => readonly string[]) {
    this.#lines = lines;
  }

  /** Updates the lines; returns an empty text if nothing has changed. */
  update(): string {
    const frame = this.#frame();
    if (frame === this.#drawn) return "";
    return frame === ""
      ? this.#erase()
      : BEGIN_UPDATE + this.#show(frame) + END_UPDATE;
  }

  /** Moves the lines below bytes that are about to be written. */
  moveBelow(bytes: Uint8Array): Surroundings {
    const erased = this.#erase();
    this.#isAtLineStart = bytes.at(-1) === NEW_LINE;
    const shown = this.#show(this.#frame());
    return erased === "" ? { before: "", after: shown } : {
      before: BEGIN_UPDATE + erased,
      after: shown + END_UPDATE,
    };
  }

  /** Erases the region; nothing is drawn from now on. */
  close(): string {
    const erased = this.#erase();
    const text = this.#isCursorHidden ? erased + SHOW_CURSOR : erased;
    this.#isClosed = true;
    this.#isCursorHidden = false;
    return text;
  }

  #erase(): string {
    if (this.#drawn === "") return "";
    this.#drawn = "";
    return ERASE_LINES;
  }

  #frame(): string {
    if (this.#isClosed || !this.#isAtLineStart) return "";
    const lines = this.#lines();
    return lines.length === 0 ? "" : drawLines(lines);
  }

  #show(frame: string): string {
    this.#drawn = frame;
    if (frame === "" || this.#isCursorHidden) return frame;
    this.#isCursorHidden = true;
    return HIDE_CURSOR + frame;
  }
}

/**
 * Draws lines at the cursor, and leaves the cursor at the start of the first
 * line.
 *
 * From there, everything can be erased, even if the terminal rewrapped the
 * lines after its size changed. The style in which the job prints is saved with
 * the cursor.
 *
 * @param lines One or more lines, fewer than the terminal has.
 * @returns Text to write while the cursor is at the start of a line.
 */
function drawLines(lines: readonly string[]): string {
  const below = lines.length - 1;
  // Scroll first if necessary: the saved cursor position is absolute.
  const makeRoom = below === 0 ? "" : `${"\r\n".repeat(below)}\x1b[${below}A`;
  const text = lines.map((line) => line + ERASE_TO_END_OF_LINE).join("\r\n");
  return makeRoom + SAVE_CURSOR + PLAIN_STYLE + DO_NOT_WRAP + text +
    ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR + WRAP;
}
