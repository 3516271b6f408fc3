import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { EndingSignal } from "../host.ts";
import { type ExitStatus, exitStatus } from "./exit_code.ts";

/** Options for {@linkcode runInherited}. */
export interface RunInheritedOptions {
  /** Working directory. */
  cwd: string;
  /** The complete environment of the program. */
  env: ChildEnvironment;
  /** Calls a listener for each signal that the runner gets. */
  onSignal: (listener: (signal: EndingSignal) => void) => Disposable;
  /** Whether the program gets the signals of a terminal by itself. */
  hasTerminal: boolean;
  /**
   * Passes on what the program prints, up to the end of its streams, or to
   * what is in them when the signal is aborted.
   *
   * @default {the program has the streams of the runner}
   */
  passOn?: (output: ProgramOutput, stop: AbortSignal) => Promise<void>;
}

/** What a program prints. */
export type ProgramOutput = Pick<Deno.ChildProcess, "stdout" | "stderr">;

/**
 * Runs a program in the place of the runner: with its terminal, and with its
 * streams unless its output is passed on.
 *
 * @param argv Program and arguments.
 * @param options Directory, environment and signals, which are passed on.
 * @returns How it ended.
 * @throws {RunnerError} If it cannot be started.
 */
export async function runInherited(
  argv: readonly string[],
  options: RunInheritedOptions,
): Promise<ExitStatus> {
  const { cwd, env, onSignal, hasTerminal, passOn } = options;
  const [program, ...args] = argv;
  const output = passOn ? "piped" : "inherit";
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      stdin: "inherit",
      stdout: output,
      stderr: output,
      args,
      cwd,
      env,
      clearEnv: true,
    }).spawn();
  } catch (cause) {
    throw new RunnerError(`Cannot start "${program}": ${osReason(cause)}`, {
      code: "command-not-executable",
      exitCode: 126,
      cause,
    });
  }
  const stop = new AbortController();
  const passed = passOn?.(child, stop.signal);
  using _ = onSignal((signal) => {
    // A terminal signals its whole group; a runner that gets a signal twice
    // kills at once.
    const isFromKeyboard = signal === "SIGINT" || signal === "SIGQUIT";
    if (isFromKeyboard && hasTerminal) return;
    try {
      child.kill(signal);
    } catch {
      // It has ended meanwhile, which was what the signal was for.
    }
  });
  const status = await child.status;
  // Programs in the background may keep the streams open.
  stop.abort();
  await passed;
  return exitStatus(status);
}
