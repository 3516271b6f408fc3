import type { ParsedTarEntry } from "modern-tar";
import { messageOf, RunnerError } from "../../errors.ts";
import type { ArchiveEntry } from "./entry.ts";
import { refuseUnknownTypes } from "./tar_guard.ts";

/** What entries of the library are; those that are missing cannot be unpacked. */
const TYPES: Readonly<Record<string, ArchiveEntry["type"]>> = {
  file: "file",
  directory: "directory",
  symlink: "link",
  link: "hard link",
};

/**
 * Reads the entries of a tar as its bytes come in.
 *
 * @param stream Bytes of the tar, not compressed.
 * @returns The entries; the content of each must be read, or left, before the
 * next one is asked for.
 * @throws {RunnerError} With code `source-failed`, if the tar is damaged or
 * holds what the library does not know.
 */
export async function* tarEntries(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<ArchiveEntry> {
  const { createTarDecoder } = await import("modern-tar");
  const entries = ReadableStream.from(refuseUnknownTypes(stream))
    .pipeThrough(createTarDecoder({ strict: true }))
    .getReader();
  try {
    while (true) {
      const { value, done } = await entries.read();
      if (done) return;
      yield entryOf(value);
    }
  } catch (cause) {
    throw damaged(cause);
  } finally {
    // Ends whoever unpacks the stream, when the reader has had enough.
    await entries.cancel().catch(() => {});
  }
}

function entryOf({ header, body }: ParsedTarEntry): ArchiveEntry {
  const { name, type = "file", mode = 0o644, mtime, linkname, pax } = header;
  const isSparse = Object.keys(pax ?? {})
    .some((key) => key.startsWith("GNU.sparse."));
  return {
    name,
    type: isSparse ? "other" : TYPES[type] ?? "other",
    kind: isSparse ? "sparse file" : type,
    mode,
    ...mtime && Number.isFinite(mtime.getTime()) ? { modifiedAt: mtime } : {},
    target: linkname,
    content: contentOf(body),
  };
}

async function* contentOf(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw damaged(cause);
  }
}

function damaged(cause: unknown): unknown {
  if (cause instanceof RunnerError || cause instanceof DOMException) {
    return cause;
  }
  const reason = messageOf(cause).replace(/\.$/, "");
  return new RunnerError(`Cannot unpack the archive: ${reason}`, {
    code: "source-failed",
    cause,
  });
}
