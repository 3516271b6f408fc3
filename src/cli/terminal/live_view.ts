import { isSwitchedOn } from "../../boolean.ts";
import type { Host, HostStream } from "../../host.ts";
import { type Sink, streamSink } from "../../output/sink.ts";
import type { StepEvent } from "../../steps/step.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import { Board } from "./board.ts";
import { formatFrame, Region } from "./frame.ts";

/** A process whose terminal shows how far a job is. */
export interface WatchedJob extends AsyncDisposable {
  /** The process, with streams that leave room for the view. */
  readonly host: Host;
  /** Shows what happens to the steps. */
  readonly onStepEvent: (event: StepEvent) => void;
}

/**
 * Shows the steps of a job at the bottom of the terminal as soon as there are
 * several.
 *
 * @param host The process.
 * @returns The watched process, to be disposed of when the job is over;
 * `undefined` without an interactive terminal.
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
 * Both streams must be terminals that can move their cursor, and `CI` must not
 * be set, because a terminal in CI is a recording.
 *
 * @param host The process.
 * @returns Whether it can.
 */
export function isInteractive(
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
  /** Cells of a line, now. */
  columns(): number;
  /** Lines of the terminal, now. */
  rows(): number;
  /** Whether the view may have colors. */
  color: boolean;
  /** What time it is, in milliseconds of any clock. */
  now(): number;
}

/** The view of a running job. */
export interface LiveView extends AsyncDisposable {
  /** Standard output for all other writers, also after the view is closed. */
  readonly stdout: HostStream;
  /** Standard error for all other writers. */
  readonly stderr: HostStream;
  /** Records an event, which is drawn soon. */
  onEvent(event: StepEvent): void;
  /** Erases the view; may be called several times. */
  close(): Promise<void>;
}

const REDRAW_MS = 100;

const encoder = new TextEncoder();

/**
 * Opens a view of the steps of a job at the bottom of the terminal.
 *
 * Nothing else may write to the terminal while it is open. Its timer does not
 * keep the process alive. The streams still work after it is closed.
 *
 * @param options Terminal, color and clock.
 * @returns The view; to be closed whatever happens.
 */
export function openLiveView(options: LiveViewOptions): LiveView {
  const { columns, rows, color, now } = options;
  const board = new Board(now());
  const region = new Region(() => {
    if (board.runningCount + board.waitingCount === 0) return [];
    const size = { columns: columns(), rows: rows() };
    return formatFrame(board, { size, color, now: now() });
  });
  const stdout = streamSink(options.stdout);
  const stderr = streamSink(options.stderr);
  const inTurn = turns();
  let isDrawing = false;
  let closing: Promise<void> | undefined;

  async function draw(): Promise<void> {
    // A slow terminal must not fall further behind.
    if (isDrawing) return;
    isDrawing = true;
    try {
      await inTurn(() => writeText(stderr, region.update()));
      isDrawing = false;
    } catch {
      // A job does not fail because its terminal cannot be drawn on.
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
    // As for drawing: the next writer gets the error itself.
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

/** Creates a queue: each task begins when those before it are over. */
function turns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    // The caller of a task gets its error; later tasks still run.
    last = turn.catch(() => {});
    return turn;
  };
}

/** One write, so that nothing is seen of the screen in between. */
async function print(
  region: Region,
  sink: Sink,
  bytes: Uint8Array,
): Promise<number> {
  if (bytes.length === 0) return 0;
  const { before, after } = region.moveBelow(bytes);
  await sink.write(
    before + after === "" ? bytes : joined(before, bytes, after),
  );
  return bytes.length;
}

async function writeText(sink: Sink, text: string): Promise<void> {
  if (text !== "") await sink.write(encoder.encode(text));
}

function joined(before: string, bytes: Uint8Array, after: string): Uint8Array {
  const [head, foot] = [encoder.encode(before), encoder.encode(after)];
  const whole = new Uint8Array(head.length + bytes.length + foot.length);
  whole.set(head);
  whole.set(bytes, head.length);
  whole.set(foot, head.length + bytes.length);
  return whole;
}
