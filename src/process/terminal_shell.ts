import { quoteWord } from "../command_text.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import { type Cancellation, onAbort } from "./cancellation.ts";
import { closeFilesOnExec } from "./inherited_files.ts";
import type { ProcessTree } from "./process_tree.ts";
import {
  type ByteStream,
  type CommandLauncher,
  launchedEnvironment,
} from "./spawn.ts";
import { isFileSync } from "./start_error.ts";
import { settlesWithin } from "./time_limit.ts";

/**
 * Program that runs another one on a pseudo-terminal, and forwards the keys,
 * the size and the output of the real terminal. It puts the real terminal into
 * raw mode, so that Ctrl-C and Ctrl-Z reach only the program.
 */
const SCRIPT = "/usr/bin/script";

/** Program that saves and restores the settings of a terminal. */
const STTY = "/usr/bin/stty";

/** Time to read the rest of the output from the pipe, in milliseconds. */
const DRAIN_MS = 500;

/** Options for {@linkcode runOnTerminal}. */
export interface RunOnTerminalOptions {
  /** Working directory. */
  cwd: string;
  /** The complete environment of the program. */
  env: ChildEnvironment;
  /** Tag that finds every process that the program leaves behind. */
  tree: ProcessTree;
  /**
   * Launcher that isolates the program.
   *
   * @default {none}
   */
  launcher?: CommandLauncher;
  /** Ends the program. */
  cancellation: Cancellation;
  /** Time between the request to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Copies the output of the program until the stream ends. */
  show: (output: ByteStream, stop: AbortSignal) => Promise<void>;
}

/**
 * Runs an interactive program on a pseudo-terminal, connected to the terminal
 * of this process.
 *
 * @param argv Program and arguments.
 * @returns Exit code of the program; 128+N after signal N.
 * @throws {RunnerError} `command-not-found` if the system has no program for
 * pseudo-terminals.
 */
export async function runOnTerminal(
  argv: readonly string[],
  options: RunOnTerminalOptions,
): Promise<number> {
  const { cwd, env, tree, launcher, cancellation, graceMs } = options;
  if (Deno.build.os !== "linux" || !isFileSync(SCRIPT)) {
    throw new RunnerError(
      `Cannot open a shell: it needs "${SCRIPT}" of util-linux (package bsdutils)`,
      { code: "command-not-found", exitCode: 127 },
    );
  }
  const words = [...launcher?.words ?? [], ...argv].map(quoteWord).join(" ");
  // The program `script` starts its command with the shell of the user.
  const shell = env.SHELL === undefined
    ? "unset SHELL"
    : `SHELL=${quoteWord(env.SHELL)}`;
  await using _ = await saveTerminal();
  let child: Deno.ChildProcess;
  closeFilesOnExec();
  try {
    child = new Deno.Command(SCRIPT, {
      args: [
        ...["--quiet", "--flush", "--return", "--command"],
        ...[`${tree.shellText}${shell}; exec ${words}`, "/dev/null"],
      ],
      cwd,
      env: {
        ...launchedEnvironment({ ...env, ...tree.env }, launcher),
        SHELL: "/bin/sh",
      },
      clearEnv: true,
      stdin: "inherit",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  } catch (cause) {
    throw new RunnerError(`Cannot start "${SCRIPT}": ${osReason(cause)}`, {
      code: "command-not-executable",
      exitCode: 126,
      cause,
    });
  }
  tree.setRoot(child.pid);
  const stop = new AbortController();
  const shown = options.show(child.stdout, stop.signal);
  using _graceful = onAbort(cancellation.graceful, async () => {
    sendSignal(child, "SIGTERM");
    if (!await settlesWithin(child.status, graceMs)) {
      sendSignal(child, "SIGKILL");
    }
  });
  using _forced = onAbort(
    cancellation.forced,
    () => sendSignal(child, "SIGKILL"),
  );
  const { code } = await child.status;
  await tree.end();
  if (!await settlesWithin(shown, DRAIN_MS)) stop.abort();
  await shown;
  return code;
}

function sendSignal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has already exited.
  }
}

/**
 * Saves the settings of the terminal, because a program that is killed does not
 * restore them.
 */
async function saveTerminal(): Promise<AsyncDisposable> {
  const saved = await stty("-g");
  return {
    async [Symbol.asyncDispose]() {
      if (saved !== undefined) await stty(saved);
    },
  };
}

/** Returns what `stty` prints; `undefined` if it fails. */
async function stty(argument: string): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(STTY, {
      args: [argument],
      clearEnv: true,
      stdin: "inherit",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    // The terminal stays as it is.
    return undefined;
  }
}
