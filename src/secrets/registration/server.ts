import { osReason } from "../../errors.ts";
import { pause } from "../../process/time_limit.ts";
import type { RegistrationHandler } from "./handler.ts";
import {
  listenPrivately,
  localRunners,
  type PrivateListener,
  REQUEST_LIMIT_MS,
} from "./socket.ts";

/** Maximum number of concurrent clients; others wait in the system's backlog. */
const MAX_CLIENTS = 256;

/** Number of concurrent clients from which the shorter time limit applies. */
const CROWDED_CLIENTS = 64;

/** Time limit for a request while there are many clients, in milliseconds. */
const CROWDED_LIMIT_MS = 2_000;

/** Delay after accepting a client failed, in milliseconds. */
const ACCEPT_AGAIN_MS = 100;

/** Options for {@linkcode openRegistration}. */
export interface RegistrationOptions {
  /**
   * Absolute paths of candidate directories. A private directory for the socket
   * is created in the first suitable one: the path of a socket must be short,
   * and not all file systems support sockets.
   */
  parents: readonly string[];
  /**
   * Masks a value for code in this process, which cannot block while it waits
   * for its own socket.
   */
  mask: (value: string) => void;
  /**
   * Socket of the outer runner, which runs this one.
   *
   * @default {none}
   */
  outerSocket?: string;
  /**
   * Masks values. The client gets its reply afterwards, so all of its later
   * output is masked.
   *
   * @param values Non-empty values that were not registered before.
   */
  onRegister: (values: string[]) => void | Promise<void>;
  /**
   * Called with a warning for the log.
   *
   * @param message Text that contains no values.
   */
  onWarning: (message: string) => void;
  /**
   * Time limit for one request, in milliseconds.
   *
   * @default {5_000}
   */
  limitMs?: number;
}

/** Socket where programs register secrets; disposing it closes it. */
export interface Registration extends AsyncDisposable {
  /** Absolute path of a private directory, which is removed with the socket. */
  readonly directory: string;
  /** Absolute path of the socket, for `REACTORCIDE_SECRETS_SOCKET`. */
  readonly path: string;
}

/**
 * Opens a socket where the programs of a job register secrets.
 *
 * Only programs of the same user can connect to it. Each connection carries one
 * request: a 4-byte length, then `{"action": "register", "secrets": […]}`.
 *
 * @param options Directories and callbacks.
 * @returns The socket, which accepts clients until it is disposed.
 * @throws {RunnerError} `registration-failed` if no directory is suitable, or
 * permission is denied.
 */
export function openRegistration(options: RegistrationOptions): Registration {
  return new RegistrationServer(listenPrivately(options.parents), options);
}

class RegistrationServer implements Registration {
  readonly directory: string;
  readonly path: string;
  readonly #socket: PrivateListener;
  readonly #options: RegistrationOptions;
  readonly #clients = new Map<Deno.UnixConn, Promise<void>>();
  readonly #warnings = new Set<string>();
  readonly #accepting: Promise<void>;
  #handler: RegistrationHandler | undefined;
  #closing: Promise<void> | undefined;

  constructor(socket: PrivateListener, options: RegistrationOptions) {
    this.directory = socket.directory;
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
        if (this.#closing === undefined) this.#accept(client);
        else client.close();
      } catch (error) {
        if (this.#closing !== undefined) return;
        // The process may be out of file descriptors, which is temporary.
        this.#warn(`Cannot accept a client: ${osReason(error)}`);
        await pause(ACCEPT_AGAIN_MS);
      }
    }
  }

  #accept(client: Deno.UnixConn): void {
    const { limitMs = REQUEST_LIMIT_MS } = this.#options;
    const isCrowded = this.#clients.size >= CROWDED_CLIENTS;
    const limit = AbortSignal.timeout(
      isCrowded ? Math.min(limitMs, CROWDED_LIMIT_MS) : limitMs,
    );
    const served = this.#serve(client, limit)
      // Log only the name of the error: its message might quote a value.
      .catch((error) => this.#warn(`Cannot serve a client: ${error?.name}`))
      .finally(() => this.#clients.delete(client));
    this.#clients.set(client, served);
  }

  async #serve(client: Deno.UnixConn, limit: AbortSignal): Promise<void> {
    using _ = client;
    // Loaded on demand: most jobs register nothing, and start faster.
    const { RegistrationHandler } = await import("./handler.ts");
    this.#handler ??= new RegistrationHandler({
      onRegister: this.#options.onRegister,
      onWarning: (message) => this.#warn(message),
    });
    await this.#handler.serve(client, limit);
  }

  /** Logs each warning once, so that retries do not flood the log. */
  #warn(message: string): void {
    if (this.#warnings.has(message)) return;
    this.#warnings.add(message);
    this.#options.onWarning(message);
  }
}
