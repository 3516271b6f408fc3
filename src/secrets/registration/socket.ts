import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../../errors.ts";
import { privateDirectory } from "../../fs/temporary_directory.ts";
import { pause } from "../../process/time_limit.ts";

const LOCAL_RUNNERS = Symbol.for("@reactorcide/runnerlib.localRunners");

/** Time limit for one request, in milliseconds. */
export const REQUEST_LIMIT_MS = 5_000;

/** Maximum length of a socket's path: 104 bytes with the final NUL on macOS. */
const MAX_PATH_BYTES = 103;

/**
 * Runners in this process, by the path of their socket; all loaded copies of
 * the package share them. A program that blocks must not wait for its own
 * socket, which could not reply.
 */
export const localRunners: Map<string, LocalRunner> =
  (globalThis as { [LOCAL_RUNNERS]?: Map<string, LocalRunner> })[
    LOCAL_RUNNERS
  ] ??= new Map();

/**
 * Delay before connecting again if the server's backlog is full, in
 * milliseconds.
 */
export const CONNECT_AGAIN_MS = 20;

/** A runner in this process that listens on a socket. */
export interface LocalRunner {
  /** Masks a value. */
  readonly mask: (value: string) => void;
  /** Socket of the outer runner, if there is one. */
  readonly outerSocket: string | undefined;
}

/** A listening socket; disposing it closes and removes it. */
export interface PrivateListener extends Disposable {
  /** Absolute path of the private directory around it. */
  readonly directory: string;
  /** Absolute path of the socket. */
  readonly path: string;
  /** Accepts clients. */
  readonly listener: Deno.UnixListener;
}

/**
 * Creates a socket in a private directory, so that other users cannot connect.
 *
 * @param parents Candidate directories; the first suitable one is used.
 * @throws {RunnerError} `registration-failed` if no directory is suitable, or
 * permission is denied.
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

function listenIn(
  directory: string,
): Pick<PrivateListener, "directory" | "path" | "listener"> {
  const name = crypto.getRandomValues(new Uint8Array(6)).toHex();
  const path = `${directory}/${name}/socket`;
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    throw new RangeError("path too long");
  }
  refusePrompt(path);
  using undo = new DisposableStack();
  // Every process can read in `/proc/net/unix` where a socket was created, and the
  // directory is on the command line of `runnerlib`. The socket is moved, because
  // an untrusted step without namespaces could connect to it.
  const created = `${directory}/socket`;
  Deno.mkdirSync(dirname(path), { mode: 0o700 });
  const listener = undo.use(Deno.listen({ transport: "unix", path: created }));
  // The directory is private, so the socket is never open to others.
  Deno.chmodSync(created, 0o600);
  Deno.renameSync(created, path);
  undo.move();
  return { directory, path, listener };
}

/**
 * Fails instead of prompting: the path is random and cannot be allowed in
 * advance.
 */
function refusePrompt(path: string): void {
  const host = `unix:${path}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable("no permission to use the network");
}

/**
 * Connects to a server, and waits while its backlog is full.
 *
 * @param path Absolute path of the socket.
 * @param signal Stops waiting when aborted.
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
 * Closes a connection when a signal is aborted, or when the handle is disposed.
 *
 * @param connection The connection; pending operations fail when it is closed.
 * @param signal Closes the connection when aborted.
 * @returns Handle that closes the connection.
 */
export function closeOn(
  connection: Deno.UnixConn,
  signal: AbortSignal,
): Disposable {
  // Unlike close(), this can be called twice.
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
 * Reads one line.
 *
 * @param maxBytes Maximum number of bytes to read.
 * @returns Bytes up to the end of the line or connection, or up to the maximum.
 */
export async function readLine(
  connection: Deno.UnixConn,
  maxBytes: number,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxBytes);
  let length = 0;
  while (length < maxBytes && buffer[length - 1] !== 0x0a) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}
