import { Variable } from "./environment/variables.ts";
import { osReason, RunnerError } from "./errors.ts";

/** A stream of bytes that the process was given: its standard output, say. */
export interface HostStream {
  /** Writes some of the bytes and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Checks whether a person is watching. */
  isTerminal(): boolean;
}

/**
 * What a runner takes from the process around it.
 *
 * Everything below the two doors of the package gets these values handed in,
 * so that two runners in one process, and tests, do not share them.
 */
export interface Host {
  /** Environment variables at the start, as the user set them. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory against which relative paths are read. */
  readonly cwd: string;
  /** What the process is told, for commands that read it; jobs do not. */
  readonly stdin?: {
    /** The bytes, for one reader. */
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    /** Checks whether a person is typing. */
    isTerminal(): boolean;
  };
  /** Where the output of jobs goes. */
  readonly stdout: HostStream;
  /** Where the runner's own messages go. */
  readonly stderr: HostStream;
  /** Returns how large the terminal is now; `undefined` when there is none. */
  consoleSize?(): ConsoleSize | undefined;
  /**
   * Calls the listener for SIGTERM, SIGINT, SIGQUIT and SIGHUP until disposed.
   *
   * While a listener is there, these signals do not end the process. A SIGHUP
   * that the process was started to ignore, as by `nohup`, stays ignored.
   */
  onSignal(listener: (signal: EndingSignal) => void): Disposable;
  /**
   * Calls the listener when the process is about to end, with a function that
   * writes to standard error at once: nothing asynchronous happens any more.
   */
  onExit?(listener: (write: (bytes: Uint8Array) => void) => void): void;
}

/** Cells of a terminal. */
export interface ConsoleSize {
  /** Cells of a line. */
  readonly columns: number;
  /** Lines. */
  readonly rows: number;
}

/** A signal that asks the whole job to end. */
export type EndingSignal = "SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGHUP";

const ENDING_SIGNALS: readonly EndingSignal[] = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
];

/**
 * Takes the environment, the streams and the signals of this process.
 *
 * This is the one place that reads them.
 *
 * @returns The process as a {@linkcode Host}.
 */
export function processHost(): Host {
  return {
    env: withoutLauncher(environment()),
    // Read when it is needed, so that its error is shown like any other.
    get cwd() {
      return currentDirectory();
    },
    stdin: Deno.stdin,
    stdout: Deno.stdout,
    stderr: Deno.stderr,
    consoleSize,
    onSignal(listener) {
      const isHangupIgnored = ignoresHangup();
      const listeners = ENDING_SIGNALS.map((signal) => {
        // Deno handles SIGHUP itself as soon as there is any listener: only a
        // listener that does nothing keeps it ignored.
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
            // No one reads it any more.
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

/** Who may see some variables only cannot list them, and has to be told their names. */
function environment(): Record<string, string> {
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

/** What git tells a hook of `git commit` about the commit. */
const OF_A_COMMIT = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"];

/**
 * Undoes what the programs that started this one did to the environment, which
 * belongs to the user: a job must not find Deno under the name `node`, nor what
 * is installed for npx alone, nor commit with the date of another commit.
 *
 * - Deno puts a directory with a `node` of its own first into `PATH`, if there
 *   is none. Without any `PATH` it makes one of that directory.
 * - npx (and `npm exec`) put several directories first, the last of which holds
 *   `node-gyp`.
 * - git puts its own directory first for hooks and aliases, switches the editor
 *   off, and names the author of the commit, with a date that starts with `@`.
 *
 * @see https://github.com/denoland/deno/pull/34969
 */
function withoutLauncher(env: Record<string, string>): Record<string, string> {
  const { DENO_NODE_SHIM_ACTIVE, PATH, ...rest } = env;
  if (PATH === undefined) return rest;
  let directories = PATH.split(":");
  if (DENO_NODE_SHIM_ACTIVE !== undefined) {
    directories = directories.filter((it) => !it.endsWith("/node_compat_bin"));
    if (directories.length === 0) return rest;
  }
  if (env.npm_lifecycle_event === "npx") {
    const last = directories.findIndex((it) => it.endsWith("/node-gyp-bin"));
    directories = directories.slice(last + 1);
  }
  if (directories[0] === env.GIT_EXEC_PATH) {
    directories = directories.slice(1);
    delete rest.GIT_EXEC_PATH;
    if (env.GIT_EDITOR === ":") delete rest.GIT_EDITOR;
    if (env.GIT_AUTHOR_DATE?.startsWith("@")) {
      for (const name of OF_A_COMMIT) delete rest[name];
    }
  }
  return { ...rest, PATH: directories.join(":") };
}

/** Checks whether the process was started with SIGHUP ignored, as by `nohup`. */
function ignoresHangup(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    // Field 33 of proc_pid_stat(5); the name in parentheses may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (BigInt(fields[30]) & 1n) === 1n;
  } catch {
    // Deno shows /proc only to a process that has every permission.
    return false;
  }
}

function consoleSize(): ConsoleSize | undefined {
  try {
    return Deno.consoleSize();
  } catch {
    // Whatever keeps it from being known: there is no size to go by.
    return undefined;
  }
}
