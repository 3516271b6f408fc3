import { osReason, RunnerError } from "../errors.ts";
import {
  closeOn,
  connect,
  readLine,
  writeAll,
} from "./registration_connection.ts";
import {
  MAX_REPLY_BYTES,
  parseReply,
  REFUSALS,
  requestFrames,
} from "./registration_frame.ts";

/** Longest time for one request, in milliseconds. */
const REQUEST_LIMIT_MS = 5_000;

/** Options for {@linkcode registerSecrets}. */
export interface RegisterSecretsOptions {
  /**
   * Longest time for one request, in milliseconds.
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
      throw failure(path, reason, cause);
    });
    const granted = parseReply(reply);
    if (granted === undefined) throw failure(path, refusalOf(reply));
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

/** Only known texts are repeated: a reply that quotes the request would hold values. */
function refusalOf(reply: string): string {
  if (reply === "") return "closed without an answer";
  const known = Object.values(REFUSALS).some((text) => text === reply);
  return known
    ? `refused with "${reply.trimEnd()}"`
    : "an answer that is no success";
}

function failure(path: string, state: string, cause?: unknown): Error {
  return new RunnerError(`Cannot register secrets at "${path}": ${state}`, {
    code: "registration-failed",
    cause,
  });
}
