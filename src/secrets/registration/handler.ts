import {
  grantedReply,
  HEADER_BYTES,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_VALUES,
  parseRequest,
  REFUSALS,
} from "./protocol.ts";
import { closeOn } from "./socket.ts";
import { writeAll } from "../../fs/files.ts";

/** Maximum number of values that clients register in one run; masking them costs memory. */
export const MAX_VALUES = 20_000;

/** Maximum size of the values that clients register in one run, in bytes. */
export const MAX_VALUES_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** What a {@linkcode RegistrationHandler} does with requests. */
export interface RegistrationHandlerOptions {
  /**
   * Masks values.
   *
   * @param values Values that were not registered before.
   */
  onRegister: (values: string[]) => void | Promise<void>;
  /**
   * Called with a warning for the log.
   *
   * @param message Text without any value.
   */
  onWarning: (message: string) => void;
}

/** Answers the clients of one run. */
export class RegistrationHandler {
  readonly #limits: RegistrationLimits;
  readonly #warn: (message: string) => void;

  /**
   * Creates a handler.
   *
   * @param options What it does with the values.
   */
  constructor(options: RegistrationHandlerOptions) {
    this.#limits = new RegistrationLimits(options.onRegister);
    this.#warn = options.onWarning;
  }

  /**
   * Serves a client, and closes the connection.
   *
   * @param client Connection to the client.
   * @param limit When to give the client up.
   */
  async serve(client: Deno.UnixConn, limit: AbortSignal): Promise<void> {
    using _ = closeOn(client, limit);
    const body = await unlessGone(readRequest(client));
    const reply = body && await this.#replyTo(body);
    if (reply === undefined) return;
    await unlessGone(writeAll(client, new TextEncoder().encode(reply)));
  }

  async #replyTo(body: Uint8Array): Promise<string | undefined> {
    const request = parseRequest(body);
    if ("refusal" in request) return request.refusal;
    try {
      if (await this.#limits.register(request.values)) {
        return grantedReply(request.values.length);
      }
    } catch (error) {
      // Only its kind: the message might quote a value.
      const kind = error instanceof Error ? error.name : typeof error;
      this.#warn(`Cannot mask a secret: ${kind}`);
      return undefined;
    }
    this.#warn("A program registered too many secrets and was refused");
    return REFUSALS.tooMany;
  }
}

/**
 * Reads one request.
 *
 * @param connection Where it comes from.
 * @returns Its JSON text; `undefined` if it is too long, or ends too early.
 */
async function readRequest(
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

/** Fills the buffer; returns whether there was enough to do so. */
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

/** A client that has left, or was too slow, gets no answer, and that is all. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const isGone = Object.values(Deno.errors)
      .some((kind) => error instanceof kind);
    if (isGone) return undefined;
    throw error;
  }
}

/**
 * Hands the values of clients on, up to a limit.
 *
 * A value counts once, however often it is registered: a step that registers
 * its token before each of its commands must not run into a limit.
 */
export class RegistrationLimits {
  readonly #onRegister: (values: string[]) => void | Promise<void>;
  readonly #known = new Set<string>();
  #bytes = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Creates limits of which nothing is used.
   *
   * @param onRegister Gets each value once, before it counts as registered.
   */
  constructor(onRegister: (values: string[]) => void | Promise<void>) {
    this.#onRegister = onRegister;
  }

  /**
   * Registers all the values of a request, or none of them; one request after
   * the other, so that a value is known only once it is masked.
   *
   * @param values Values.
   * @returns Whether they were within the limits.
   */
  register(values: readonly string[]): Promise<boolean> {
    const registered = this.#last.then(() => this.#register(values));
    // A failure rejects for its client alone.
    this.#last = registered.catch(() => {});
    return registered;
  }

  async #register(values: readonly string[]): Promise<boolean> {
    if (values.length > MAX_REQUEST_VALUES) return false;
    const fresh = [...new Set(values)].filter((it) => !this.#known.has(it));
    const bytes = fresh.reduce(
      (sum, value) => sum + encoder.encode(value).length,
      this.#bytes,
    );
    if (this.#known.size + fresh.length > MAX_VALUES) return false;
    if (bytes > MAX_VALUES_BYTES) return false;
    if (fresh.length > 0) await this.#onRegister(fresh);
    for (const value of fresh) this.#known.add(value);
    this.#bytes = bytes;
    return true;
  }
}
