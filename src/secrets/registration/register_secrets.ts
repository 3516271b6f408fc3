import { osReason } from "../../errors.ts";
import { writeAll } from "../../fs/files.ts";
import {
  checkReply,
  MAX_REPLY_BYTES,
  registrationFailure,
  requestFrames,
} from "./protocol.ts";
import {
  closeOn,
  connect,
  CONNECT_AGAIN_MS,
  readLine,
  REQUEST_LIMIT_MS,
} from "./socket.ts";

/** Number of shared words before the reply: whether it has arrived, its length. */
const HEAD_WORDS = 2;

/** Code of the worker that talks to the runner while the main thread blocks. */
const EXCHANGE = `
onmessage = async ({ data: { path, frame, shared } }) => {
  const head = new Int32Array(shared, 0, ${HEAD_WORDS});
  const result = new Uint8Array(shared, head.byteLength);
  const reply = new Uint8Array(result.length);
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
    result.set(reply);
    head[1] = length;
  } catch (error) {
    const text = new TextEncoder().encode(error.message);
    result.set(text.subarray(0, result.length));
    head[1] = -Math.min(text.length, result.length);
  }
  Atomics.store(head, 0, 1);
  Atomics.notify(head, 0);
};

async function connect(path) {
  while (true) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      // The backlog of the server is full.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await new Promise((resolve) => setTimeout(resolve, ${CONNECT_AGAIN_MS}));
    }
  }
}
`;

/** Options for {@linkcode registerSecrets}. */
export interface RegisterSecretsOptions {
  /**
   * Time limit for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
  /** Cancels the registration when aborted. */
  signal?: AbortSignal;
}

/**
 * Registers secrets with the runner of the job in which this program runs.
 *
 * Once the promise resolves, all later output of the job is masked. Empty
 * values are skipped; many values are split into several requests.
 *
 * @param path Absolute path of the runner's socket.
 * @returns Number of registered values.
 * @throws {RunnerError} `registration-failed` if the runner cannot be reached
 * or rejects the request; the message contains no values. Some of the values
 * may have been registered.
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
    const { frame, count } of requestFrames(
      values.filter((value) => value !== ""),
    )
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
    const granted = checkReply(path, reply);
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

/** Worker, shared by consecutive synchronous calls. */
let thread: Worker | undefined;

/** Options for {@linkcode registerSecretsNow}. */
export interface RegisterSecretsNowOptions {
  /**
   * Time limit for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
}

/**
 * Registers secrets with the runner of the job in which this program runs, and
 * blocks until the runner has replied: all later output of this program is
 * masked. Empty values are skipped.
 *
 * While the main thread blocks, a worker talks to the socket. It takes about
 * 15 ms to start.
 *
 * @param path Absolute path of the runner's socket.
 * @throws {RunnerError} `registration-failed` if the runner cannot be reached
 * or rejects the request; the message contains no values.
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
    checkReply(path, exchangeInThread(path, frame, limitMs));
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
  // A running worker would keep the program from exiting.
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
