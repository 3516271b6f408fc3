import { closeOn, readRequest, writeAll } from "./registration_connection.ts";
import { grantedReply, parseRequest, REFUSALS } from "./registration_frame.ts";
import { RegistrationQuota } from "./registration_quota.ts";

/** What a {@linkcode RegistrationDesk} does with what it is told. */
export interface RegistrationDeskOptions {
  /**
   * Masks values.
   *
   * @param values Values that were not registered before.
   */
  onRegister: (values: string[]) => void | Promise<void>;
  /**
   * Tells somebody what a client cannot be told.
   *
   * @param message Text without any value.
   */
  onWarning: (message: string) => void;
}

/** Answers the clients of one run. */
export class RegistrationDesk {
  readonly #quota: RegistrationQuota;
  readonly #warn: (message: string) => void;

  /**
   * Makes a desk that nobody came to yet.
   *
   * @param options What it does with what it is told.
   */
  constructor(options: RegistrationDeskOptions) {
    this.#quota = new RegistrationQuota(options.onRegister);
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
      if (await this.#quota.register(request.values)) {
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
