/** How a loaded plugin describes itself. */
export interface PluginDescription {
  /** Name of the plugin. */
  readonly name: unknown;
  /** Its place among the plugins. */
  readonly priority?: unknown;
  /** Phases in which it is called. */
  readonly phases?: unknown;
  /** What its failure means for the job. */
  readonly errorPolicy?: unknown;
  /** Names of its methods; `execute` alone unless given. */
  readonly methods?: unknown;
}

/** What a plugin says when it fails. */
export interface GuestFailure {
  /** Name of the error. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
}

/** A message from a plugin's process; only its shape has been checked. */
export type GuestMessage =
  | {
    readonly type: "ready";
    readonly plugins: readonly PluginDescription[];
    readonly manifest?: unknown;
  }
  | { readonly type: "unconfined"; readonly message: string }
  | { readonly type: "broken" } & GuestFailure
  | { readonly type: "log"; readonly message: string }
  | {
    readonly type: "secret";
    readonly value: string;
    /** Asks for an answer, which comes when the value is masked. */
    readonly id?: number;
  }
  | {
    readonly type: "trigger";
    readonly id: number;
    /** Follow-up jobs, as trigger documents spell them. */
    readonly jobs: readonly unknown[];
  }
  | { readonly type: "metric"; readonly name: string; readonly value: number }
  | { readonly type: "done"; readonly id: number; readonly changes: unknown }
  | { readonly type: "failed"; readonly id: number } & GuestFailure;

/** A message to a plugin's process. */
export type HostMessage =
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
    /** Why what was asked for was not done. */
    readonly error?: string;
  };

type Fields = Readonly<Record<string, unknown>>;

/** For each type of message, whether its fields are as they should be. */
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
 * Reads a line of a plugin's process.
 *
 * @param line The line.
 * @returns The message; `undefined` if it is none.
 */
export function parseMessage(line: string): GuestMessage | undefined {
  try {
    const message: unknown = JSON.parse(line);
    if (!isFields(message)) return undefined;
    const { type } = message;
    if (typeof type !== "string" || !Object.hasOwn(SHAPES, type)) {
      return undefined;
    }
    return SHAPES[type](message) ? message as GuestMessage : undefined;
  } catch {
    // Whatever it is, it is no JSON.
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFailure({ message, name = "" }: Fields): boolean {
  return typeof message === "string" && typeof name === "string";
}

/** Options for {@linkcode readLines}. */
export interface ReadLinesOptions {
  /** Called for each line, without its line break. */
  onLine: (line: string) => void;
  /** Called for each piece that was read, with its length in bytes. */
  onBytes?: (count: number) => void;
  /** Maximum length of a line, in characters. */
  maxLength: number;
  /** Called for a line that is longer; the line is dropped. */
  onTooLong: () => void;
}

/**
 * Reads a stream line by line, and holds no more of it than one line.
 *
 * @param stream The stream.
 * @param options What to do with its lines.
 */
export async function readLines(
  stream: AsyncIterable<Uint8Array>,
  options: ReadLinesOptions,
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
