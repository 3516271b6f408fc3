import { join } from "@std/path/posix/join";
import type { ArchiveConfig } from "../../config/job_config.ts";
import { pathReason } from "../../fs/byte_names.ts";
import { sha256Of } from "../../fs/checksum.ts";
import { isInside } from "../../job_path.ts";
import { showUrl } from "../../url_secrets.ts";
import {
  createStageTimer,
  type FillDirectory,
  type SourceContext,
  type SourceRequest,
} from "../source.ts";
import { archiveFormatOf, decompressed } from "../../archive/decompress.ts";
import {
  archiveError,
  type ArchiveLocation,
  archiveLocation,
  download,
} from "./download.ts";
import { tarEntries } from "../../archive/tar_entries.ts";
import { unpack } from "../../archive/unpack.ts";
import { Budget } from "../../archive/entry.ts";

/**
 * Validates an archive as a source. Nothing is fetched or unpacked yet.
 *
 * @param url `https:`, `http:` or `file:` URL, or path.
 * @param request Request whose ref is the checksum.
 * @param target Absolute path of the target directory, without symbolic links.
 * @returns Function that unpacks the archive.
 * @throws {RunnerError} With code `source-failed`, if the file does not
 * exist or the checksum is missing. The returned function throws the same if the archive
 * cannot be fetched, has another checksum, or contains something that is not
 * allowed.
 */
export async function archiveSource(
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { ref, archive } = request;
  if (archive === undefined) throw new TypeError("The archive has no limits");
  const stage = createStageTimer(context);
  const location = archiveLocation(url, ref, context.cwd);
  if (typeof location.place === "string") {
    await checkFile(url, location.place, target);
  }
  const unpackInto = async (path: string, target: string) => {
    if (location.checksum !== undefined) {
      await stage("verify", () => verify(url, path, location, context));
    }
    context.log.info("source", "Unpacking", { from: showUrl(url) });
    await stage(
      "unpack",
      () => unpackFile(url, path, target, { ...context, archive }),
    );
    return undefined;
  };
  const { place } = location;
  if (typeof place === "string") return (target) => unpackInto(place, target);
  return async (target) => {
    // Stored next to the target, where there is space for the contents as well.
    const room = join(target, `.download-${crypto.randomUUID()}`);
    await Deno.mkdir(room, { mode: 0o700 });
    const path = join(room, "archive");
    await stage(
      "fetch",
      () => fetchTo(path, url, place, { ...context, archive }),
    );
    await unpackInto(path, target);
    return void await Deno.remove(room, { recursive: true });
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
    throw archiveError(url, pathReason(path, cause), cause);
  }
  if (!isFile) throw archiveError(url, "it is not a file");
  if (isInside(target, path)) {
    throw archiveError(url, `it is in "${target}", which would be replaced`);
  }
}

async function fetchTo(
  path: string,
  url: string,
  place: URL,
  { archive, log, cancellation }: Context,
): Promise<void> {
  log.info("source", "Fetching", { url: showUrl(url) });
  await download(place, path, {
    maxBytes: archive.maxBytes,
    timeoutMs: archive.timeoutMs,
    signal: cancellation.graceful,
    onRetry: (reason, ms) =>
      log.warn("source", "Fetching again", {
        url: showUrl(url),
        reason,
        ms,
      }),
  });
}

/**
 * The checksum is verified before any program reads the archive, since programs
 * that unpack archives have had vulnerabilities.
 */
async function verify(
  url: string,
  path: string,
  { checksum }: ArchiveLocation,
  { cancellation }: SourceContext,
): Promise<void> {
  if (checksum === undefined) return;
  const found = await sha256Of(path, cancellation.graceful);
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
  const format = await archiveFormatOf(path);
  if (format === undefined) {
    throw archiveError(
      url,
      "not a tar (optionally gzip, bzip2, xz or zstd) or zip archive",
    );
  }
  const { size } = await Deno.stat(path);
  context.measure?.bytes(size);
  const budget = new Budget(archive, size);
  const options = { ...archive, budget, signal: cancellation.graceful };
  if (format === "zip") {
    const { zipEntries } = await import("../../archive/zip_entries.ts");
    return await unpack(zipEntries(path, budget), directory, options);
  }
  const bytes = budget.counted(decompressed(path, format, context));
  await unpack(tarEntries(bytes, budget), directory, options);
}
