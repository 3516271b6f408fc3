import { osReason, RunnerError } from "../../errors.ts";
import { privateDirectory } from "../../fs/temporary_directory.ts";
import { pause } from "../../process/time_limit.ts";

const LOCAL_RUNNERS = Symbol.for("@reactorcide/runnerlib.localRunners");

/** Maximum length of the path of a socket on every system, in bytes: macOS has 104, with a zero. */
const MAX_PATH_BYTES = 103;

/**
 * Runners of this process, by the path of their socket; all loaded copies of
 * this package share them. A program that stands still until a socket of its
 * own answers would wait in vain.
 */
export const localRunners: Map<string, LocalRunner> =
  (globalThis as { [LOCAL_RUNNERS]?: Map<string, LocalRunner> })[
    LOCAL_RUNNERS
  ] ??= new Map();

/** Time between two attempts at a server with a full queue, in milliseconds. */
const CONNECT_AGAIN_MS = 20;

/** A runner of this process that serves a socket. */
export interface LocalRunner {
  /** Masks a value. */
  readonly mask: (value: string) => void;
  /** Socket of the runner around it, if there is one. */
  readonly outerSocket: string | undefined;
}

/** A socket that listens; disposing of it closes and removes it. */
export interface PrivateListener extends Disposable {
  /** Absolute path of the socket. */
  readonly path: string;
  /** Accepts clients. */
  readonly listener: Deno.UnixListener;
}

/**
 * Creates a socket that no other user can reach, in a directory of its own.
 *
 * @param parents Directories, the first suitable one of which is used.
 * @returns The socket.
 * @throws {RunnerError} If none of them can be used, or permission is denied.
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
  // The directory is private, so the socket is never open to others.
  Deno.chmodSync(path, 0o600);
  undo.move();
  return { path, listener };
}

/** The path is random, so no user can allow it in advance, and a prompt in each job is no help. */
function refusePrompt(path: string): void {
  const host = `unix:${path}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable("no permission to use the network");
}

/**
 * Connects to a server, and waits while too many others do.
 *
 * @param path Absolute path of its socket.
 * @param signal When to give up.
 * @returns The connection.
 */
export async function connect(
  path: string,
  signal: AbortSignal,
): Promise<Deno.UnixConn> {
  while (true) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await pause(CONNECT_AGAIN_MS);
      signal.throwIfAborted();
    }
  }
}

/**
 * Closes a connection when a signal is aborted, or when its scope is left.
 *
 * @param connection The connection; what it is doing fails when it is closed.
 * @param signal When to give it up.
 * @returns Handle that closes it.
 */
export function closeOn(
  connection: Deno.UnixConn,
  signal: AbortSignal,
): Disposable {
  // Unlike close(), this may be done twice.
  const close = () => connection[Symbol.dispose]();
  if (signal.aborted) close();
  signal.addEventListener("abort", close);
  return {
    [Symbol.dispose]() {
      signal.removeEventListener("abort", close);
      close();
    },
  };
}

/**
 * Reads one line, or what there is of it.
 *
 * @param connection Where it comes from.
 * @param maxBytes Maximum number of bytes that are read.
 * @returns The bytes up to the end of the line, of the connection or of the room.
 */
export async function readLine(
  connection: Deno.UnixConn,
  maxBytes: number,
): Promise<Uint8Array> {
  const room = new Uint8Array(maxBytes);
  let length = 0;
  while (length < maxBytes && room[length - 1] !== 0x0a) {
    const count = await connection.read(room.subarray(length));
    if (count === null) break;
    length += count;
  }
  return room.subarray(0, length);
}
