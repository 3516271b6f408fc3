import type { HostStream } from "../../host.ts";
import type { StepEvent } from "../../steps/step.ts";
import { type Sink, streamSink } from "../../output/sink.ts";
import { Board } from "./board.ts";
import { formatFrame, Region } from "./frame.ts";

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

/** What a person sees of a job while it runs. */
export interface LiveView extends AsyncDisposable {
  /** Standard output for everybody else, from now on and for good. */
  readonly stdout: HostStream;
  /** Standard error for everybody else. */
  readonly stderr: HostStream;
  /** Takes note of what happened; it is seen soon. */
  onEvent(event: StepEvent): void;
  /** Leaves nothing of the view on the screen; more than once is harmless. */
  close(): Promise<void>;
}

const REDRAW_MS = 100;

const encoder = new TextEncoder();

/**
 * Opens a view of the steps of a job at the bottom of the terminal.
 *
 * Nothing else may write to the terminal while it is open. Its timer keeps no
 * process alive. After it was closed, the streams go on to work.
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
    // A terminal that is slow is not to get more behind.
    if (isDrawing) return;
    isDrawing = true;
    try {
      await inTurn(() => writeText(stderr, region.update()));
      isDrawing = false;
    } catch {
      // A terminal that cannot be drawn on is no reason to end a job.
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
    // As for drawing: who prints learns by itself what is wrong.
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
    // A task that fails, fails for who asked for it, and no other.
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
