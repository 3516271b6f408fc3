import { joinBytes } from "../../bytes.ts";
import { isSwitchedOn } from "../../boolean.ts";
import type { Host, HostStream } from "../../host.ts";
import { type Sink, streamSink } from "../../output/sink.ts";
import type { StepEvent } from "../../steps/step.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import { StepBoard } from "./step_board.ts";
import { formatFrame } from "./frame.ts";
import { Region } from "./region.ts";

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
