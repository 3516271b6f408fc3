import { SOURCE_TYPE, SOURCE_TYPES } from "../options/source_options.ts";
import type { SourceHandler } from "../source_handler.ts";

/** The handlers of types of sources that the runner does not know itself. */
export class SourceRegistry {
  readonly #handlers: Map<string, SourceHandler>;

  /**
   * Makes a registry.
   *
   * @param other Registry whose handlers it holds from the beginning.
   */
  constructor(other?: SourceRegistry) {
    this.#handlers = new Map(other?.handlers);
  }

  /** The handlers, by type. */
  get handlers(): ReadonlyMap<string, SourceHandler> {
    return this.#handlers;
  }

  /**
   * Registers the handler of a type of sources.
   *
   * @param type Name of the type: small letters, digits, `-` and `_`.
   * @param handler Function that fills a directory.
   * @returns Handle that unregisters the handler when disposed.
   * @throws {TypeError} If the type is one of the runner, has a handler or a
   * name that cannot be, or the handler is not a function.
   */
  add(type: string, handler: SourceHandler): Disposable {
    const problem = this.#problemOf(type, handler);
    if (problem !== undefined) {
      throw new TypeError(
        `Cannot register source type ${JSON.stringify(type)}: ${problem}`,
      );
    }
    this.#handlers.set(type, handler);
    return {
      [Symbol.dispose]: () => {
        // The type may have passed to another handler meanwhile.
        if (this.#handlers.get(type) === handler) this.#handlers.delete(type);
      },
    };
  }

  #problemOf(type: unknown, handler: unknown): string | undefined {
    if (typeof type !== "string" || type === "" || !SOURCE_TYPE.test(type)) {
      return "it is not a name of small letters, digits, - and _";
    }
    const builtIn: readonly string[] = SOURCE_TYPES;
    if (builtIn.includes(type)) return "the runner has a type of this name";
    if (this.#handlers.has(type)) return "it has a handler";
    return typeof handler === "function"
      ? undefined
      : "its handler is not a function";
  }
}
