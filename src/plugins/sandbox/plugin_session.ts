import { thrownText } from "../../errors.ts";
import { CANCEL_GRACE_MS, onAbort } from "../../process/cancellation.ts";
import type { RunningProcess } from "../../process/spawn.ts";
import { timeLimit } from "../../process/time_limit.ts";
import type { MaskStream } from "../../secrets/mask/mask_stream.ts";
import { PluginLog } from "../plugin_log.ts";
import type {
  PluginFailure,
  PluginMessage,
  RunnerMessage,
} from "./messages.ts";
import { PluginProcess } from "./plugin_process.ts";

/** Maximum number of secrets that a plugin may register. */
const MAX_SECRETS = 1_000;

/** Maximum number of lines of a plugin that are logged. */
const MAX_LINES = 10_000;

/** Handles requests that a plugin can send at any time. */
export interface SessionListener {
  /** Logs a message. */
  log(message: string): void;
  /** Masks a value from now on. */
  secret(value: string): void;
  /**
   * Queues follow-up jobs in the form of trigger documents.
   *
   * @throws {Error} If a job is invalid.
   */
  trigger(jobs: readonly unknown[]): void;
  /** Starts a stream that masks secrets. */
  maskStream(): MaskStream;
  /** Called with the reason if Landlock does not confine the process. */
  unconfined(reason: string): void;
}

/** Message that a plugin sends after it is loaded. */
export type ReadyMessage = Extract<PluginMessage, { type: "ready" }>;

/** Method to call, and its context. */
export type CallRequest = Omit<
  Extract<RunnerMessage, { type: "call" }>,
  "type" | "id"
>;

/** Options for {@linkcode PluginSession.call}. */
export interface CallOptions {
  /**
   * Cancels the call when aborted. With a `TimeoutError`, the plugin is killed
   * immediately.
   */
  signal: AbortSignal;
  /** Receives metrics that the plugin records during the call. */
  metric: (name: string, value: number) => void;
}

/** Error that a plugin reports. */
export class ReportedError extends Error {
  /** Creates an error from the plugin's message. */
  constructor({ name, message }: PluginFailure) {
    super(message === "" ? `it threw ${name}` : message);
  }
}

/** Session with a plugin that runs in its own process. */
export class PluginSession implements AsyncDisposable {
  /** Resolves when the plugin is loaded. */
  readonly ready: Promise<ReadyMessage>;
  readonly #process: PluginProcess;
  readonly #listener: SessionListener;
  readonly #messages: PluginLog;
  readonly #output: PluginLog;
  readonly #isProgram: boolean;
  readonly #ready = Promise.withResolvers<ReadyMessage>();
  #call: PromiseWithResolvers<unknown> & { id: number } | undefined;
  #metric: CallOptions["metric"] | undefined;
  #lastId = 0;
  #secretCount = 0;
  #lineCount = 0;
  #isEndKnown = false;

  /**
   * Takes over a plugin's process.
   *
   * @param child The process.
   * @param listener Handles requests of the plugin.
   * @param isProgram Whether it is a program, which is not sandboxed.
   */
  constructor(
    child: RunningProcess,
    listener: SessionListener,
    isProgram: boolean,
  ) {
    this.#listener = listener;
    this.#isProgram = isProgram;
    const openLog = () =>
      new PluginLog({
        maskStream: () => listener.maskStream(),
        onLine: (line) => this.#log(line),
      });
    this.#messages = openLog();
    this.#output = openLog();
    this.ready = this.#ready.promise;
    // If nothing awaits it, the next call reports the error.
    this.ready.catch(() => {});
    this.#process = new PluginProcess(child, {
      message: (message) => this.#handle(message),
      stderr: (line) => this.#log(line),
      output: (bytes) => this.#output.writeBytes(bytes),
      maskStream: () => listener.maskStream(),
    }, isProgram);
    this.#process.ended.then((reason) => {
      this.#flush();
      this.#ready.reject(new Error(reason));
      if (this.#call === undefined) return;
      this.#isEndKnown = true;
      this.#call.reject(new Error(`${reason}; it is not called again`));
    });
  }

  /** Whether to call the plugin: it runs, or its end has not been reported. */
  get isCallable(): boolean {
    return this.#process.reason === undefined || !this.#isEndKnown;
  }

  /** Why the plugin ended by itself; `undefined` once that has been reported. */
  get unreportedEnd(): string | undefined {
    return this.#isEndKnown ? undefined : this.#process.reason;
  }

  /**
   * Calls a method of the plugin.
   *
   * @param request Method and context.
   * @param options Signal and listener.
   * @returns Changes that the plugin requests.
   * @throws {ReportedError} If the method throws.
   * @throws {Error} If the process ends.
   */
  async call(request: CallRequest, options: CallOptions): Promise<unknown> {
    const { reason } = this.#process;
    if (reason !== undefined) {
      this.#isEndKnown = true;
      throw new Error(`${reason}; it is not called again`);
    }
    const { signal, metric } = options;
    const id = ++this.#lastId;
    const call = { ...Promise.withResolvers<unknown>(), id };
    this.#call = call;
    this.#metric = metric;
    using ending = new DisposableStack();
    ending.use(onAbort(signal, () => {
      if (signal.reason?.name === "TimeoutError") {
        return this.end(signal.reason.message);
      }
      this.#process.send({ type: "cancel", id });
      const limit = ending.use(timeLimit(CANCEL_GRACE_MS));
      limit.reached.then(() => this.end("it did not end with the job"));
    }));
    this.#process.send({ type: "call", id, ...request });
    return await call.promise.finally(() => {
      this.#call = undefined;
      this.#flush();
    });
  }

  /**
   * Kills the plugin.
   *
   * @param reason Reason, phrased to follow "Cannot …:".
   */
  end(reason: string): void {
    this.#process.end(reason);
  }

  /** Kills the plugin and drains its output. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEndKnown = true;
    await this.#process[Symbol.asyncDispose]();
    this.#flush();
  }

  #flush(): void {
    this.#messages.flush();
    this.#output.flush();
  }

  #handle(message: PluginMessage): void {
    switch (message.type) {
      case "unconfined":
        return this.#listener.unconfined(message.message);
      case "ready":
        return this.#ready.resolve(message);
      case "broken":
        return this.#ready.reject(new ReportedError(message));
      case "log":
        return this.#messages.write(message.message);
      case "secret":
        if (++this.#secretCount > MAX_SECRETS) {
          return this.end(`it registered more than ${MAX_SECRETS} secrets`);
        }
        return this.#registerSecret(message);
      case "trigger":
        return this.#process.send({
          type: "answer",
          id: message.id,
          ...captureError(() => this.#listener.trigger(message.jobs)),
        });
      case "metric":
        return this.#metric?.(message.name, message.value);
    }
    if (message.id !== this.#call?.id) {
      return this.end("it answered a call that does not exist");
    }
    const call = this.#call;
    // If the process ends after the answer, the answer still counts.
    this.#call = undefined;
    void this.#afterOutput().then(() => {
      if (message.type === "done") call.resolve(message.changes);
      else call.reject(new ReportedError(message));
    });
  }

  #registerSecret(
    { id, value }: Extract<PluginMessage, { type: "secret" }>,
  ): void {
    const answer = captureError(() => this.#listener.secret(value));
    if (id !== undefined) this.#process.send({ type: "answer", id, ...answer });
    // The plugin relies on the value being masked.
    else if (answer.error !== undefined) this.end(answer.error);
  }

  /** Lets output that was read before a message be logged before it. */
  async #afterOutput(): Promise<void> {
    if (this.#isProgram) await nextTask();
  }

  #log(line: string): void {
    if (this.#isProgram) return this.#listener.log(line);
    if (++this.#lineCount < MAX_LINES) this.#listener.log(line);
    else if (this.#lineCount === MAX_LINES) {
      this.#listener.log("It logs too many lines; the rest is omitted");
    }
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function captureError(action: () => void): { readonly error?: string } {
  try {
    action();
    return {};
  } catch (error) {
    return { error: thrownText(error) };
  }
}
