import type { Host } from "../host.ts";
import { usageError } from "./parse_arguments.ts";

/** Largest text that is read from standard input, in bytes. */
const LARGEST_INPUT = 1024 * 1024;

const LINE_FEED = "\n".charCodeAt(0);

/** Options for {@linkcode readText}. */
export interface ReadTextOptions {
  /** Most bytes that are read. */
  limit: number;
  /**
   * Whether to read no further than the first line, whoever may keep the
   * stream open.
   *
   * @default {false}
   */
  firstLine?: boolean;
}

/**
 * Reads a stream as text, and closes it.
 *
 * @param stream Stream.
 * @param options How much is read.
 * @returns The text, or its first line without the line break; `undefined` if
 * it is too long or no UTF-8 text.
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
    // Who asked knows what it was to be, and tells.
    return undefined;
  }
}

/**
 * Reads standard input to its end.
 *
 * @param host The process.
 * @param command Name of the command whose help tells what is right.
 * @returns Text.
 * @throws {RunnerError} `usage` if there is none, or it is no text of up to 1 MiB.
 */
export async function readStandardInput(
  { stdin }: Host,
  command: string,
): Promise<string> {
  const text = stdin &&
    await readText(stdin.readable, { limit: LARGEST_INPUT });
  if (text !== undefined) return text;
  throw usageError(
    `Standard input must be UTF-8 text of up to ${LARGEST_INPUT} bytes`,
    command,
  );
}
