import type { ChildEnvironment } from "../environment/child_environment.ts";
import { type Environment, VARIABLE_NAME } from "../environment/variables.ts";
import { closeFilesOnExec } from "./inherited_files.ts";
import type { ProcessTree } from "./process_tree.ts";
import {
  checkCommandSize,
  checkProgram,
  isFileSync,
  startError,
} from "./start_error.ts";

/** How a program ended. */
export interface ExitStatus {
  /** Exit code as a shell counts it: 128+N after signal N. */
  exitCode: number;
  /** Signal that killed the program, or `null`. */
  signal: Deno.Signal | null;
}

/** Exit code after a timeout. */
export const TIMEOUT_EXIT_CODE = 124;

/** Numbers of the signals that a runner sends or receives; the same on Linux and macOS. */
const SIGNAL_NUMBERS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

/** A signal that a runner sends or receives. */
export type SentSignal = keyof typeof SIGNAL_NUMBERS;

/**
 * Returns the exit code of a program that a signal ended.
 *
 * @returns 128 plus the number of the signal.
 */
export function signalExitCode(signal: SentSignal): number {
  return 128 + SIGNAL_NUMBERS[signal];
}

/** Program that creates a session and executes another program in it. */
const SETSID = "/usr/bin/setsid";

/** Program that changes the environment and executes another program. */
const ENV = "/usr/bin/env";

/** A command: text for `sh -c`, or a program and its arguments. */
export type Command = string | readonly string[];

/** A program that starts a command. */
export interface CommandLauncher {
  /** Words that precede the command. */
  readonly words: readonly string[];
  /**
   * How it isolates the command, if it does: it creates the session of the
   * command, and restores its environment, so that `LD_PRELOAD` and the like do
   * not reach the launcher, which has more rights.
   *
   * @default {not at all}
   */
  readonly isolation?: {
    /** Whether the command runs in a PID namespace. */
    readonly hasNamespace: boolean;
  };
}

/** Prefix of a variable for the command; its name follows in hexadecimal digits. */
const CARRIED_PREFIX = "RUNNERLIB_ENV_";

/** Variable that asks an isolating launcher for a session. */
const SESSION = { RUNNERLIB_SESSION: "1" };

/** Options for {@linkcode spawn}. */
export interface SpawnOptions {
  /** Working directory. */
  cwd: string;
  /** The complete environment of the program; nothing else is inherited. */
  env: ChildEnvironment;
  /**
   * Whether standard error is merged into standard output, in order, or is a
   * separate stream.
   *
   * @default {"merged"}
   */
  stderr?: "merged" | "separate";
  /**
   * Whether standard input is closed or piped.
   *
   * @default {"null"}
   */
  stdin?: "null" | "piped";
  /**
   * Tag that finds descendants that leave the group.
   *
   * @default {only the group is signalled}
   */
  tree?: ProcessTree;
  /**
   * Program that starts the command.
   *
   * @default {none}
   */
  launcher?: CommandLauncher;
  /**
   * Whether the caller knows that the program exists and can be executed. Its
   * session is then created in the fastest way that Deno allows, which does not
   * report a missing program.
   *
   * @default {false}
   */
  isInstalled?: boolean;
}

/** A stream of bytes from a program's pipe. */
export type ByteStream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A program that was started in its own session and process group. */
export interface RunningProcess {
  /** Process ID, and ID of its group. */
  readonly pid: number;
  /** Standard output, with standard error if the two are merged. */
  readonly stdout: ByteStream;
  /**
   * Standard error, if it is separate. With merged streams, it contains only
   * the shell's syntax errors in the first line, which it parses before it
   * merges the streams.
   */
  readonly stderr?: ByteStream;
  /** Standard input, if it is piped. */
  readonly stdin?: WritableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Resolves when the program itself has exited; its descendants may still run.
   */
  readonly status: Promise<ExitStatus>;
  /**
   * Sends a signal to the whole group; a group that has exited is not an error.
   * SIGKILL also reaches processes of the tree that left the group.
   */
  signal(signal: Deno.Signal): void;
  /**
   * Kills the whole group and the whole tree, once the program has ended.
   *
   * @returns Whether no known process of the tree is left.
   */
  end(): Promise<boolean>;
}

/**
 * Starts a program in its own session and process group.
 *
 * There, it does not get Ctrl-C from the terminal: the runner decides which
 * signals it gets, and when. It inherits no open files, if the system allows
 * that.
 *
 * @param command Text for the shell, or a program and its arguments.
 * @param options Directory, environment and streams.
 * @returns The running program.
 * @throws {RunnerError} If it cannot be started: `command-not-found`,
 * `command-not-executable` or, for the directory, `workspace`. With merged
 * streams, the shell reports a missing program in the output instead, with the
 * same exit codes 127 and 126.
 */
export function spawn(command: Command, options: SpawnOptions): RunningProcess {
  const { cwd, env, stderr = "merged", stdin = "null", tree } = options;
  const hasNamespace = options.launcher?.isolation?.hasNamespace ?? false;
  const hasStderr = stderr === "separate" || typeof command === "string";
  const child = start(command, { ...options, stderr }, {
    cwd,
    env: { ...env, ...tree?.env },
    clearEnv: true,
    stdin,
    stdout: "piped",
    stderr: hasStderr ? "piped" : "null",
  });
  tree?.setRoot(child.pid);
  let hasExited = false;
  let hasNamespaceEnded = false;
  const status = child.status.then((status) => {
    hasExited = true;
    // The launcher waits for its namespace, unless it is killed.
    hasNamespaceEnded = hasNamespace && status.signal === null;
    return { exitCode: status.code, signal: status.signal };
  });
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: hasStderr ? child.stderr : undefined,
    stdin: stdin === "null" ? undefined : child.stdin,
    status,
    signal(signal) {
      const hasGroup = signalProcess(-child.pid, signal);
      // It may not have created its group yet.
      if (!hasGroup && !hasExited) signalProcess(child.pid, signal);
      if (signal === "SIGKILL") tree?.kill();
    },
    async end() {
      if (hasNamespaceEnded || hasExited && tree?.isEmpty()) {
        tree?.release();
        return true;
      }
      signalProcess(-child.pid, "SIGKILL");
      return await tree?.end() ?? true;
    },
  };
}

/**
 * Starts the program itself, or the shell and the launcher that start it.
 *
 * `Deno.Command` cannot connect two streams to one pipe, but a shell can. What
 * the shell does first is added to the first line of a command's text, so that
 * line numbers in its messages stay correct.
 *
 * The session is created by a program if there is one, because `detached`
 * copies the runner's page tables, and then each page that the runner changes.
 * That takes 2 to 30 times as long, even while the runner is small. Deno itself
 * starts a program that may not exist, because it reports the error, and a
 * launcher that isolates its command.
 */
function start(
  command: Command,
  { stderr, tree, launcher, isInstalled = false }: SpawnOptions,
  { env, ...options }: Deno.CommandOptions & { env: Environment },
): Deno.ChildProcess {
  const merges = stderr === "merged";
  const tag = tree?.shellText ?? "";
  const isTagged = tag !== "" || launcher !== undefined;
  if (isTagged && !merges && typeof command !== "string") {
    // The shell would only print that the program does not exist.
    checkProgram(command[0], String(options.cwd), env.PATH);
  }
  // Without PATH, Deno would use that of its own process.
  const needsShell = merges || isTagged ||
    typeof command !== "string" &&
      env.PATH === undefined && !command[0].includes("/");
  const carried = needsShell && typeof command !== "string"
    ? carryPastShell(command, env)
    : { argv: [], env };
  const argv = typeof command === "string"
    ? ["/bin/sh", "-c", `${tag}${merges ? "exec 2>&1; " : ""}${command}`]
    : needsShell
    ? [
      ...["/bin/sh", "-c", `${tag}exec "$@"${merges ? " 2>&1" : ""}`],
      ...["runnerlib", ...carried.argv],
    ]
    : command;
  const launched = [...launcher?.words ?? [], ...argv];
  const isIsolated = launcher?.isolation !== undefined;
  const reportsError = argv === command && !(isInstalled && mayCreateSession());
  const detached = !isIsolated && (reportsError || !isFileSync(SETSID));
  const name = typeof command === "string" ? argv[0] : command[0];
  checkCommandSize(argv, { name, env: carried.env });
  const [program, ...args] = detached || isIsolated
    ? launched
    : [SETSID, ...launched];
  closeFilesOnExec();
  try {
    return new Deno.Command(program, {
      ...options,
      env: {
        ...launchedEnvironment(carried.env, launcher),
        ...isIsolated ? SESSION : {},
      },
      args,
      detached,
    }).spawn();
  } catch (cause) {
    throw startError(name, String(options.cwd), cause);
  }
}

/** Checks whether Deno allows the program that creates sessions. */
function mayCreateSession(): boolean {
  const { state } = Deno.permissions.querySync({
    name: "run",
    command: SETSID,
  });
  return state === "granted";
}

/**
 * Returns the environment with which the launcher of a command is started.
 *
 * @param env Environment of the command.
 * @param launcher The launcher. If it isolates the command, it restores renamed
 * variables, so that none of them affects the launcher itself.
 */
export function launchedEnvironment(
  env: Environment,
  launcher?: CommandLauncher,
): Environment {
  if (launcher?.isolation === undefined) return env;
  const encoder = new TextEncoder();
  const carried: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    carried[`${CARRIED_PREFIX}${encoder.encode(name).toHex()}`] = value;
  }
  return carried;
}

/**
 * Passes variables through the shell that starts a program. Shells drop names
 * that are not identifiers (such as `with.dot`, or functions that bash
 * exports), and set some variables themselves.
 *
 * After the shell, `env -S` sets them from variables with names that a shell
 * keeps. No value becomes an argument, which every user of the machine can
 * read. BusyBox has no `-S`, but its shell keeps all names. `env` would
 * interpret a program with `=` in its name as a variable.
 */
function carryPastShell(
  argv: readonly string[],
  env: Environment,
): { argv: readonly string[]; env: Environment } {
  const names = Object.keys(env).filter(isLostInShell);
  if (names.length === 0 || argv[0]?.includes("=") || !hasSplittingEnv()) {
    return { argv, env };
  }
  const carried = { ...env };
  const carriers = names.map((name, index) => {
    const carrier = `RUNNERLIB_CARRIED_${index}`;
    carried[carrier] = env[name];
    delete carried[name];
    return carrier;
  });
  const assignments = names.map((name, index) =>
    `"${name.replace(/["\\$]/g, "\\$&")}=\${${carriers[index]}}"`
  );
  return {
    argv: [
      ENV,
      ...carriers.flatMap((carrier) => ["-u", carrier]),
      "-S",
      `-- ${assignments.join(" ")}`,
      ...argv,
    ],
    env: carried,
  };
}

function isLostInShell(name: string): boolean {
  return !VARIABLE_NAME.test(name) ||
    ["IFS", "OPTIND", "PPID"].includes(name);
}

function hasSplittingEnv(): boolean {
  try {
    return !Deno.realPathSync(ENV).includes("busybox");
  } catch {
    // A program that cannot be found cannot be used.
    return false;
  }
}

/** Sends a signal. Returns whether it was delivered, or is no longer needed. */
function signalProcess(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    // All processes have exited.
    if (error instanceof Deno.errors.NotFound) return false;
    // The remaining processes changed their user; no signal reaches them.
    if (error instanceof Deno.errors.PermissionDenied) return true;
    // Deno sends signals only with permission to run every program.
    if (error instanceof Deno.errors.NotCapable) {
      return signalByShell(pid, signal);
    }
    throw error;
  }
}

function signalByShell(pid: number, signal: Deno.Signal): boolean {
  const name = signal.replace(/^SIG/, "");
  const { success } = new Deno.Command("/bin/sh", {
    args: ["-c", 'kill -s "$1" -- "$2"', "sh", name, String(pid)],
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}
