import type { Environment } from "../../environment/variables.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import {
  apiRequests,
  ClusterError,
  type ClusterTransport,
} from "./cluster_transport.ts";

/** The first version of the protocol that can close standard input. */
const PROTOCOL = "v5.channel.k8s.io";

/** Channels of the protocol: the first byte of each message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 };

/** Maximum size of a sent message, in bytes. */
const MAX_MESSAGE_BYTES = 32 * 1024;

/** Maximum number of unsent bytes; beyond it, reading of the input pauses. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** Maximum number of unread bytes before the connection is closed. */
const MAX_UNREAD_BYTES = 256 * 1024 * 1024;

/** Maximum length of an error message, in characters; the rest is dropped. */
const MAX_ERROR_LENGTH = 16 * 1024;

/** Options for {@linkcode httpsTransport}. */
export interface HttpsOptions {
  /** Environment with the address of the API server. */
  readonly env: Environment;
  /** Absolute path of the directory with the token and the certificate. */
  readonly directory: string;
  /**
   * Namespace.
   *
   * @default {that of the Pod}
   */
  readonly namespace?: string;
}

/**
 * Connects to the cluster of the Pod in which this process runs, over HTTPS and with
 * the token of its service account. The token is read for each request, because it
 * is replaced every hour.
 *
 * @throws {RunnerError} `cluster-failed` if the Pod has no token or address.
 */
export async function httpsTransport(
  { env, directory, namespace }: HttpsOptions,
): Promise<ClusterTransport> {
  const {
    KUBERNETES_SERVICE_HOST: host = "",
    KUBERNETES_SERVICE_PORT: port = "443",
  } = env;
  if (host === "") {
    throw new RunnerError(
      "Cannot reach the cluster: KUBERNETES_SERVICE_HOST is not set",
      { code: "cluster-failed" },
    );
  }
  const origin = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const space = namespace ?? (await read(`${directory}/namespace`)).trim();
  const client = Deno.createHttpClient({
    caCerts: [await read(`${directory}/ca.crt`)],
    http2: false,
  });
  const login = async () => ({
    authorization: `Bearer ${(await read(`${directory}/token`)).trim()}`,
  });

  return {
    ...apiRequests({ origin, client, prepare: login }),
    namespace: space,
    [Symbol.asyncDispose]() {
      client.close();
      return Promise.resolve();
    },
    async *exec({ pod, container, command }, input, signal) {
      const query = new URLSearchParams({
        container,
        stdin: String(input !== undefined),
        stdout: "true",
        stderr: "true",
      });
      for (const word of command) query.append("command", word);
      const url = `${origin.replace("https:", "wss:")}/api/v1/namespaces/${
        encodeURIComponent(space)
      }/pods/${encodeURIComponent(pod)}/exec?${query}`;
      yield* execSocket(url, {
        client,
        headers: await login(),
        input,
        signal,
      });
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new RunnerError(
      `Cannot reach the cluster: Cannot read "${path}": ${osReason(cause)}`,
      { code: "cluster-failed", cause },
    );
  }
}

/** Options for {@linkcode execSocket}. */
interface ExecSocketOptions {
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
async function* execSocket(
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
