import { resolve } from "@std/path/posix/resolve";
import { messageOf, RunnerError } from "../../errors.ts";
import { decodedPath } from "../percent.ts";
import { showUrl } from "../../url_secrets.ts";

/** Where an archive is, and how it is known. */
export interface ArchiveLocation {
  /** Absolute path, or a URL from which it is fetched. */
  readonly place: string | URL;
  /** SHA-256 of the archive in small hexadecimal digits, if somebody said. */
  readonly checksum: string | undefined;
}

/**
 * Judges where an archive is; looks at nothing yet.
 *
 * @param url `https:`, `http:` or `file:` URL, or path.
 * @param ref `sha256:` and 64 hexadecimal digits; required for what is fetched.
 * @param cwd Absolute path of the directory against which a path is read.
 * @returns The location.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with it.
 */
export function archiveLocation(
  url: string,
  ref: string | undefined,
  cwd: string,
): ArchiveLocation {
  const place = placeOf(url, cwd);
  const checksum = ref ? checksumOf(ref) : undefined;
  if (place instanceof URL && checksum === undefined) {
    throw archiveError(
      url,
      "an archive that is fetched needs a checksum, sha256:HEX, as its ref",
    );
  }
  return { place, checksum };
}

/**
 * Makes the error of an archive that cannot be got.
 *
 * @param url URL or path as configured; its user info is not shown.
 * @param reason What is wrong.
 * @param cause What was thrown, if anything was.
 * @returns The error.
 */
export function archiveError(
  url: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(
    `Cannot get the archive ${JSON.stringify(showUrl(url))}: ${reason}`,
    { code: "source-failed", cause },
  );
}

function placeOf(url: string, cwd: string): string | URL {
  if (url.includes("\0")) {
    throw archiveError(url, "it contains a NUL character");
  }
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(url) ?? [];
  if (scheme === undefined) return resolve(cwd, url);
  try {
    const parsed = new URL(url);
    if (["https:", "http:"].includes(parsed.protocol)) return parsed;
    if (parsed.protocol !== "file:") {
      throw new TypeError("its scheme is none of https, http and file");
    }
    if (parsed.host !== "") throw new TypeError("it names another host");
    return decodedPath(parsed);
  } catch (cause) {
    throw archiveError(url, messageOf(cause).replace(/: '.*$/s, ""), cause);
  }
}

function checksumOf(ref: string): string {
  const [, digits] = /^sha256:([0-9a-f]{64})$/i.exec(ref) ?? [];
  if (digits !== undefined) return digits.toLowerCase();
  throw new RunnerError(
    `Cannot compare ${JSON.stringify(ref)} with the archive: it is not ` +
      "sha256: and 64 hexadecimal digits",
    { code: "source-failed" },
  );
}
