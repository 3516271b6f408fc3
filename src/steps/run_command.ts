import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { TemporaryPlace } from "../fs/temporary_directory.ts";
import { pump } from "../output/pump.ts";
import type { Sink } from "../output/sink.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { tagProcessTree } from "../process/process_tree.ts";
import type { SandboxLimits } from "../process/sandbox/find_sandbox.ts";
import type { ProtectedPaths } from "../process/sandbox/mount_words.ts";
import {
  type Command,
  type CommandLauncher,
  spawn,
  TIMEOUT_EXIT_CODE,
} from "../process/spawn.ts";
import { supervise, type SupervisedExit } from "../process/supervise.ts";
import type { Clock } from "../process/time_limit.ts";
import { durationText } from "../schema/duration.ts";
import type { Masker } from "../secrets/masker.ts";
import type { PassableCommand } from "./shell.ts";
import type { JobStatus } from "./step.ts";

/** Length up to which every text fits into one argument, in characters. */
const MAX_SAFE_LENGTH = 40_000;

/** Options for {@linkcode runCommand}. */
export interface RunCommandOptions {
  /** Absolute path of the working directory. */
  cwd: string;
  /** Complete environment of the command. */
  env: ChildEnvironment;
  /** Whether standard error is merged into standard output. */
  stderr: "merged" | "separate";
  /** Time limit in milliseconds, or `undefined` for none. */
  timeoutMs: number | undefined;
  /** Time between the termination signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cancellation of the job. */
  cancellation: Cancellation;
  /** Masker of the job. */
  masker: Masker;
  /** Receives standard output. */
  stdout: Sink;
  /** Receives standard error if it is separate. */
  stderrSink: Sink;
  /**
   * Name of a built-in shell, or a program and its arguments.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
  /**
   * Whether a `/bin/sh` command stops at the first failing command, as with
   * `sh -e`.
   *
   * @default {false}
   */
  stopsOnError?: boolean;
  /**
   * Whether the command is untrusted. Untrusted commands run in their own
   * namespaces where the system supports them.
   *
   * @default {false}
   */
  isUntrusted?: boolean;
  /**
   * Paths that are read-only or hidden for an untrusted command.
   *
   * @default {none}
   */
  protectedPaths?: ProtectedPaths;
  /**
   * Paths and sockets that the kernel lets the command access.
   *
   * @default {no restrictions}
   */
  limits?: SandboxLimits;
  /**
   * Whether the command must not start without its limits.
   *
   * @default {false}
   */
  areLimitsRequired?: boolean;
  /** Where script files are created. */
  temporaryPlace: TemporaryPlace;
  /** Whether the runner runs in a container that exists only for this job. */
  isInContainer: boolean;
  /** Called with warnings about isolation that the system does not support. */
  onWarning: (message: string) => void;
  /**
   * Time for which processes may hold the pipe of a command that has exited, in
   * milliseconds.
   *
   * @default {2_000}
   */
  drainMs?: number;
  /**
   * Receives the unmasked bytes of each stream. If set, the streams use
   * separate pipes.
   *
   * @default {none}
   */
  onOutput?: {
    readonly stdout: (bytes: Uint8Array) => void;
    readonly stderr: (bytes: Uint8Array) => void;
  };
  /**
   * Called with the process ID of the command; the returned handle is disposed
   * when the command has ended.
   *
   * @default {none}
   */
  onStart?: (pid: number) => Disposable;
  /**
   * Function that starts the command.
   *
   * @default {spawn}
   */
  start?: typeof spawn;
  /**
   * Clock of the time limits.
   *
   * @default {the clock of the system}
   */
  clock?: Clock;
}

/**
 * Runs a command and writes its masked output to the sinks.
 *
 * @param command Shell command, or a program and its arguments.
 * @returns How the command ended.
 * @throws {RunnerError} If the command cannot be started; `output-failed` if
 * its output cannot be written.
 */
export async function runCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<SupervisedExit> {
  const { masker, cancellation, graceMs, timeoutMs, start = spawn } = options;
  const { stdout, stderr, stderrSink, stopsOnError } = options;
  const { isUntrusted = false, isInContainer, onOutput } = options;
  using passable = await passableCommand(command, options);
  const launcher = await findLauncher(options);
  const tree = tagProcessTree({
    isUntrusted,
    isInContainer,
    hasNamespace: launcher?.isolation?.hasNamespace,
  });
  const isText = typeof passable.command === "string";
  const started = isText && stopsOnError
    ? `set -e; ${passable.command}`
    : passable.command;
  const child = start(started, {
    ...options,
    stderr: onOutput ? "separate" : stderr,
    tree,
    launcher,
  });
  const stop = new AbortController();
  const pumping = { stop: stop.signal };
  const drained = Promise.all([
    pump(child.stdout, stdout, {
      ...pumping,
      startMask: () => masker.stream(),
      onBytes: onOutput?.stdout,
    }),
    child.stderr &&
    pump(child.stderr, stderr === "merged" ? stdout : stderrSink, {
      ...pumping,
      startMask: () => masker.stream(),
      onBytes: onOutput?.stderr,
    }),
  ]);
  using _ = options.onStart?.(child.pid);
  const exit = await supervise(child, {
    graceMs,
    timeoutMs,
    drainMs: options.drainMs,
    cancellation,
    clock: options.clock,
    drained: drained.then(() => {}, throwOutputError),
    stopDraining: () => stop.abort(),
  });
  if (exit.hasSurvivors) {
    options.onWarning(
      "Processes of a command that has ended are still running",
    );
  }
  return exit;
}

/** Loads the module for script files only if the command might need one. */
async function passableCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<PassableCommand> {
  const isPlain = typeof command !== "string" ||
    options.shell === undefined && command.length < MAX_SAFE_LENGTH;
  if (isPlain) return { command, [Symbol.dispose]() {} };
  const script = await import("./shell.ts");
  return await script.passableCommand(command, options);
}

/**
 * Returns the launcher that isolates a command, and loads its module if needed.
 *
 * @returns The launcher; `undefined` if nothing isolates the command.
 * @throws {RunnerError} `invalid-job` if required limits cannot be applied.
 */
export async function findLauncher(
  options: Pick<
    RunCommandOptions,
    | "isUntrusted"
    | "protectedPaths"
    | "limits"
    | "areLimitsRequired"
    | "isInContainer"
    | "onWarning"
  >,
): Promise<CommandLauncher | undefined> {
  const { isUntrusted = false, limits, areLimitsRequired = false } = options;
  if (!isUntrusted && limits === undefined) return undefined;
  const { isolate } = await import("../process/sandbox/isolate.ts");
  return await isolate({
    protectedPaths: {},
    ...options,
    isUntrusted,
    areLimitsRequired,
  });
}

function throwOutputError(cause: unknown): never {
  throw new RunnerError(
    `Cannot write the output of the command: ${osReason(cause)}`,
    { code: "output-failed", cause },
  );
}

/** How a command ended. */
export interface CommandEnd {
  /** Outcome of the command. */
  readonly outcome: JobStatus;
  /** Exit code; 128+N after signal N, as in a shell. */
  readonly exitCode: number;
  /** Signal that ended the command, or `null`. */
  readonly signal: Deno.Signal | null;
  /** Error of a command that failed or timed out, but not of a cancelled one. */
  readonly error?: RunnerError;
  /** Whether it was killed because it did not end within its grace time. */
  readonly wasKilled?: boolean;
}

/** Options for {@linkcode waitForCommand}. */
export interface WaitForCommandOptions {
  /** Subject of error messages, such as `The command`. */
  subject: string;
  /** Time limit of the command, in milliseconds, for error messages. */
  timeoutMs: number | undefined;
}

/**
 * Waits for a command to end.
 *
 * @param exit Exit of the command; rejects if it cannot be started.
 * @returns How the command ended. If it was not found or not executable, the
 * exit code is that of a shell.
 * @throws Any other error that prevented the command from running.
 */
export async function waitForCommand(
  exit: Promise<SupervisedExit>,
  options: WaitForCommandOptions,
): Promise<CommandEnd> {
  const { subject, timeoutMs } = options;
  let ended: SupervisedExit;
  try {
    ended = await exit;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    if (!error.code.startsWith("command-not-")) throw error;
    return { outcome: "failed", exitCode: error.exitCode, signal: null, error };
  }
  const { exitCode, signal, cause, wasKilled } = ended;
  if (cause === "cancelled") {
    return {
      outcome: "cancelled",
      exitCode,
      signal,
      ...wasKilled ? { wasKilled } : {},
    };
  }
  if (cause === "timeout") {
    const error = new RunnerError(
      `${subject} exceeded its time limit of ${durationText(timeoutMs!)}`,
      { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
    );
    return { outcome: "timeout", exitCode, signal, error };
  }
  if (exitCode === 0) return { outcome: "success", exitCode, signal };
  const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`;
  const error = new RunnerError(`${subject} ended ${how}`, {
    code: "command-failed",
    exitCode,
  });
  return { outcome: "failed", exitCode, signal, error };
}
