import { messageOf, RunnerError } from "../errors.ts";
import { SOURCE_TYPE, SOURCE_TYPES } from "../options/source_options.ts";
import { CANCEL_GRACE_MS, onAbort } from "../process/cancellation.ts";
import { settlesWithin } from "../process/time_limit.ts";
import type { SourceHandler } from "../source_handler.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import type { FillDirectory, SourceContext, SourceRequest } from "./source.ts";

/** Handlers of source types that are not built in. */
export class SourceRegistry {
  readonly #handlers: Map<string, SourceHandler>;

  /** @param other Registry to copy handlers from. */
  constructor(other?: SourceRegistry) {
    this.#handlers = new Map(other?.handlers);
  }

  get handlers(): ReadonlyMap<string, SourceHandler> {
    return this.#handlers;
  }

  /**
   * Registers the handler of a source type.
   *
   * @param type Name of the type: lowercase letters, digits, `-` and `_`.
   * @param handler Function that fills a directory.
   * @returns Handle that unregisters the handler when disposed.
   * @throws {TypeError} If the type is built in, already has a handler or an
   * invalid name, or if the handler is not a function.
   */
  add(type: string, handler: SourceHandler): Disposable {
    const problem = this.#findProblem(type, handler);
    if (problem !== undefined) {
      throw new TypeError(
        `Cannot register source type ${JSON.stringify(type)}: ${problem}`,
      );
    }
    this.#handlers.set(type, handler);
    return {
      [Symbol.dispose]: () => {
        // Another handler may have been registered for the type since.
        if (this.#handlers.get(type) === handler) this.#handlers.delete(type);
      },
    };
  }

  #findProblem(type: unknown, handler: unknown): string | undefined {
    if (typeof type !== "string" || type === "" || !SOURCE_TYPE.test(type)) {
      return "a type must start with a letter and contain only lowercase letters, digits, - and _";
    }
    const builtIn: readonly string[] = SOURCE_TYPES;
    if (builtIn.includes(type)) return "it is a built-in type";
    if (this.#handlers.has(type)) return "it already has a handler";
    return typeof handler === "function"
      ? undefined
      : "its handler is not a function";
  }
}

/**
 * Creates a source from a handler.
 *
 * @returns Function that calls the handler to fill the directory. It throws a
 * {@linkcode RunnerError} with code `source-failed` if the handler throws or
 * leaves the directory empty.
 */
export function customSource(
  handler: SourceHandler,
  request: SourceRequest,
  context: SourceContext,
): FillDirectory {
  const { type, url = "", ref } = request;
  const { env, cwd, log, cancellation } = context;
  const failure = (reason: string, cause?: unknown) =>
    new RunnerError(
      `Cannot fetch the source "${showUrl(url) || type}": ${reason}`,
      { code: "source-failed", cause },
    );
  return async (target) => {
    log.info("source", "Calling the handler", { type, url: showUrl(url) });
    const filling = (async () =>
      await handler(Object.freeze({
        type,
        target,
        url: url || undefined,
        ref,
        env,
        cwd,
        signal: cancellation.graceful,
        log: (message: string) => log.info(`source:${type}`, message),
      })))();
    const revision = await untilCancelled(filling, cancellation.graceful)
      .catch((cause) => {
        cancellation.graceful.throwIfAborted();
        throw failure(showUrlsIn(messageOf(cause), url), cause);
      });
    for await (const _ of Deno.readDir(target)) {
      return typeof revision === "string" ? revision : undefined;
    }
    throw failure("its handler left the directory empty");
  };
}

/**
 * A handler that ignores its signal keeps running, since nothing can stop it.
 */
async function untilCancelled(
  filling: Promise<unknown>,
  signal: AbortSignal,
): Promise<unknown> {
  const cancelled = Promise.withResolvers<void>();
  using _ = onAbort(signal, cancelled.resolve);
  return await Promise.race([
    filling,
    cancelled.promise.then(async () => {
      await settlesWithin(filling, CANCEL_GRACE_MS);
      throw signal.reason;
    }),
  ]);
}
