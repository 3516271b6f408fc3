import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import { ClusterError } from "./cluster_transport.ts";

/** The version of the protocol that supports closing standard input. */
const PROTOCOL = "v5.channel.k8s.io";

/** Channels of the protocol: the first byte of each message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 };

/** Maximum size of a sent message, in bytes. */
const MAX_MESSAGE_BYTES = 32 * 1024;

/** Maximum number of unsent bytes before reading of input pauses. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** Maximum number of unread bytes before the connection fails. */
const MAX_UNREAD_BYTES = 256 * 1024 * 1024;

/** Maximum length of an error message, in characters; the rest is dropped. */
const MAX_ERROR_LENGTH = 16 * 1024;

/** Options for {@linkcode execSocket}. */
export interface ExecSocketOptions {
  readonly client: Deno.HttpClient;
  /** Headers for authentication. */
  readonly headers: Readonly<Record<string, string>>;
  /** Standard input of the program, if it has one. */
  readonly input: AsyncIterable<Uint8Array> | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs a program in a container through a WebSocket of the API server.
 *
 * @param url URL of the request, including the program and its arguments.
 * @returns Standard output; ends when the program has succeeded.
 * @throws {ClusterError} If the program or the connection fails.
 */
export async function* execSocket(
  url: string,
  { client, headers, input, signal }: ExecSocketOptions,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const socket = new WebSocket(url, {
    protocols: [PROTOCOL],
    headers: { ...headers },
    client,
  });
  socket.binaryType = "arraybuffer";
  using _ = onAbort(signal, () => close(socket));
  const messages = new Messages(socket);
  try {
    await messages.opened;
    const sending = input === undefined ? undefined : sendInput(socket, input);
    sending?.catch(() => close(socket));
    yield* messages.output();
    signal.throwIfAborted();
    messages.checkStatus();
  } finally {
    close(socket);
    await messages.closed;
  }
}

function close(socket: WebSocket): void {
  if (socket.readyState <= WebSocket.OPEN) socket.close();
}

/** Queue of the messages that a socket receives. */
class Messages {
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  readonly #output: Uint8Array[] = [];
  #unreadBytes = 0;
  #wake = () => {};
  #isClosed = false;
  #status: unknown;
  #error = "";

  constructor(socket: WebSocket) {
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.opened = opened.promise;
    this.closed = closed.promise;
    this.opened.catch(() => {});
    socket.onopen = () => opened.resolve();
    socket.onerror = (event) => {
      this.#error ||= event instanceof ErrorEvent ? event.message : "";
    };
    socket.onclose = () => {
      this.#isClosed = true;
      opened.reject(this.#connectionError());
      closed.resolve();
      this.#wake();
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#handle(new Uint8Array(data));
      if (this.#unreadBytes > MAX_UNREAD_BYTES) close(socket);
    };
  }

  /** Yields standard output until the program or the connection has ended. */
  async *output(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = this.#output.shift();
      if (bytes !== undefined) {
        this.#unreadBytes -= bytes.length;
        yield bytes;
      } else if (this.#isClosed || this.#status !== undefined) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** @throws {ClusterError} Unless the program has succeeded. */
  checkStatus(): void {
    if (this.#status === undefined) throw this.#connectionError();
    const { status, message } = isObject(this.#status) ? this.#status : {};
    if (status === "Success") return;
    throw new ClusterError(
      `A program in the pod failed: ${this.#error.trim() || message}`,
      { status: undefined },
    );
  }

  #connectionError(): ClusterError {
    return new ClusterError(
      `Lost the connection to the pod${this.#error && `: ${this.#error}`}`,
      { status: undefined },
    );
  }

  #handle(message: Uint8Array): void {
    const content = message.subarray(1);
    switch (message[0]) {
      case CHANNEL.stdout:
        this.#output.push(content);
        this.#unreadBytes += content.length;
        break;
      case CHANNEL.stderr:
        if (this.#error.length < MAX_ERROR_LENGTH) {
          this.#error += new TextDecoder().decode(content);
        }
        break;
      case CHANNEL.status:
        this.#status = parseJson(new TextDecoder().decode(content)) ?? null;
    }
    this.#wake();
  }
}

async function sendInput(
  socket: WebSocket,
  input: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const bytes of input) {
    for (let at = 0; at < bytes.length; at += MAX_MESSAGE_BYTES) {
      if (socket.readyState !== WebSocket.OPEN) return;
      const part = bytes.subarray(at, at + MAX_MESSAGE_BYTES);
      const message = new Uint8Array(part.length + 1);
      message[0] = CHANNEL.stdin;
      message.set(part, 1);
      socket.send(message);
      while (
        socket.bufferedAmount > MAX_BUFFERED_BYTES &&
        socket.readyState === WebSocket.OPEN
      ) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(Uint8Array.of(CHANNEL.close, CHANNEL.stdin));
}
