/** Description of a loaded plugin, as its process sends it. */
export interface PluginDescription {
  /** Name of the plugin. */
  readonly name: unknown;
  /** Priority of the plugin. */
  readonly priority?: unknown;
  /** Phases in which the plugin is called. */
  readonly phases?: unknown;
  /** Whether an error of the plugin ends the job or is only logged. */
  readonly errorPolicy?: unknown;
  /** Names of its methods; only `execute` by default. */
  readonly methods?: unknown;
}

/** Error that a plugin's process reports. */
export interface PluginFailure {
  /** Name of the error. */
  readonly name: string;
  /** Message of the error. */
  readonly message: string;
}

/** A message from a plugin's process. Only its shape is validated. */
export type PluginMessage =
  | {
    readonly type: "ready";
    readonly plugins: readonly PluginDescription[];
    readonly manifest?: unknown;
  }
  | { readonly type: "unconfined"; readonly message: string }
  | { readonly type: "broken" } & PluginFailure
  | { readonly type: "log"; readonly message: string }
  | {
    readonly type: "secret";
    readonly value: string;
    /** Requests an answer, which is sent once the value is masked. */
    readonly id?: number;
  }
  | {
    readonly type: "trigger";
    readonly id: number;
    /** Follow-up jobs in the form of trigger documents. */
    readonly jobs: readonly unknown[];
  }
  | { readonly type: "metric"; readonly name: string; readonly value: number }
  | { readonly type: "done"; readonly id: number; readonly changes: unknown }
  | { readonly type: "failed"; readonly id: number } & PluginFailure;

/** A message to a plugin's process. */
export type RunnerMessage =
  | {
    readonly type: "call";
    readonly id: number;
    readonly plugin: string;
    readonly hook: string;
    readonly phase: string;
    readonly context: unknown;
  }
  | { readonly type: "cancel"; readonly id: number }
  | {
    readonly type: "answer";
    readonly id: number;
    /** Why the request failed, if it did. */
    readonly error?: string;
  };

type Fields = Readonly<Record<string, unknown>>;

/** Checks the fields of each type of message. */
const SHAPES: Readonly<Record<string, (fields: Fields) => boolean>> = {
  ready: ({ plugins }) =>
    Array.isArray(plugins) && plugins.length > 0 && plugins.every(isFields),
  unconfined: ({ message }) => typeof message === "string",
  broken: isFailure,
  log: ({ message }) => typeof message === "string",
  secret: ({ value, id = 0 }) =>
    typeof value === "string" && Number.isInteger(id),
  trigger: ({ id, jobs }) => Number.isInteger(id) && Array.isArray(jobs),
  metric: ({ name, value }) =>
    typeof name === "string" && name !== "" && Number.isFinite(value),
  done: ({ id, changes }) => Number.isInteger(id) && isFields(changes ?? {}),
  failed: (fields) => Number.isInteger(fields.id) && isFailure(fields),
};

/**
 * Parses a line from a plugin's process.
 *
 * @param line The line.
 * @returns The message; `undefined` if the line is not a valid message.
 */
export function parseMessage(line: string): PluginMessage | undefined {
  try {
    const message: unknown = JSON.parse(line);
    if (!isFields(message)) return undefined;
    const { type } = message;
    if (typeof type !== "string" || !Object.hasOwn(SHAPES, type)) {
      return undefined;
    }
    return SHAPES[type](message) ? message as PluginMessage : undefined;
  } catch {
    // The line is not JSON.
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFailure({ message, name = "" }: Fields): boolean {
  return typeof message === "string" && typeof name === "string";
}

/** Options for {@linkcode splitLines}. */
export interface SplitLinesOptions {
  /** Called with each line, without its newline. */
  onLine: (line: string) => void;
  /** Called with the length of each chunk, in bytes. */
  onBytes?: (count: number) => void;
  /** Maximum length of a line, in characters. */
  maxLength: number;
  /** Called for each longer line, which is dropped. */
  onTooLong: () => void;
}

/**
 * Reads a stream line by line and buffers at most one line.
 *
 * @param stream The stream.
 * @param options Callbacks and limit.
 */
export async function splitLines(
  stream: AsyncIterable<Uint8Array>,
  options: SplitLinesOptions,
): Promise<void> {
  const { onLine, onBytes, maxLength, onTooLong } = options;
  const decoder = new TextDecoder();
  let rest = "";
  let isDropped = false;
  for await (const bytes of stream) {
    onBytes?.(bytes.length);
    const parts = decoder.decode(bytes, { stream: true }).split("\n");
    for (const [at, part] of parts.entries()) {
      const isWhole = at < parts.length - 1;
      rest = isDropped ? "" : rest + part;
      if (rest.length > maxLength) {
        onTooLong();
        rest = "";
        isDropped = true;
      }
      if (!isWhole) continue;
      if (!isDropped) onLine(rest);
      rest = "";
      isDropped = false;
    }
  }
  if (rest !== "") onLine(rest);
}
