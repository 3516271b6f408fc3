import { Variable } from "./environment/variables.ts";
import { osReason, RunnerError } from "./errors.ts";

/** A standard stream of the process, such as its output. */
export interface HostStream {
  /** Writes some of the bytes, and returns their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Checks whether the stream is a terminal. */
  isTerminal(): boolean;
}

/**
 * The parts of the process that a runner uses.
 *
 * All code below the two entry points of the package receives these values as
 * arguments, so that runners in one process, and tests, do not share them.
 */
export interface Host {
  /** Environment variables at the start, as the user set them. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory for resolving relative paths. */
  readonly cwd: string;
  /**
   * Program and arguments that start the command line.
   *
   * @default {there is none}
   */
  readonly program?: readonly string[];
  /** Standard input, for commands that read it; jobs do not. */
  readonly stdin?: {
    /** The bytes, for one reader. */
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    /** Checks whether it is a terminal. */
    isTerminal(): boolean;
  };
  /** Stream for the output of jobs. */
  readonly stdout: HostStream;
  /** Stream for messages of the runner. */
  readonly stderr: HostStream;
  /** Returns the current size of the terminal; `undefined` if there is none. */
  consoleSize?(): ConsoleSize | undefined;
  /**
   * Calls the listener for SIGTERM, SIGINT, SIGQUIT and SIGHUP until disposed.
   *
   * While a listener is registered, these signals do not end the process. If
   * the process was started with SIGHUP ignored, as by `nohup`, it stays
   * ignored.
   */
  onSignal(listener: (signal: TerminationSignal) => void): Disposable;
  /**
   * Calls the listener when the process is about to end, with a function that
   * writes to standard error synchronously.
   */
  onExit?(listener: (write: (bytes: Uint8Array) => void) => void): void;
}

/**
 * Checks whether the process is interactive: its input and output are a
 * terminal.
 *
 * @param host The process.
 */
export function isInTerminal(
  { stdin, stdout, stderr }: Pick<Host, "stdin" | "stdout" | "stderr">,
): boolean {
  return [stdin, stdout, stderr].every((stream) => stream?.isTerminal());
}

/** Size of a terminal. */
export interface ConsoleSize {
  /** Number of columns. */
  readonly columns: number;
  /** Number of rows. */
  readonly rows: number;
}

/** A signal that requests the termination of the job. */
export type TerminationSignal = "SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGHUP";

const TERMINATION_SIGNALS: readonly TerminationSignal[] = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
];

/** Options for {@linkcode processHost}. */
export interface ProcessHostOptions {
  /**
   * Whether the process is the command line, and not a program with the library.
   *
   * @default {false}
   */
  isCommandLine?: boolean;
}

/**
 * Prints an error that prevents {@linkcode processHost} from creating a host, such as
 * a missing permission.
 */
export function printStartError(message: string): void {
  const line = `[runnerlib] error: ${message}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

/**
 * Returns the environment, streams and signals of this process.
 *
 * No other code reads them.
 *
 * @param options Additional options.
 * @returns The process as a {@linkcode Host}.
 *
 * @example Collect the output of jobs instead of printing it
 * ```ts
 * import { createRunner, processHost } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const chunks: Uint8Array<ArrayBuffer>[] = [];
 * const stdout = {
 *   write: (bytes: Uint8Array) =>
 *     Promise.resolve(chunks.push(bytes.slice()) && bytes.length),
 *   isTerminal: () => false,
 * };
 * const runner = createRunner({ host: { ...processHost(), stdout } });
 * await runner.runJob({ command: "echo built" });
 * assertEquals(await new Blob(chunks).text(), "built\n");
 * ```
 */
export function processHost(
  { isCommandLine = false }: ProcessHostOptions = {},
): Host {
  return {
    env: withoutLauncher(readEnvironment()),
    get program() {
      return findOwnProgram(isCommandLine);
    },
    // Read on demand, so that its error is reported like any other.
    get cwd() {
      return currentDirectory();
    },
    stdin: Deno.stdin,
    stdout: Deno.stdout,
    stderr: Deno.stderr,
    consoleSize,
    onSignal(listener) {
      const isHangupIgnored = ignoresHangup();
      const listeners = TERMINATION_SIGNALS.map((signal) => {
        // Deno handles SIGHUP itself as soon as there is any listener. Only a
        // listener that does nothing keeps the signal ignored.
        const isIgnored = signal === "SIGHUP" && isHangupIgnored;
        const onSignal = isIgnored ? () => {} : () => listener(signal);
        Deno.addSignalListener(signal, onSignal);
        return { signal, onSignal };
      });
      return {
        [Symbol.dispose]() {
          for (const { signal, onSignal } of listeners) {
            Deno.removeSignalListener(signal, onSignal);
          }
        },
      };
    },
    onExit(listener) {
      globalThis.addEventListener("unload", () => {
        listener((bytes) => {
          try {
            Deno.stderr.writeSync(bytes);
          } catch {
            // The reader has closed the stream.
          }
        });
      });
    },
  };
}

function currentDirectory(): string {
  try {
    return Deno.cwd();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const reason = cause instanceof Deno.errors.InvalidData
      ? "its path is not UTF-8"
      : osReason(cause);
    throw new RunnerError(`Cannot use the current directory: ${reason}`, {
      code: "workspace",
      cause,
    });
  }
}

/**
 * Returns the environment. A process that may read only some variables cannot
 * list them, so it gets their names in a variable.
 */
function readEnvironment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const name = Variable.envNames;
    const { state } = Deno.permissions.querySync({
      name: "env",
      variable: name,
    });
    const names = state === "granted" ? Deno.env.get(name) : undefined;
    if (names === undefined) throw error;
    return Object.fromEntries(
      names.split("=").flatMap((name) => {
        const value = Deno.env.get(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  }
}

/**
 * Returns the command that starts the command line, in the version that runs. A
 * bundle or a compiled program knows only its own file.
 */
function findOwnProgram(isCommandLine: boolean): string[] | undefined {
  const isSource = !Deno.build.standalone &&
    import.meta.url.endsWith("/src/host.ts");
  if (!isSource && !isCommandLine) return undefined;
  let deno: string;
  try {
    deno = Deno.execPath();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
  if (Deno.build.standalone) return [deno];
  // The main module of a published bundle may name no version.
  const url = isSource
    ? new URL("../cli.ts", import.meta.url).href
    : import.meta.url.startsWith("file:")
    ? Deno.mainModule
    : import.meta.url;
  // Only sources on disk need a configuration, the one next to them. Files around
  // a bundle or in the current directory must not affect the runner.
  const isolation = isSource && url.startsWith("file:")
    ? []
    : ["--no-config", "--no-lock", "--node-modules-dir=none"];
  return [deno, "run", "--quiet", "--no-prompt", "-A", ...isolation, url];
}

/** Variables that git sets for a hook of `git commit`. */
const COMMIT_VARIABLES = [
  "GIT_AUTHOR_NAME",
  "GIT_AUTHOR_EMAIL",
  "GIT_AUTHOR_DATE",
];

/**
 * Reverts changes to the user's environment by the programs that started this
 * process. Otherwise, a job could find Deno under the name `node` or programs
 * that are installed only for npx, or commit with the date of another commit.
 *
 * - Deno prepends a directory with its own `node` to `PATH` if there is no
 *   other. Without `PATH`, it sets one to that directory.
 * - npx (and `npm exec`) prepend several directories, the last of which
 *   contains `node-gyp`.
 * - git prepends its own directory for hooks and aliases, disables the editor,
 *   and sets the author of the commit, with a date that starts with `@`.
 *
 * @see https://github.com/denoland/deno/pull/34969
 */
function withoutLauncher(env: Record<string, string>): Record<string, string> {
  const { DENO_NODE_SHIM_ACTIVE, PATH, ...rest } = env;
  if (PATH === undefined) return rest;
  let directories = PATH.split(":");
  if (DENO_NODE_SHIM_ACTIVE !== undefined) {
    directories = directories.filter((path) =>
      !path.endsWith("/node_compat_bin")
    );
    if (directories.length === 0) return rest;
  }
  if (env.npm_lifecycle_event === "npx") {
    const last = directories.findIndex((path) =>
      path.endsWith("/node-gyp-bin")
    );
    directories = directories.slice(last + 1);
  }
  if (directories[0] === env.GIT_EXEC_PATH) {
    directories = directories.slice(1);
    delete rest.GIT_EXEC_PATH;
    if (env.GIT_EDITOR === ":") delete rest.GIT_EDITOR;
    if (env.GIT_AUTHOR_DATE?.startsWith("@")) {
      for (const name of COMMIT_VARIABLES) delete rest[name];
    }
  }
  return { ...rest, PATH: directories.join(":") };
}

/** Checks whether the process was started with SIGHUP ignored, as by `nohup`. */
function ignoresHangup(): boolean {
  if (Deno.build.os !== "linux") return false;
  return fromProc(() => {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    // Field 33 of proc_pid_stat(5); the name in parentheses may contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (BigInt(fields[30]) & 1n) === 1n;
  }) ?? false;
}

let isProcDenied = false;

/**
 * Reads something in `/proc`.
 *
 * Deno allows that only with all permissions. After it was denied once, this
 * function does not try again, because creating the error takes a tenth of a
 * millisecond.
 *
 * @returns `undefined` if it is denied or cannot be read, such as the files of a
 * process that has exited.
 */
export function fromProc<T>(read: () => T): T | undefined {
  if (isProcDenied) return undefined;
  try {
    return read();
  } catch (error) {
    isProcDenied = error instanceof Deno.errors.NotCapable;
    return undefined;
  }
}

function consoleSize(): ConsoleSize | undefined {
  try {
    const size = Deno.consoleSize();
    // The size of a pseudo-terminal is zero until a program sets it.
    return size.columns > 0 && size.rows > 0 ? size : undefined;
  } catch {
    // The size is unknown, for any reason.
    return undefined;
  }
}
