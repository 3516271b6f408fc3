import { osReason } from "../../errors.ts";
import {
  MAX_REPLY_BYTES,
  registrationFailure,
  REQUEST_LIMIT_MS,
  requestFrames,
  unlessRefused,
} from "./protocol.ts";
import { closeOn, connect, readLine } from "./socket.ts";
import { writeAll } from "../../fs/files.ts";

/** Number of the shared words before the reply: whether it is there, its length. */
const HEAD_WORDS = 2;

/** The exchange with the runner, in a thread that can wait while this one stands still. */
const EXCHANGE = `
onmessage = async ({ data: { path, frame, shared } }) => {
  const head = new Int32Array(shared, 0, ${HEAD_WORDS});
  const room = new Uint8Array(shared, head.byteLength);
  const reply = new Uint8Array(room.length);
  let length = 0;
  try {
    const connection = await connect(path);
    for (let at = 0; at < frame.length;) {
      at += await connection.write(frame.subarray(at));
    }
    while (length < reply.length && reply[length - 1] !== 10) {
      const count = await connection.read(reply.subarray(length));
      if (count === null) break;
      length += count;
    }
    connection.close();
    room.set(reply);
    head[1] = length;
  } catch (error) {
    const text = new TextEncoder().encode(error.message);
    room.set(text.subarray(0, room.length));
    head[1] = -Math.min(text.length, room.length);
  }
  Atomics.store(head, 0, 1);
  Atomics.notify(head, 0);
};

async function connect(path) {
  while (true) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      // Too many others wait for the server.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
`;

/** Options for {@linkcode registerSecrets}. */
export interface RegisterSecretsOptions {
  /**
   * Maximum time for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

/**
 * Registers secrets with the runner of the job in which this program runs.
 *
 * Once the promise resolves, whatever the job prints is masked. Empty values
 * are left out; many values travel in several requests.
 *
 * @param path Absolute path of the runner's socket.
 * @param values Secrets.
 * @param options Additional options.
 * @returns Number of values that were registered.
 * @throws {RunnerError} If the runner cannot be reached, or refuses; the
 * message holds no value. Some of the values may be registered then.
 */
export async function registerSecrets(
  path: string,
  values: readonly string[],
  options: RegisterSecretsOptions = {},
): Promise<number> {
  const { limitMs = REQUEST_LIMIT_MS, signal } = options;
  signal?.throwIfAborted();
  let registered = 0;
  for (
    const { frame, count } of requestFrames(values.filter((it) => it !== ""))
  ) {
    const limit = AbortSignal.timeout(limitMs);
    const reply = await exchange(
      path,
      frame,
      signal ? AbortSignal.any([signal, limit]) : limit,
    ).catch((cause) => {
      signal?.throwIfAborted();
      const reason = limit.aborted ? "no answer in time" : osReason(cause);
      throw registrationFailure(path, reason, cause);
    });
    const granted = unlessRefused(path, reply);
    registered += Number.isSafeInteger(granted.registered)
      ? Number(granted.registered)
      : count;
  }
  return registered;
}

async function exchange(
  path: string,
  frame: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  const connection = await connect(path, signal);
  using _ = closeOn(connection, signal);
  await writeAll(connection, frame);
  const reply = await readLine(connection, MAX_REPLY_BYTES);
  return new TextDecoder().decode(reply);
}

/** The thread, as long as one call follows the other. */
let thread: Worker | undefined;

/** Options for {@linkcode registerSecretsNow}. */
export interface RegisterSecretsNowOptions {
  /**
   * Maximum time for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
}

/**
 * Registers secrets with the runner of the job in which this program runs, and
 * returns once that runner has answered: whatever this program prints next is
 * masked there. Empty values are left out.
 *
 * The program stands still meanwhile. A thread of its own talks to the socket,
 * which takes about 15 ms to start.
 *
 * @param path Absolute path of the runner's socket.
 * @param values Secrets.
 * @param options Additional options.
 * @throws {RunnerError} `registration-failed`, if the runner cannot be reached
 * or refuses; the message holds no value.
 */
export function registerSecretsNow(
  path: string,
  values: readonly string[],
  options: RegisterSecretsNowOptions = {},
): void {
  const { limitMs = REQUEST_LIMIT_MS } = options;
  checkPermission(path);
  for (
    const { frame } of requestFrames(values.filter((value) => value !== ""))
  ) {
    unlessRefused(path, exchangeInThread(path, frame, limitMs));
  }
}

function exchangeInThread(
  path: string,
  frame: Uint8Array,
  limitMs: number,
): string {
  const shared = new SharedArrayBuffer(
    HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT + MAX_REPLY_BYTES,
  );
  const head = new Int32Array(shared, 0, HEAD_WORDS);
  thread ??= startThread();
  thread.postMessage({ path, frame, shared });
  if (Atomics.wait(head, 0, 0, limitMs) === "timed-out") {
    endThread();
    throw registrationFailure(path, "no answer in time");
  }
  const text = new TextDecoder().decode(
    new Uint8Array(shared, head.byteLength, Math.abs(head[1])).slice(),
  );
  if (head[1] < 0) throw registrationFailure(path, osReason(new Error(text)));
  return text;
}

function startThread(): Worker {
  // A thread that is left alone would keep the program from ending.
  queueMicrotask(endThread);
  return new Worker(`data:text/javascript,${encodeURIComponent(EXCHANGE)}`, {
    type: "module",
  });
}

function endThread(): void {
  thread?.terminate();
  thread = undefined;
}

/** A permission prompt could not be answered while the program blocks. */
function checkPermission(path: string): void {
  for (
    const permission of [
      { name: "read", path },
      { name: "write", path },
      { name: "net", host: `unix:${path}` },
    ] as const
  ) {
    if (Deno.permissions.querySync(permission).state === "granted") continue;
    throw registrationFailure(
      path,
      `this program needs --allow-${permission.name} for it`,
    );
  }
}
