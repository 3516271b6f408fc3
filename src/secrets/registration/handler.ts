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

/** Maximum number of registered values per run; masking them costs memory. */
export const MAX_VALUES = 20_000;

/** Maximum total size of registered values per run, in bytes. */
export const MAX_VALUES_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** Options for {@linkcode RegistrationHandler}. */
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
   * @param message Text that contains no values.
   */
  onWarning: (message: string) => void;
}

/** Handles the requests of one run. */
export class RegistrationHandler {
  readonly #limits: RegistrationLimits;
  readonly #warn: (message: string) => void;

  /** Creates a handler. */
  constructor(options: RegistrationHandlerOptions) {
    this.#limits = new RegistrationLimits(options.onRegister);
    this.#warn = options.onWarning;
  }

  /**
   * Handles one request, and closes the connection.
   *
   * @param client Connection to the client.
   * @param limit Closes the connection when aborted.
   */
  async serve(client: Deno.UnixConn, limit: AbortSignal): Promise<void> {
    using _ = closeOn(client, limit);
    const body = await ignoreDisconnect(readRequest(client));
    const reply = body && await this.#replyTo(body);
    if (reply === undefined) return;
    await ignoreDisconnect(writeAll(client, new TextEncoder().encode(reply)));
  }

  async #replyTo(body: Uint8Array): Promise<string | undefined> {
    const request = parseRequest(body);
    if ("refusal" in request) return request.refusal;
    try {
      if (await this.#limits.register(request.values)) {
        return grantedReply(request.values.length);
      }
    } catch (error) {
      // Log only the name of the error: its message might quote a value.
      const kind = error instanceof Error ? error.name : typeof error;
      this.#warn(`Cannot mask a secret: ${kind}`);
      return undefined;
    }
    this.#warn("A program's secrets were rejected: there are too many");
    return REFUSALS.tooMany;
  }
}

/**
 * Reads one request.
 *
 * @param connection Connection to the client.
 * @returns JSON of the request; `undefined` if it is too long or incomplete.
 */
async function readRequest(
  connection: Deno.UnixConn,
): Promise<Uint8Array | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  if (!await readFully(connection, header)) return undefined;
  const length = new DataView(header.buffer).getUint32(0);
  if (length > MAX_REQUEST_BYTES) return undefined;
  // Zeroed memory is only committed once it is written to.
  const body = new Uint8Array(length);
  return await readFully(connection, body) ? body : undefined;
}

/** Fills the buffer; returns whether the connection had enough data. */
async function readFully(
  connection: Deno.UnixConn,
  buffer: Uint8Array,
): Promise<boolean> {
  for (let at = 0; at < buffer.length;) {
    const count = await connection.read(buffer.subarray(at));
    if (count === null) return false;
    at += count;
  }
  return true;
}

/** Ignores errors of connections that the client or the time limit closed. */
async function ignoreDisconnect<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const isDisconnected = Object.values(Deno.errors)
      .some((kind) => error instanceof kind);
    if (isDisconnected) return undefined;
    throw error;
  }
}

/**
 * Registers values of clients, up to a limit.
 *
 * Each distinct value counts once: a step that registers its token before each
 * of its commands must not run into the limit.
 */
export class RegistrationLimits {
  readonly #onRegister: (values: string[]) => void | Promise<void>;
  readonly #registered = new Set<string>();
  #bytes = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Creates unused limits.
   *
   * @param onRegister Called once with each value, before it counts as
   * registered.
   */
  constructor(onRegister: (values: string[]) => void | Promise<void>) {
    this.#onRegister = onRegister;
  }

  /**
   * Registers all values of a request, or none of them. Requests are handled
   * one after the other, so that a value counts as known only once it is
   * masked.
   *
   * @returns Whether they are within the limits.
   */
  register(values: readonly string[]): Promise<boolean> {
    const registered = this.#last.then(() => this.#register(values));
    // A failure must not affect the requests of other clients.
    this.#last = registered.catch(() => {});
    return registered;
  }

  async #register(values: readonly string[]): Promise<boolean> {
    if (values.length > MAX_REQUEST_VALUES) return false;
    const newValues = [...new Set(values)].filter((value) =>
      !this.#registered.has(value)
    );
    const bytes = newValues.reduce(
      (sum, value) => sum + encoder.encode(value).length,
      this.#bytes,
    );
    if (this.#registered.size + newValues.length > MAX_VALUES) return false;
    if (bytes > MAX_VALUES_BYTES) return false;
    if (newValues.length > 0) await this.#onRegister(newValues);
    for (const value of newValues) this.#registered.add(value);
    this.#bytes = bytes;
    return true;
  }
}
