import { pause } from "../process/time_limit.ts";
import { HEADER_BYTES, MAX_REQUEST_BYTES } from "./registration_frame.ts";

/** Time between two attempts at a server with a full queue, in milliseconds. */
const CONNECT_AGAIN_MS = 20;

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
 * Reads one request.
 *
 * @param connection Where it comes from.
 * @returns Its JSON text; `undefined` if it is too long, or ends too early.
 */
export async function readRequest(
  connection: Deno.UnixConn,
): Promise<Uint8Array | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  if (!await fill(connection, header)) return undefined;
  const length = new DataView(header.buffer).getUint32(0);
  if (length > MAX_REQUEST_BYTES) return undefined;
  // Zeroed memory takes up room only once it is written to.
  const body = new Uint8Array(length);
  return await fill(connection, body) ? body : undefined;
}

/**
 * Reads one line, or what there is of it.
 *
 * @param connection Where it comes from.
 * @param maxBytes Most bytes that are read.
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

/**
 * Writes all the bytes.
 *
 * @param connection Where they go.
 * @param bytes Bytes.
 */
export async function writeAll(
  connection: Deno.UnixConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

/** Fills the room, and tells whether there was enough to do so. */
async function fill(
  connection: Deno.UnixConn,
  room: Uint8Array,
): Promise<boolean> {
  for (let at = 0; at < room.length;) {
    const count = await connection.read(room.subarray(at));
    if (count === null) return false;
    at += count;
  }
  return true;
}
