import { osReason } from "../errors.ts";
import {
  closeOn,
  connect,
  readLine,
  writeAll,
} from "./registration_connection.ts";
import {
  MAX_REPLY_BYTES,
  registrationFailure,
  REQUEST_LIMIT_MS,
  requestFrames,
  unlessRefused,
} from "./registration_frame.ts";

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
