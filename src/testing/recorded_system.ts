import { commandText } from "../command_text.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import type { Host, TerminationSignal } from "../host.ts";
import type {
  ByteStream,
  Command,
  ExitStatus,
  RunningProcess,
  SpawnOptions,
} from "../process/spawn.ts";
import type { JobSystem } from "../steps/job_system.ts";
import type {
  CommandReply,
  RecordedCommand,
  StartedCommand,
  TestedCommand,
} from "./recorded_command.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** Number of processors of the system. */
const PROCESSORS = 4;

/** Numbers of the signals that a runner sends. */
const SIGNAL_NUMBERS: Readonly<Partial<Record<Deno.Signal, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};

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
    const text = textOf(command);
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
    const reply = replyTo(this.#options.replyOf(step), started);
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

function replyTo(
  reply: CommandReply,
  started: StartedCommand,
): RecordedCommand {
  if (typeof reply === "function") return reply(started);
  const all = [reply].flat();
  return all[Math.min(started.index, all.length - 1)] ?? {};
}

function textOf(command: Command): string {
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
  const out = outputStream(isMerged ? stdout + stderr : stdout);
  const err = isMerged ? undefined : outputStream(stderr);
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
      end({ exitCode: 128 + (SIGNAL_NUMBERS[signal] ?? 0), signal });
    },
    end: () => Promise.resolve(true),
  };
}

/** Creates a stream that has its text from the start, and ends later. */
function outputStream(text: string): { stream: ByteStream; end(): void } {
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
