/**
 * The server side of the Model Context Protocol over standard streams: messages
 * of JSON-RPC 2.0, one in each line.
 *
 * Clients are not trusted: a message of another shape gets an error, and nothing
 * that a client sends ends the server except the end of its input.
 *
 * @see https://modelcontextprotocol.io/specification/2025-06-18/basic
 * @module
 */
import { joinBytes } from "../../bytes.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";

/** Versions of the protocol, the latest first. */
const VERSIONS: readonly string[] = [
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2024-11-05",
];

/** Maximum size of a message, in bytes. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** Maximum number of calls at the same time. */
const MAX_CALLS = 16;

/** Interval of the notifications that a call is still running, in ms. */
const PROGRESS_MS = 5_000;

const CODE = {
  parse: -32700,
  request: -32600,
  method: -32601,
  params: -32602,
  internal: -32603,
} as const;

/** Result of a tool. */
export interface ToolResult {
  /** The result, which becomes JSON. */
  readonly value: Readonly<Record<string, unknown>>;
  /**
   * Whether the tool has failed.
   *
   * @default {false}
   */
  readonly isError?: boolean;
}

/** A tool that clients can call. */
export interface Tool {
  /** Description for the model that chooses tools. */
  readonly description: string;
  /** JSON Schema of each argument. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Names of arguments that must be given. */
  readonly required: readonly string[];
  /** Whether it changes nothing. */
  readonly isReadOnly: boolean;
  /**
   * Calls the tool.
   *
   * @param args Arguments; only their names are checked.
   * @param signal Aborted when the client cancels the call.
   * @throws {RunnerError} If it fails; the client sees the message.
   */
  call(
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<ToolResult>;
}

/** Options for {@linkcode serveTools}. */
export interface ServeToolsOptions {
  readonly tools: Readonly<Record<string, Tool>>;
  /** Purpose of the server, for clients. */
  readonly instructions: string;
  readonly version: string;
  /** Messages of the client. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Replaces secret parts of a text. */
  readonly mask: (text: string) => string;
  /** Writes a message. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Serves tools until the input ends; what still runs then is cancelled. */
export async function serveTools(options: ServeToolsOptions): Promise<void> {
  const server = new Server(options);
  try {
    for await (const line of readLines(options.input)) server.receive(line);
  } finally {
    await server.end();
  }
}

type RequestId = string | number;

/** Error of a request, with a code of JSON-RPC. */
class RequestError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

class Server {
  readonly #options: ServeToolsOptions;
  readonly #calls = new Map<
    RequestId,
    { readonly tool: Tool; readonly stop: AbortController }
  >();
  readonly #running = new Set<Promise<void>>();
  #writing: Promise<void> = Promise.resolve();
  #isInitialized = false;

  constructor(options: ServeToolsOptions) {
    this.#options = options;
  }

  /** Takes a message; `undefined` for one that is too large. */
  receive(line: Uint8Array | undefined): void {
    const message = line && parseJson(new TextDecoder().decode(line));
    if (message === undefined) {
      const problem = line === undefined
        ? `a message is larger than ${MAX_MESSAGE_BYTES} bytes`
        : "a message is not JSON";
      return this.#fail(null, new RequestError(CODE.parse, problem));
    }
    const { jsonrpc, id, method, params = {} } = isObject(message)
      ? message
      : {};
    const isId = typeof id === "string" || Number.isSafeInteger(id);
    const isValid = jsonrpc === "2.0" && typeof method === "string" &&
      (isId || id === undefined) && isObject(params);
    // The server sends no requests, so it gets no responses.
    if (!isValid) {
      const error = new RequestError(CODE.request, "not a request");
      return this.#fail(isId ? id as RequestId : null, error);
    }
    if (id === undefined) return this.#handleNotification(method, params);
    const answer = this.#answer(id as RequestId, method, params);
    this.#running.add(answer);
    void answer.then(() => this.#running.delete(answer));
  }

  /** Waits for calls that only read, and cancels the others. */
  async end(): Promise<void> {
    for (const { tool, stop } of this.#calls.values()) {
      if (!tool.isReadOnly) stop.abort();
    }
    await Promise.all(this.#running);
    await this.#writing;
  }

  #handleNotification(
    method: string,
    { requestId }: Record<string, unknown>,
  ): void {
    if (method !== "notifications/cancelled") return;
    this.#calls.get(requestId as RequestId)?.stop.abort();
  }

  async #answer(
    id: RequestId,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    try {
      const result = await this.#callMethod(id, method, params);
      if (result !== undefined) this.#send({ id, result });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  async #callMethod(
    id: RequestId,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    if (method === "ping") return {};
    if (method === "initialize") return this.#initialize(params);
    if (!this.#isInitialized) {
      throw new RequestError(CODE.request, "the client must initialize first");
    }
    if (method === "tools/list") return this.#list();
    if (method === "tools/call") return await this.#call(id, params);
    throw new RequestError(CODE.method, "the server has no such method");
  }

  #initialize({ protocolVersion }: Readonly<Record<string, unknown>>) {
    if (this.#isInitialized) {
      throw new RequestError(
        CODE.request,
        "the client has already initialized",
      );
    }
    if (typeof protocolVersion !== "string") {
      throw new RequestError(CODE.params, "protocolVersion must be a string");
    }
    this.#isInitialized = true;
    const { version, instructions } = this.#options;
    return {
      protocolVersion: VERSIONS.includes(protocolVersion)
        ? protocolVersion
        : VERSIONS[0],
      capabilities: { tools: {} },
      serverInfo: { name: "runnerlib", version },
      instructions,
    };
  }

  #list() {
    const { tools } = this.#options;
    return {
      tools: Object.entries(tools).map(([name, tool]) => ({
        name,
        description: tool.description,
        inputSchema: {
          type: "object",
          properties: tool.properties,
          required: tool.required,
          additionalProperties: false,
        },
        annotations: {
          readOnlyHint: tool.isReadOnly,
          openWorldHint: !tool.isReadOnly,
        },
      })),
    };
  }

  async #call(
    id: RequestId,
    { name, arguments: args = {}, _meta }: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const { tools } = this.#options;
    if (typeof name !== "string" || !Object.hasOwn(tools, name)) {
      throw new RequestError(CODE.params, "the server has no such tool");
    }
    if (!isObject(args)) {
      throw new RequestError(CODE.params, "arguments must be an object");
    }
    if (this.#calls.has(id)) {
      throw new RequestError(CODE.request, "a call with this id is running");
    }
    if (this.#calls.size >= MAX_CALLS) {
      throw new RequestError(CODE.internal, "too many calls are running");
    }
    const stop = new AbortController();
    this.#calls.set(id, { tool: tools[name], stop });
    using _ = this.#reportProgress(isObject(_meta) ? _meta.progressToken : "");
    try {
      return formatContent(await callTool(tools[name], args, stop.signal));
    } catch (error) {
      // A client gets no response to a call that it has cancelled.
      if (stop.signal.aborted) return undefined;
      if (!(error instanceof RunnerError)) throw error;
      return formatContent({ value: { error: error.message }, isError: true });
    } finally {
      this.#calls.delete(id);
    }
  }

  /** Sends progress if the client asks for it, so that it does not time out. */
  #reportProgress(progressToken: unknown): Disposable {
    const isToken = Number.isSafeInteger(progressToken) ||
      typeof progressToken === "string" && progressToken !== "";
    if (!isToken) return { [Symbol.dispose]() {} };
    let progress = 0;
    const timer = setInterval(() => {
      progress += PROGRESS_MS / 1_000;
      const params = { progressToken, progress };
      this.#send({ method: "notifications/progress", params });
    }, PROGRESS_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #fail(id: RequestId | null, error: unknown): void {
    const code = error instanceof RequestError ? error.code : CODE.internal;
    this.#send({ id, error: { code, message: messageOf(error) } });
  }

  #send(message: Record<string, unknown>): void {
    const { mask, write } = this.#options;
    // A mask must not break the JSON around it.
    const text = JSON.stringify(
      { jsonrpc: "2.0", ...message },
      (_key, value) => typeof value === "string" ? mask(value) : value,
    );
    const bytes = new TextEncoder().encode(`${text}\n`);
    // A client that has closed the pipe also ends the input.
    this.#writing = this.#writing
      .then(() => write(bytes)).catch(() => {});
  }
}

async function callTool(
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<ToolResult> {
  for (const name of Object.keys(args)) {
    if (Object.hasOwn(tool.properties, name)) continue;
    throw invalidArgument(name.slice(0, 100), "does not exist");
  }
  for (const name of tool.required) {
    if (args[name] === undefined) throw invalidArgument(name, "is required");
  }
  return await tool.call(args, signal);
}

/** Creates an error about an argument of a tool. */
export function invalidArgument(name: string, problem: string): RunnerError {
  return new RunnerError(`Argument ${JSON.stringify(name)} ${problem}`, {
    code: "invalid-config",
  });
}

function formatContent({ value, isError = false }: ToolResult) {
  return {
    content: [{ type: "text", text: JSON.stringify(value, null, 2) }],
    structuredContent: value,
    isError,
  };
}

/** Yields the lines of a stream; `undefined` for each that is too large. */
async function* readLines(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array | undefined> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (let bytes of input) {
    for (let end; (end = bytes.indexOf(10)) !== -1;) {
      length += end;
      const line = joinBytes([...parts, bytes.subarray(0, end)]);
      if (length > MAX_MESSAGE_BYTES) yield undefined;
      else if (length > 0) yield line;
      bytes = bytes.subarray(end + 1);
      parts = [];
      length = 0;
    }
    length += bytes.length;
    // The rest of a message that is too large is not kept.
    if (length > MAX_MESSAGE_BYTES) parts = [];
    else if (bytes.length > 0) parts.push(bytes.slice());
  }
}
