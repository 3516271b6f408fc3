import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import { type Cancellation, onAbort } from "../process/cancellation.ts";
import { enlargePipe } from "../process/pipe_size.ts";
import { type ByteStream, spawn } from "../process/spawn.ts";
import { oneLine } from "../terminal/text.ts";
import { unpackError } from "./entry.ts";
import { hasValidChecksum } from "./tar_header.ts";

/** Format of an archive. */
export type ArchiveFormat = "tar" | "gzip" | "bzip2" | "xz" | "zstd" | "zip";

/** First bytes of each format, as in the database of `file`. */
const SIGNATURES: readonly [ArchiveFormat, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  // A zip without entries consists of its end record only.
  ["zip", [0x50, 0x4b, 0x05, 0x06]],
];

/** Position of `ustar` in a tar since POSIX.1-1988. */
const MAGIC_OFFSET = 257;

/**
 * Determines the format of an archive from its first bytes. Its name is
 * ignored.
 *
 * @param path Path of the archive.
 * @returns The format; `undefined` if it is unknown.
 */
export async function detectArchiveFormat(
  path: string,
): Promise<ArchiveFormat | undefined> {
  using file = await Deno.open(path);
  const block = new Uint8Array(512);
  let length = 0;
  while (length < block.length) {
    const count = await file.read(block.subarray(length));
    if (count === null) break;
    length += count;
  }
  const head = block.subarray(0, length);
  const known = SIGNATURES.find(([, bytes]) =>
    bytes.every((byte, at) => head[at] === byte)
  );
  if (known !== undefined) return known[0];
  return length === block.length && isTar(head) ? "tar" : undefined;
}

function isTar(block: Uint8Array): boolean {
  const magic = new TextDecoder("latin1")
    .decode(block.subarray(MAGIC_OFFSET, MAGIC_OFFSET + 5));
  // A tar without entries starts with the zeros of its end.
  return magic === "ustar" || block.every((byte) => byte === 0) ||
    // The v7 format has no other signature.
    hasValidChecksum(block);
}

/** Size of the chunks in which an archive is read, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Archives up to this size are not worth a larger pipe, in bytes. */
const SMALL_BYTES = 4 * 1024 * 1024;

/** Maximum length of a tool's error output that is kept, in characters. */
const SHOWN_LENGTH = 400;

/**
 * System tools that decompress: they support several streams in one file, and
 * run on another processor.
 */
const TOOLS: Readonly<Partial<Record<ArchiveFormat, readonly string[]>>> = {
  gzip: ["gzip", "-dc", "--"],
  bzip2: ["bzip2", "-dc", "--"],
  xz: ["xz", "-dc", "--"],
  zstd: ["zstd", "-dcq", "--"],
};

/** Context of a program that decompresses. */
export interface DecompressContext {
  /** Environment of the program. */
  readonly env: ChildEnvironment;
  /** Working directory of the program. */
  readonly cwd: string;
  /** Stops the program. */
  readonly cancellation: Pick<Cancellation, "graceful">;
}

/**
 * Decompresses a file in chunks.
 *
 * @param path Absolute path of the file.
 * @returns The decompressed bytes.
 * @throws {RunnerError} With code `source-failed`, if the tool is missing or
 * fails.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function* decompress(
  path: string,
  format: ArchiveFormat,
  context: DecompressContext,
): AsyncGenerator<Uint8Array> {
  const tool = TOOLS[format];
  if (tool === undefined) {
    using file = await Deno.open(path);
    yield* readChunks(file);
    return;
  }
  const { cwd, env, cancellation } = context;
  const child = startTool([...tool, path], { cwd, env });
  const message = readShownText(child.stderr!);
  if ((await Deno.stat(path)).size > SMALL_BYTES) enlargePipe(child.pid);
  using _ = onAbort(cancellation.graceful, () => child.signal("SIGKILL"));
  try {
    yield* readPipe(child.stdout);
    const { exitCode } = await child.status;
    cancellation.graceful.throwIfAborted();
    if (exitCode === 0) return;
    const reason = (await message).trim().replaceAll(path, "the archive") ||
      `${tool[0]} ended with exit code ${exitCode}`;
    throw unpackError(reason);
  } finally {
    // The reader may stop before the end.
    child.signal("SIGKILL");
    await Promise.all([child.status, message]);
  }
}

function startTool(
  argv: readonly string[],
  options: { cwd: string; env: ChildEnvironment },
) {
  const { cwd, env } = options;
  try {
    return spawn(argv, {
      cwd,
      env: { ...env, LC_ALL: "C" },
      stderr: "separate",
    });
  } catch (cause) {
    if (cause instanceof RunnerError && cause.code === "command-not-found") {
      throw unpackError(`"${argv[0]}" is not installed`, cause);
    }
    throw cause;
  }
}

async function* readChunks(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (true) {
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** Reads a pipe, reusing one buffer. */
async function* readPipe(stream: ByteStream): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader({ mode: "byob" });
  let memory = new Uint8Array(CHUNK_BYTES);
  try {
    while (true) {
      const { value, done } = await reader.read(memory);
      if (done) return;
      yield value;
      memory = new Uint8Array(value.buffer);
    }
  } finally {
    // The reader may stop before the end.
    await reader.cancel();
  }
}

async function readShownText(stream: ByteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    // Always read to the end, so that the tool does not block.
    if (text.length < SHOWN_LENGTH) text += decoder.decode(bytes);
  }
  return oneLine(text.slice(0, SHOWN_LENGTH));
}
