import { commandText } from "../command_text.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import type { Host, TerminationSignal } from "../host.ts";
import { onAbort } from "../process/cancellation.ts";
import {
  type ByteStream,
  type Command,
  type ExitStatus,
  type RunningProcess,
  type SentSignal,
  signalExitCode,
  type SpawnOptions,
} from "../process/spawn.ts";
import type { Clock } from "../process/time_limit.ts";
import { readRecord } from "../report/run_record.ts";
import type { JobSystem } from "../steps/job_system.ts";

/**
 * Recorded behavior of a command, which a test replays instead of running it.
 */
export interface RecordedCommand {
  /**
   * Exit code.
   *
   * @default {0}
   */
  readonly exitCode?: number;
  /**
   * Text on standard output, printed when the command starts.
   *
   * @default {""}
   */
  readonly stdout?: string;
  /**
   * Text on standard error, printed when the command starts.
   *
   * @default {""}
   */
  readonly stderr?: string;
  /**
   * How long the command runs, in milliseconds of the virtual time. Services
   * and background steps run until they are ended.
   *
   * @default {0}
   */
  readonly durationMs?: number;
  /**
   * Outputs that the command writes to `REACTORCIDE_OUTPUT` when it ends.
   *
   * @default {{}}
   */
  readonly outputs?: Readonly<Record<string, string>>;
  /**
   * Whether the command ignores SIGTERM, so that it ends only when it is killed
   * after the grace time.
   *
   * @default {false}
   */
  readonly ignoresTermination?: boolean;
}

/**
 * Recorded commands of a step: one for each time that it starts a command, of
 * which the last one repeats, or a function that decides.
 */
export type CommandReply =
  | RecordedCommand
  | readonly RecordedCommand[]
  | ((command: StartedCommand) => RecordedCommand);

/** A command that a step has started in a test. */
export interface StartedCommand {
  /** Name of the step. */
  readonly step: string;
  /** Number of commands that the step had started before. */
  readonly index: number;
  /** The command as in the step; words of a list are quoted. */
  readonly text: string;
  /** Complete environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the working directory. */
  readonly cwd: string;
  /** Start in virtual time, in milliseconds since the start of the job. */
  readonly startMs: number;
}

/** A command that a step has started in a test, and how it ended. */
export interface TestedCommand extends StartedCommand {
  /** End in virtual time, in milliseconds; unset if it never ended. */
  readonly endMs?: number;
  /** Exit code, 128+N after signal N; `null` if it never ended. */
  readonly exitCode: number | null;
  /** Signal that ended it, or `null`. */
  readonly signal: Deno.Signal | null;
}

/**
 * Reads the recorded commands of a job from the record of a real run: how long
 * each attempt at a step took, and how it ended.
 *
 * @param text Content of the file `run.jsonl` in the artifacts of the run.
 * @returns Commands by step, for {@linkcode testJob}.
 * @throws {TypeError} If the text is not a record.
 *
 * @example
 * ```ts
 * import { createRunner, Job } from "@reactorcide/runnerlib";
 * import { commandsFromRecord, testJob } from "@reactorcide/runnerlib/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const cwd = await Deno.makeTempDir();
 * const job = new Job("checks").addStep("a", "exit 3").addStep("b", "true");
 * await createRunner({ cwd }).runJob(job);
 *
 * const record = await Deno.readTextFile(`${cwd}/job/artifacts/run.jsonl`);
 * const test = await testJob(job, { commands: commandsFromRecord(record) });
 * assertEquals(test.exitCode, 3);
 * ```
 */
export function commandsFromRecord(
  text: string,
): Record<string, readonly RecordedCommand[]> {
  const record = readRecord(text);
  if (record === undefined) {
    throw new TypeError(
      "Cannot read commands: the text is not a record of a run",
    );
  }
  return Object.fromEntries(
    record.steps
      .filter(({ attempts }) => attempts.length > 0)
      .map(({ name, attempts }) => [
        name,
        attempts.map(({ exitCode, durationMs }) => ({
          exitCode: exitCode ?? 1,
          durationMs,
        })),
      ]),
  );
}

/** Number of processors of the system. */
const PROCESSORS = 4;

/** Text that the runner prepends to a shell command. */
const PREFIX = "set -e; ";

/** Command that checks whether a service is ready; it is not recorded. */
export const READY_COMMAND = ": service is ready";

/** Options for {@linkcode RecordedSystem}. */
export interface RecordedSystemOptions {
  /** Finds the reply of a step, by its name. */
  replyOf: (step: string) => CommandReply;
  /** Whether a step runs until it is ended. */
  isEndless: (step: string) => boolean;
}

/** A system on which nothing runs: it replays recorded commands. */
export class RecordedSystem implements JobSystem, Disposable {
  readonly clock: VirtualClock = new VirtualClock();
  readonly processors: number = PROCESSORS;
  /** Commands in the order of their starts. */
  readonly commands: TestedCommand[] = [];
  readonly startsPrograms = false;
  readonly keepsLogs = false;
  readonly usesCache = false;
  readonly #options: RecordedSystemOptions;
  /** Outputs that commands have written, by their paths. */
  readonly #outputs = new Map<string, Readonly<Record<string, string>>>();
  #attemptCount = 0;
  readonly #counts = new Map<string, number>();

  /**
   * Creates a system at the time 0.
   *
   * @param options The recorded commands.
   */
  constructor(options: RecordedSystemOptions) {
    this.#options = options;
  }

  /** Retries have no jitter. */
  random = (): number => 0;

  [Symbol.dispose](): void {
    this.clock[Symbol.dispose]();
  }

  /** All attempts share a directory, since no program can read it. */
  openAttemptFiles: NonNullable<JobSystem["openAttemptFiles"]> = (
    { attemptsPath, workspace },
  ) => {
    const outputPath = `${attemptsPath}/output-${++this.#attemptCount}`;
    return {
      outputPath,
      readOutputs: () => Promise.resolve(this.#outputs.get(outputPath) ?? {}),
      temporaryPlace: { env: { TMPDIR: attemptsPath }, workspace },
      protectedPaths: {},
      [Symbol.dispose]() {},
    };
  };

  spawn = (command: Command, options: SpawnOptions): RunningProcess => {
    const text = readCommandText(command);
    if (text === READY_COMMAND) {
      return replay({}, {
        clock: this.clock,
        durationMs: 0,
        isMerged: options.stderr !== "separate",
      });
    }
    const step = options.env[Variable.stepName] ?? "command";
    const index = this.#counts.get(step) ?? 0;
    this.#counts.set(step, index + 1);
    const started: StartedCommand = {
      step,
      index,
      text,
      env: options.env,
      cwd: options.cwd,
      startMs: this.clock.now(),
    };
    const reply = selectReply(this.#options.replyOf(step), started);
    const { durationMs = this.#options.isEndless(step) ? Infinity : 0 } = reply;
    const at = this.commands.push({ ...started, exitCode: null, signal: null });
    return replay(reply, {
      clock: this.clock,
      durationMs,
      isMerged: options.stderr !== "separate",
      onEnd: (status) => {
        const { [Variable.output]: outputPath } = options.env;
        if (status.signal === null && outputPath !== undefined) {
          this.#outputs.set(outputPath, reply.outputs ?? {});
        }
        const endMs = this.clock.now();
        this.commands[at - 1] = { ...started, ...status, endMs };
      },
    });
  };
}

function selectReply(
  reply: CommandReply,
  started: StartedCommand,
): RecordedCommand {
  if (typeof reply === "function") return reply(started);
  const all = [reply].flat();
  return all[Math.min(started.index, all.length - 1)] ?? {};
}

function readCommandText(command: Command): string {
  const text = commandText(command);
  return text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text;
}

/** Options for {@linkcode replay}. */
interface ReplayOptions {
  clock: VirtualClock;
  durationMs: number;
  isMerged: boolean;
  onEnd?: (status: ExitStatus) => void;
}

/** Behaves like a program that does what was recorded. */
function replay(
  recorded: RecordedCommand,
  { clock, durationMs, isMerged, onEnd }: ReplayOptions,
): RunningProcess {
  const { stdout = "", stderr = "", exitCode = 0 } = recorded;
  const out = createOutput(isMerged ? stdout + stderr : stdout);
  const err = isMerged ? undefined : createOutput(stderr);
  const { promise, resolve } = Promise.withResolvers<ExitStatus>();
  const waiting = clock.idle();
  const limit = clock.limit(durationMs);
  let isOver = false;

  function end(status: ExitStatus): void {
    if (isOver) return;
    isOver = true;
    waiting[Symbol.dispose]();
    limit[Symbol.dispose]();
    out.end();
    err?.end();
    onEnd?.(status);
    resolve(status);
  }

  limit.reached.then(() => end({ exitCode, signal: null }));
  return {
    pid: 0,
    stdout: out.stream,
    stderr: err?.stream,
    status: promise,
    signal(signal) {
      if (signal !== "SIGKILL" && recorded.ignoresTermination) return;
      end({ exitCode: signalExitCode(signal as SentSignal), signal });
    },
    end: () => Promise.resolve(true),
  };
}

/** Creates a stream that has its text from the start, and ends later. */
function createOutput(text: string): { stream: ByteStream; end(): void } {
  let controller: ReadableByteStreamController;
  const stream = new ReadableStream({
    type: "bytes",
    start(given) {
      controller = given;
      if (text !== "") given.enqueue(new TextEncoder().encode(text));
    },
  });
  return {
    stream,
    end() {
      try {
        controller.close();
        controller.byobRequest?.respond(0);
      } catch {
        // The reader has cancelled the stream.
      }
    },
  };
}

/** Options for {@linkcode recordingHost}. */
export interface RecordingHostOptions {
  /** Environment of the runner. */
  env: Environment;
  /** Absolute path of the current directory. */
  cwd: string;
}

/** A host that records what is printed. */
export interface RecordingHost extends Host {
  /** The output so far. */
  readonly printed: { readonly stdout: string; readonly stderr: string };
  /** Acts as if the process got a signal. */
  signal(name: TerminationSignal): void;
}

/** Creates a host without a process, which starts outside a container. */
export function recordingHost(
  { env, cwd }: RecordingHostOptions,
): RecordingHost {
  const listeners = new Set<(signal: TerminationSignal) => void>();
  const printed = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof printed) => {
    const decoder = new TextDecoder();
    return {
      write(bytes: Uint8Array) {
        printed[name] += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
      isTerminal: () => false,
    };
  };
  return {
    env: { [Variable.inContainer]: "false", ...env },
    cwd,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    printed,
    onSignal(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    signal(name) {
      for (const listener of [...listeners]) listener(name);
    },
  };
}

/** Date at which each test starts. */
const START = Date.UTC(2026, 0, 1);

/** A time that a waiter waits for. */
interface Timer {
  readonly dueMs: number;
  readonly fire: () => void;
}

/**
 * A clock that skips waiting times.
 *
 * The time jumps to the next timer when the runner has started everything that
 * can start, and waits only for commands or for the delays before retries.
 * Therefore, the order of events depends only on their times.
 */
class VirtualClock implements Clock {
  #nowMs = 0;
  #workers = 0;
  #isJumping = false;
  readonly #timers = new Set<Timer>();
  readonly #turns = new MessageChannel();

  /** Creates a clock at the time 0. */
  constructor() {
    this.#turns.port1.onmessage = () => this.#jump();
  }

  /** Releases the clock; no timer fires any more. */
  [Symbol.dispose](): void {
    this.#timers.clear();
    this.#turns.port1.close();
    this.#turns.port2.close();
  }

  now = (): number => this.#nowMs;

  date = (): Date => new Date(START + this.#nowMs);

  limit = (ms: number): Disposable & { readonly reached: Promise<true> } => {
    const { promise, resolve } = Promise.withResolvers<true>();
    const timer = this.#start(ms, () => resolve(true));
    return { reached: promise, [Symbol.dispose]: () => this.#stop(timer) };
  };

  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _idle = this.idle();
    const timer = this.#start(ms, resolve);
    using _ = signal && onAbort(signal, resolve);
    await promise;
    this.#stop(timer);
  };

  work = (): Disposable => {
    this.#workers++;
    return { [Symbol.dispose]: () => this.#release() };
  };

  /** Marks a worker as waiting for the time to pass. */
  idle(): Disposable {
    this.#release();
    return { [Symbol.dispose]: () => void this.#workers++ };
  }

  #release(): void {
    this.#workers--;
    this.#plan();
  }

  #start(ms: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), fire };
    this.#timers.add(timer);
    this.#plan();
    return timer;
  }

  #stop(timer: Timer): void {
    this.#timers.delete(timer);
  }

  /**
   * Schedules a jump. Actions that are decided at the current time run first,
   * which takes a turn of the event loop.
   */
  #plan(): void {
    if (this.#isJumping || this.#workers > 0 || this.#timers.size === 0) return;
    this.#isJumping = true;
    this.#turns.port2.postMessage(undefined);
  }

  #jump(): void {
    this.#isJumping = false;
    if (this.#workers > 0) return;
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    if (next === undefined || next.dueMs === Infinity) return;
    this.#timers.delete(next);
    this.#nowMs = next.dueMs;
    next.fire();
    this.#plan();
  }
}
