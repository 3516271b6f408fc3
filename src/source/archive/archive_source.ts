import { join } from "@std/path/posix/join";
import type { ArchiveConfig } from "../../config/job_config.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { isInside } from "../../job_path.ts";
import { osReason } from "../../os_reason.ts";
import { showUrl } from "../../shown_url.ts";
import type {
  FillDirectory,
  SourceContext,
  SourceRequest,
} from "../source_request.ts";
import { Budget } from "./budget.ts";
import { sha256Of } from "./checksum.ts";
import { decompressed } from "./decompress.ts";
import { formatOf } from "./format.ts";
import {
  archiveError,
  type ArchiveLocation,
  archiveLocation,
} from "./location.ts";
import { tarEntries } from "./tar_entries.ts";
import { unpack } from "./unpack.ts";

/**
 * Judges an archive as source; fetches and unpacks nothing yet.
 *
 * @param url `https:`, `http:` or `file:` URL, or path.
 * @param request What to prepare; its ref is the checksum.
 * @param target Absolute path, free of links, at which it is unpacked.
 * @param context What the run offers.
 * @returns Function that unpacks the archive.
 * @throws {RunnerError} With code `source-failed`, if there is no such file or
 * the checksum is missing; the function throws the same when the archive
 * cannot be got, is not the right one, or holds what is refused.
 */
export async function archiveSource(
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { ref, archive } = request;
  if (archive === undefined) throw new TypeError("The archive has no limits");
  const location = archiveLocation(url, ref, context.cwd);
  if (typeof location.place === "string") {
    await checkFile(url, location.place, target);
  }
  return async (target) => {
    // Below the target, what was unpacked can be moved without being copied.
    const room = join(target, `.unpack-${crypto.randomUUID()}`);
    const tree = join(room, "tree");
    await Deno.mkdir(tree, { recursive: true, mode: 0o700 });
    const file = await fetched(url, location, join(room, "archive"), {
      ...context,
      archive,
    });
    await verify(url, file, location, context);
    context.log.info("source", "Unpacking", { from: showUrl(url) });
    await unpackFile(url, file, tree, { ...context, archive });
    for await (const { name } of Deno.readDir(tree)) {
      await moveUp(join(tree, name), join(target, name));
    }
    await Deno.remove(room, { recursive: true });
    return undefined;
  };
}

type Context = SourceContext & { archive: ArchiveConfig };

async function checkFile(
  url: string,
  path: string,
  target: string,
): Promise<void> {
  let isFile: boolean;
  try {
    ({ isFile } = await Deno.stat(path));
    path = await Deno.realPath(path);
  } catch (cause) {
    throw archiveError(url, osReason(cause), cause);
  }
  if (!isFile) throw archiveError(url, "it is not a file");
  if (isInside(target, path)) {
    throw archiveError(url, `it is in "${target}", which would be replaced`);
  }
}

async function fetched(
  url: string,
  { place }: ArchiveLocation,
  path: string,
  { archive, log, cancellation }: Context,
): Promise<string> {
  if (typeof place === "string") return place;
  log.info("source", "Fetching", { url: showUrl(url) });
  const { download } = await import("./download.ts");
  await download(place, path, {
    maxBytes: archive.maxBytes,
    signal: cancellation.asked,
    timeoutMs: archive.timeoutMs,
    onRetry: (reason, ms) =>
      log.warn("source", "Fetching once more", {
        url: showUrl(url),
        reason,
        ms,
      }),
  });
  return path;
}

/** Before anything reads it: programs that unpack have had their flaws. */
async function verify(
  url: string,
  path: string,
  { checksum }: ArchiveLocation,
  { cancellation }: SourceContext,
): Promise<void> {
  if (checksum === undefined) return;
  const found = await sha256Of(path, cancellation.asked);
  if (found === checksum) return;
  throw archiveError(url, `its checksum is sha256:${found}, not ${checksum}`);
}

async function unpackFile(
  url: string,
  path: string,
  directory: string,
  context: Context,
): Promise<void> {
  const { archive, cancellation } = context;
  const format = await formatOf(path);
  if (format === undefined) {
    throw archiveError(
      url,
      "it is no tar, also not compressed by gzip, bzip2, xz or zstd, and no zip",
    );
  }
  const { size } = await Deno.stat(path);
  const budget = new Budget(archive, size);
  const options = { ...archive, budget, signal: cancellation.asked };
  if (format === "zip") {
    const { zipEntries } = await import("./zip_entries.ts");
    return await unpack(zipEntries(path, budget), directory, options);
  }
  const bytes = counted(decompressed(path, format, context), budget);
  await unpack(tarEntries(bytes), directory, options);
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  budget: Budget,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of stream) {
    budget.addBytes(bytes.length);
    yield bytes;
  }
}

/** A directory that may not be written to cannot be moved: its `..` would change. */
async function moveUp(from: string, to: string): Promise<void> {
  const { isDirectory, mode } = await Deno.lstat(from);
  const isClosed = isDirectory && mode !== null && (mode & 0o200) === 0;
  try {
    if (isClosed) await Deno.chmod(from, mode | 0o200);
    await Deno.rename(from, to);
    if (isClosed) await Deno.chmod(to, mode & 0o7777);
  } catch (cause) {
    throw new RunnerError(`Cannot move "${from}": ${messageOf(cause)}`, {
      code: "source-failed",
      cause,
    });
  }
}
