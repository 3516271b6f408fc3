import {
  openRegistration,
  type RegistrationOptions,
} from "../../src/secrets/registration/server.ts";
import { soon } from "./soon.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** A registration socket of a test, and the registered values. */
export interface TestRegistration extends AsyncDisposable {
  /** Absolute path of the socket. */
  readonly path: string;
  /** Absolute path of the directory that contains the private one. */
  readonly directory: string;
  /** Values in the order in which they were registered. */
  readonly values: string[];
  /** Warnings. */
  readonly warnings: string[];
  /** Closes the socket before the end of its scope. */
  close(): Promise<void>;
}

/** Opens a registration socket in its own directory. */
export async function testRegistration(
  options: Partial<RegistrationOptions> = {},
): Promise<TestRegistration> {
  const directory = await temporaryDirectory();
  const values: string[] = [];
  const warnings: string[] = [];
  const registration = openRegistration({
    parents: [directory.path],
    mask: (value) => void values.push(value),
    onRegister: (fresh) => void values.push(...fresh),
    onWarning: (message) => void warnings.push(message),
    ...options,
  });
  const close = () =>
    soon(
      Promise.resolve(registration[Symbol.asyncDispose]()),
      "the end of the socket",
    );
  return {
    path: registration.path,
    directory: directory.path,
    values,
    warnings,
    close,
    async [Symbol.asyncDispose]() {
      await close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Returns the bytes of a frame with the given length. */
export function frame(
  body: string | Uint8Array,
  length?: number,
): Uint8Array {
  const bytes = typeof body === "string"
    ? new TextEncoder().encode(body)
    : body;
  const whole = new Uint8Array(4 + bytes.length);
  new DataView(whole.buffer).setUint32(0, length ?? bytes.length);
  whole.set(bytes, 4);
  return whole;
}

/** Returns the bytes of a request that registers values. */
export function request(secrets: unknown): Uint8Array {
  return frame(JSON.stringify({ action: "register", secrets }));
}

/** A client whose every action the test controls. */
export class RawClient implements Disposable {
  readonly #connection: Deno.UnixConn;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  /** Connects to a socket. */
  static async connect(path: string): Promise<RawClient> {
    return new RawClient(await Deno.connect({ transport: "unix", path }));
  }

  /** Sends bytes, and returns whether the server accepts them. */
  async send(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) {
        at += await this.#connection.write(bytes.subarray(at));
      }
      return true;
    } catch (error) {
      if (isClosed(error)) return false;
      throw error;
    }
  }

  /** Closes the sending side of the connection. */
  async endSending(): Promise<void> {
    try {
      await this.#connection.closeWrite();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotConnected)) throw error;
    }
  }

  /** Reads everything until the server closes the connection. */
  async readRest(): Promise<string> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const buffer = new Uint8Array(4096);
    while (true) {
      const count = await this.#connection.read(buffer).catch((error) => {
        if (isClosed(error)) return null;
        throw error;
      });
      if (count === null) return await new Blob(chunks).text();
      chunks.push(buffer.slice(0, count));
    }
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

/** Sends bytes over a new connection, and returns the response. */
export async function exchange(
  path: string,
  bytes: Uint8Array,
): Promise<string> {
  using client = await RawClient.connect(path);
  await client.send(bytes);
  return await soon(client.readRest(), "the response");
}

/** Checks for an error that occurs after the server has closed the connection. */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset;
}
