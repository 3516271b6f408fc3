import type { Host } from "../host.ts";
import { usageError } from "./parse_arguments.ts";

/** Maximum size of standard input, in bytes. */
const MAX_INPUT_BYTES = 1024 * 1024;

const LINE_FEED = "\n".charCodeAt(0);

/** Options for {@linkcode readText}. */
export interface ReadTextOptions {
  /** Maximum number of bytes to read. */
  limit: number;
  /**
   * Whether to stop after the first line, even if the stream stays open.
   *
   * @default {false}
   */
  firstLine?: boolean;
}

/**
 * Reads a stream as text, and closes it.
 *
 * @returns The text, or its first line without the newline; `undefined` if it
 * is too long or not UTF-8.
 */
export async function readText(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: ReadTextOptions,
): Promise<string | undefined> {
  const { limit, firstLine = false } = options;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const end = firstLine ? chunk.indexOf(LINE_FEED) : -1;
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    size += chunks.at(-1)!.length;
    if (size > limit) return undefined;
    if (end >= 0) break;
  }
  const bytes = await new Blob(chunks).arrayBuffer();
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return firstLine ? text.replace(/\r$/, "") : text;
  } catch {
    // The caller reports the error, because it knows what is expected.
    return undefined;
  }
}

/**
 * Reads standard input to its end.
 *
 * @param command Command whose help the error mentions.
 * @throws {RunnerError} `usage` if standard input is missing, or it is not
 * UTF-8 text of up to 1 MiB.
 */
export async function readStandardInput(
  { stdin }: Host,
  command: string,
): Promise<string> {
  const text = stdin &&
    await readText(stdin.readable, { limit: MAX_INPUT_BYTES });
  if (text !== undefined) return text;
  throw usageError(
    `Standard input must be UTF-8 text of up to ${MAX_INPUT_BYTES} bytes`,
    command,
  );
}
