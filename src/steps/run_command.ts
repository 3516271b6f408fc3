import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import { pump } from "../output/pump.ts";
import type { Sink } from "../output/sink.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { Containment, ProtectedPaths } from "../process/containment.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import { tagProcessTree } from "../process/process_tree.ts";
import { type Command, spawn } from "../process/spawn.ts";
import { supervise, type SupervisedExit } from "../process/supervise.ts";
import type { Masker } from "../secrets/masker.ts";
import type { TemporaryPlace } from "../fs/temporary_directory.ts";
import type { PassableCommand } from "./script_file.ts";
import type { JobStatus } from "./step.ts";

/** Length up to which any text fits into one argument, in characters. */
const SURELY_SHORT = 40_000;

/** Options for {@linkcode runCommand}. */
export interface RunCommandOptions {
  /** Absolute path of the working directory. */
  cwd: string;
  /** Complete environment of the command. */
  env: ChildEnvironment;
  /** Whether standard error joins standard output. */
  stderr: "merged" | "separate";
  /** Time limit in milliseconds; none by default. */
  timeoutMs: number | undefined;
  /** Time between the ending signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Cancellation of the job. */
  cancellation: Cancellation;
  /** Masker of the job. */
  masker: Masker;
  /** Where standard output goes. */
  stdout: Sink;
  /** Where standard error goes if it is separate. */
  stderrSink: Sink;
  /**
   * Shell of a text: a known name, or a program and its arguments.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
  /**
   * Whether a text that `/bin/sh` runs stops at the first command that fails,
   * as with `sh -e`.
   *
   * @default {false}
   */
  stopsOnError?: boolean;
  /**
   * Whether the command runs untrusted code: it gets its own namespaces where
   * the system supports them.
   *
   * @default {false}
   */
  isUntrusted?: boolean;
  /**
   * Paths that an untrusted command must not change or see.
   *
   * @default {nothing}
   */
  protectedPaths?: ProtectedPaths;
  /** Where a script is stored that is too long for an argument. */
  temporaryPlace: TemporaryPlace;
  /** Whether the runner is in a container for this job. */
  isInContainer: boolean;
  /** Called with what the system does not support. */
  onWarning: (message: string) => void;
  /**
   * Called with the bytes of each stream before they are masked; the streams
   * are separate pipes then.
   *
   * @default {none}
   */
  onOutput?: {
    readonly stdout: (bytes: Uint8Array) => void;
    readonly stderr: (bytes: Uint8Array) => void;
  };
  /**
   * Starts the command.
   *
   * @default {spawn() on this machine}
   */
  start?: typeof spawn;
}

/**
 * Runs a command and writes its masked output to the sinks.
 *
 * @param command Text for the shell, or a program and its arguments.
 * @param options Additional options.
 * @returns How it ended.
 * @throws {RunnerError} If it cannot be started; `output-failed`, if its output
 * cannot be written.
 */
export async function runCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<SupervisedExit> {
  const { masker, cancellation, graceMs, timeoutMs, start = spawn } = options;
  const { stdout, stderr, stderrSink, stopsOnError } = options;
  const { isUntrusted = false, isInContainer, onWarning } = options;
  const { protectedPaths, onOutput } = options;
  const { namespace, problem } = isUntrusted
    ? await containment(isInContainer)
    : {};
  if (problem !== undefined) {
    onWarning(
      `Cannot guarantee that no process of an untrusted step outlives it: ${problem}`,
    );
  }
  if (
    isUntrusted && protectedPaths?.readOnly?.length && !namespace?.hasMounts
  ) {
    onWarning(
      "Cannot hide the copy of the CI source from untrusted steps: the system allows no mount namespace",
    );
  }
  using passable = await passableCommand(command, options);
  const tree = tagProcessTree({ isUntrusted, isInContainer });
  const isText = typeof passable.command === "string";
  const started = isText && stopsOnError
    ? `set -e; ${passable.command}`
    : passable.command;
  const child = start(started, {
    ...options,
    stderr: onOutput ? "separate" : stderr,
    tree,
    namespace: namespace?.wordsFor(protectedPaths),
  });
  const stop = new AbortController();
  const pumping = { stop: stop.signal };
  const drained = Promise.all([
    pump(child.stdout, stdout, {
      ...pumping,
      mask: masker.stream(),
      onBytes: onOutput?.stdout,
    }),
    child.stderr &&
    pump(child.stderr, stderr === "merged" ? stdout : stderrSink, {
      ...pumping,
      mask: masker.stream(),
      onBytes: onOutput?.stderr,
    }),
  ]);
  const exit = await supervise(child, {
    graceMs,
    timeoutMs,
    cancellation,
    drained: drained.then(() => {}, outputFailed),
    stopDraining: () => stop.abort(),
  });
  if (exit.hasSurvivors) {
    onWarning("Processes of a command that is over are still running");
  }
  return exit;
}

/** Most commands are short and need no script file. */
async function passableCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<PassableCommand> {
  const isPlain = typeof command !== "string" ||
    options.shell === undefined && command.length < SURELY_SHORT;
  if (isPlain) return { command, [Symbol.dispose]() {} };
  const script = await import("./script_file.ts");
  return await script.passableCommand(command, options);
}

/** Loaded only for untrusted commands. */
async function containment(isInContainer: boolean): Promise<Containment> {
  const { findContainment } = await import("../process/containment.ts");
  return await findContainment(isInContainer);
}

function outputFailed(cause: unknown): never {
  throw new RunnerError(
    `Cannot write the output of the command: ${osReason(cause)}`,
    { code: "output-failed", cause },
  );
}

/** How a command ended. */
export interface CommandEnd {
  /** Outcome of the command. */
  readonly outcome: JobStatus;
  /** Exit code as a shell counts it. */
  readonly exitCode: number;
  /** Signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** Why it did not succeed; `undefined` too when it was cancelled. */
  readonly error?: RunnerError;
}

/** Options for {@linkcode commandEnd}. */
export interface CommandEndOptions {
  /** Subject of the messages, such as `The command`. */
  subject: string;
  /** Its time limit, in milliseconds. */
  timeoutMs: number | undefined;
}

/**
 * Waits for a command to end.
 *
 * @param exit Exit of the command; rejects if it cannot be started.
 * @param options Additional options.
 * @returns How it ended; a command that cannot be started has the exit code that
 * a shell would give it.
 * @throws Any other error that kept the command from running.
 */
export async function commandEnd(
  exit: Promise<SupervisedExit>,
  options: CommandEndOptions,
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
  const { exitCode, signal, cause } = ended;
  if (cause === "cancelled") return { outcome: "cancelled", exitCode, signal };
  if (cause === "timeout") {
    const error = new RunnerError(
      `${subject} exceeded its time limit of ${timeoutMs} ms`,
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
