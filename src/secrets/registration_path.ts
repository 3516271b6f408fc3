import { osReason, RunnerError } from "../errors.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";

const LOCAL_RUNNERS = Symbol.for("@reactorcide/runnerlib.localRunners");

/** Longest path of a socket on every system, in bytes: macOS has 104, with a zero. */
const MAX_PATH_BYTES = 103;

/** A runner of this process that serves a socket. */
export interface LocalRunner {
  /** Masks a value. */
  readonly mask: (value: string) => void;
  /** Socket of the runner around it, if there is one. */
  readonly outerSocket: string | undefined;
}

/**
 * Runners of this process, by the path of their socket; all loaded copies of
 * this package share them. A program that stands still until a socket of its
 * own answers would wait in vain.
 */
export const localRunners: Map<string, LocalRunner> =
  (globalThis as { [LOCAL_RUNNERS]?: Map<string, LocalRunner> })[
    LOCAL_RUNNERS
  ] ??= new Map();

/** A socket that listens; disposing of it closes and removes it. */
export interface PrivateListener extends Disposable {
  /** Absolute path of the socket. */
  readonly path: string;
  /** Accepts clients. */
  readonly listener: Deno.UnixListener;
}

/**
 * Makes a socket that no other user can reach, in a directory of its own.
 *
 * @param parents Directories, the first suitable one of which is used.
 * @returns The socket.
 * @throws {RunnerError} If none of them is suitable, or there is no permission.
 */
export function listenPrivately(parents: readonly string[]): PrivateListener {
  try {
    const { content, [Symbol.dispose]: dispose } = privateDirectory(
      parents,
      listenIn,
    );
    return {
      ...content,
      [Symbol.dispose]() {
        using _ = { [Symbol.dispose]: dispose };
        content.listener.close();
      },
    };
  } catch (cause) {
    const reasons = (cause as AggregateError).errors
      .map((error) => osReason(error));
    throw new RunnerError(
      `Cannot open a socket in "${parents.join('" or "')}": ${
        reasons.join(", ")
      }`,
      { code: "registration-failed", cause },
    );
  }
}

function listenIn(directory: string): {
  path: string;
  listener: Deno.UnixListener;
} {
  const path = `${directory}/socket`;
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    throw new RangeError("path too long");
  }
  refusePrompt(path);
  using undo = new DisposableStack();
  const listener = undo.use(Deno.listen({ transport: "unix", path }));
  // Nobody else gets into the directory, so there is no moment of openness.
  Deno.chmodSync(path, 0o600);
  undo.move();
  return { path, listener };
}

/** Nobody could foresee the path, and so allow it; to be asked in each job is no help. */
function refusePrompt(path: string): void {
  const host = `unix:${path}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state !== "granted") throw new Error("no permission to use the network");
}
