import { osReason } from "../../errors.ts";
import { pause } from "../../process/time_limit.ts";
import type { RegistrationHandler } from "./handler.ts";
import {
  listenPrivately,
  localRunners,
  type PrivateListener,
} from "./socket.ts";

/** Maximum time for one request, in milliseconds. */
const REQUEST_LIMIT_MS = 5_000;

/** Maximum number of clients that are served at once; others wait in the system's queue. */
const MAX_CLIENTS = 256;

/** From this many clients on, each of them gets less time. */
const CROWD = 64;

/** Maximum time for a request in a crowd, in milliseconds. */
const CROWD_LIMIT_MS = 2_000;

/** Time before clients are accepted again after that failed, in milliseconds. */
const ACCEPT_AGAIN_MS = 100;

/** Options for {@linkcode openRegistration}. */
export interface RegistrationOptions {
  /**
   * Absolute paths of directories, in the first suitable one of which a private
   * one is created: the path of a socket must be short, and not every file
   * system has sockets.
   */
  parents: readonly string[];
  /**
   * Masks one value, for code of this process, which must not wait for itself.
   */
  mask: (value: string) => void;
  /**
   * Socket of the runner around this one.
   *
   * @default {none}
   */
  outerSocket?: string;
  /**
   * Masks values. A client gets its answer after that, so that
   * whatever it prints from then on is masked.
   *
   * @param values Values that were not registered before, none of them empty.
   */
  onRegister: (values: string[]) => void | Promise<void>;
  /**
   * Called with a warning for the log.
   *
   * @param message Text without any value.
   */
  onWarning: (message: string) => void;
  /**
   * Maximum time for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
}

/** A socket at which programs register secrets, until it is disposed of. */
export interface Registration extends AsyncDisposable {
  /** Absolute path, for `REACTORCIDE_SECRETS_SOCKET`. */
  readonly path: string;
}

/**
 * Opens a socket at which the programs of a job register secrets.
 *
 * Only programs of the same user can reach it. Each connection carries one
 * request: a length of 4 bytes, then `{"action": "register", "secrets": […]}`.
 *
 * @param options Where, and what is done with the values.
 * @returns The socket, which serves until it is disposed of.
 * @throws {RunnerError} If no directory can be used for it, or permission is denied.
 */
export function openRegistration(options: RegistrationOptions): Registration {
  return new RegistrationServer(listenPrivately(options.parents), options);
}

class RegistrationServer implements Registration {
  readonly path: string;
  readonly #socket: PrivateListener;
  readonly #options: RegistrationOptions;
  readonly #clients = new Map<Deno.UnixConn, Promise<void>>();
  readonly #warnings = new Set<string>();
  readonly #accepting: Promise<void>;
  #handler: RegistrationHandler | undefined;
  #closing: Promise<void> | undefined;

  constructor(socket: PrivateListener, options: RegistrationOptions) {
    this.path = socket.path;
    this.#socket = socket;
    this.#options = options;
    const { mask, outerSocket } = options;
    localRunners.set(this.path, { mask, outerSocket });
    this.#accepting = this.#acceptAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    localRunners.delete(this.path);
    try {
      this.#socket[Symbol.dispose]();
    } catch (error) {
      this.#warn(`Cannot remove "${this.path}": ${osReason(error)}`);
    }
    for (const client of this.#clients.keys()) client[Symbol.dispose]();
    await Promise.all([this.#accepting, ...this.#clients.values()]);
  }

  async #acceptAll(): Promise<void> {
    while (this.#closing === undefined) {
      while (this.#clients.size >= MAX_CLIENTS) {
        await Promise.race(this.#clients.values());
      }
      try {
        const client = await this.#socket.listener.accept();
        if (this.#closing === undefined) this.#admit(client);
        else client.close();
      } catch (error) {
        if (this.#closing !== undefined) return;
        // The process may have run out of file handles, which comes to an end.
        this.#warn(`Cannot accept a client: ${osReason(error)}`);
        await pause(ACCEPT_AGAIN_MS);
      }
    }
  }

  #admit(client: Deno.UnixConn): void {
    const { limitMs = REQUEST_LIMIT_MS } = this.#options;
    const isCrowded = this.#clients.size >= CROWD;
    const limit = AbortSignal.timeout(
      isCrowded ? Math.min(limitMs, CROWD_LIMIT_MS) : limitMs,
    );
    const served = this.#serve(client, limit)
      // Only the kind of error: its message might quote a value.
      .catch((error) => this.#warn(`Cannot serve a client: ${error?.name}`))
      .finally(() => this.#clients.delete(client));
    this.#clients.set(client, served);
  }

  async #serve(client: Deno.UnixConn, limit: AbortSignal): Promise<void> {
    using _ = client;
    // Most jobs register nothing, and start faster without this.
    const { RegistrationHandler } = await import("./handler.ts");
    this.#handler ??= new RegistrationHandler({
      onRegister: this.#options.onRegister,
      onWarning: (message) => this.#warn(message),
    });
    await this.#handler.serve(client, limit);
  }

  /** A program that tries again and again must not flood the log. */
  #warn(message: string): void {
    if (this.#warnings.has(message)) return;
    this.#warnings.add(message);
    this.#options.onWarning(message);
  }
}
