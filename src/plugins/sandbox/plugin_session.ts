import { onAbort } from "../../process/cancellation.ts";
import type { RunningProcess } from "../../process/spawn.ts";
import { timeLimit } from "../../process/time_limit.ts";
import { CANCEL_GRACE_MS } from "../run_phase.ts";
import type { GuestFailure, GuestMessage, HostMessage } from "./messages.ts";
import { PluginLog } from "../plugin_log.ts";
import type { MaskStream } from "../../secrets/mask/stream.ts";
import { thrownText } from "../thrown_text.ts";
import { PluginProcess } from "./plugin_process.ts";

/** Maximum number of secrets that a plugin may have registered. */
const MAX_SECRETS = 1_000;

/** Maximum number of lines of a plugin that are logged. */
const MAX_LINES = 10_000;

/** What a plugin can do at any time. */
export interface SessionListener {
  /** Says something in the log. */
  log(message: string): void;
  /** Has a value masked. */
  secret(value: string): void;
  /**
   * Adds follow-up jobs, as trigger documents spell them.
   *
   * @throws {Error} If they are not accepted.
   */
  trigger(jobs: readonly unknown[]): void;
  /** Starts a stream that masks secrets. */
  maskStream(): MaskStream;
  /** Hears why the system does not confine the process. */
  unconfined(reason: string): void;
}

/** What a plugin said when it was loaded. */
export type ReadyMessage = Extract<GuestMessage, { type: "ready" }>;

/** What is said to the plugin to call one of its methods. */
export type CallRequest = Omit<
  Extract<HostMessage, { type: "call" }>,
  "type" | "id"
>;

/** Options for {@linkcode PluginSession.call}. */
export interface CallOptions {
  /** Aborted when the call should end, with a `TimeoutError` when it must. */
  signal: AbortSignal;
  /** Receives the numbers that the plugin records meanwhile. */
  metric: (name: string, value: number) => void;
}

/** An error that a plugin reported. */
export class GuestError extends Error {
  /** Creates an error from the plugin's message. */
  constructor({ name, message }: GuestFailure) {
    super(message === "" ? `it threw ${name}` : message);
  }
}

/** A plugin in a process of its own, which is called and answers. */
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
   * @param listener What the plugin can do at any time.
   * @param isProgram Whether it is a program that nothing confines.
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
    // If it is not awaited, the next call reports it.
    this.ready.catch(() => {});
    this.#process = new PluginProcess(child, {
      message: (message) => this.#hear(message),
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

  /** Whether a call makes sense: the plugin runs, or its end was not reported yet. */
  get isCallable(): boolean {
    return this.#process.reason === undefined || !this.#isEndKnown;
  }

  /** Why the plugin ended by itself, until that is reported. */
  get untoldEnd(): string | undefined {
    return this.#isEndKnown ? undefined : this.#process.reason;
  }

  /**
   * Calls a method of the plugin.
   *
   * @param request Method and context.
   * @param options Signal and listener.
   * @returns The changes that it asks for.
   * @throws {GuestError} If the method throws.
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
   * Ends the plugin at once.
   *
   * @param reason Why.
   */
  end(reason: string): void {
    this.#process.end(reason);
  }

  /** Ends the plugin, and has its last words heard. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEndKnown = true;
    await this.#process[Symbol.asyncDispose]();
    this.#flush();
  }

  #flush(): void {
    this.#messages.flush();
    this.#output.flush();
  }

  #hear(message: GuestMessage): void {
    switch (message.type) {
      case "unconfined":
        return this.#listener.unconfined(message.message);
      case "ready":
        return this.#ready.resolve(message);
      case "broken":
        return this.#ready.reject(new GuestError(message));
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
          ...errorOf(() => this.#listener.trigger(message.jobs)),
        });
      case "metric":
        return this.#metric?.(message.name, message.value);
    }
    if (message.id !== this.#call?.id) {
      return this.end("it answered a call that was not made");
    }
    const call = this.#call;
    // An end of the process that follows does not change the answer.
    this.#call = undefined;
    void this.#afterOutput().then(() => {
      if (message.type === "done") call.resolve(message.changes);
      else call.reject(new GuestError(message));
    });
  }

  #registerSecret(
    { id, value }: Extract<GuestMessage, { type: "secret" }>,
  ): void {
    const answer = errorOf(() => this.#listener.secret(value));
    if (id !== undefined) this.#process.send({ type: "answer", id, ...answer });
    // The plugin takes for granted that the value is masked.
    else if (answer.error !== undefined) this.end(answer.error);
  }

  /** What was read before a message, from another stream, is heard before it. */
  async #afterOutput(): Promise<void> {
    if (this.#isProgram) await nextTask();
  }

  #log(line: string): void {
    if (this.#isProgram) return this.#listener.log(line);
    if (++this.#lineCount < MAX_LINES) this.#listener.log(line);
    else if (this.#lineCount === MAX_LINES) {
      this.#listener.log("It says too much; the rest is left out");
    }
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function errorOf(action: () => void): { readonly error?: string } {
  try {
    action();
    return {};
  } catch (error) {
    return { error: thrownText(error) };
  }
}
