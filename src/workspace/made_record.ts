import { normalize } from "@std/path/posix/normalize";
import { messageOf, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import type { Workspace } from "./layout.ts";
import { osReason } from "../os_reason.ts";
import { OWN_DIRECTORY, ownDirectory, writeOwnFile } from "./own_directory.ts";
import { readOwnFile } from "./read_own_file.ts";

/** Name of the record, in the directory for the runner's own files. */
const RECORD = "made.json";

/** Most bytes of the record. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Finds the file that records what runs made.
 *
 * @param workspace Workspace.
 * @returns Absolute path; no directory on the way to it is a link.
 * @throws {RunnerError} With code `workspace`, if there can be no such directory.
 */
export async function recordFile(workspace: Workspace): Promise<string> {
  return `${await ownDirectory(workspace)}/${RECORD}`;
}

/**
 * Reads the record of what runs made.
 *
 * A job could have written to the file, so nothing in it is believed that
 * would name a place outside the workspace.
 *
 * @param workspace Workspace.
 * @returns Paths relative to the workspace, none without a record.
 * @throws {RunnerError} With code `workspace`, if the record is damaged.
 */
export async function readRecord(workspace: Workspace): Promise<string[]> {
  const file = await recordFile(workspace);
  let text: string;
  try {
    text = await readOwnFile(file, MAX_BYTES);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw damaged(file, osReason(cause), cause);
  }
  try {
    return readPaths(JSON.parse(text));
  } catch (cause) {
    throw damaged(file, messageOf(cause), cause);
  }
}

/**
 * Writes the record of what runs made.
 *
 * @param workspace Workspace.
 * @param paths Paths relative to the workspace.
 * @throws {RunnerError} With code `output-failed`, if it cannot be written, or
 * `workspace`, if a link leads elsewhere.
 */
export async function writeRecord(
  workspace: Workspace,
  paths: readonly string[],
): Promise<void> {
  const text = `${JSON.stringify({ paths }, null, 2)}
`;
  await writeOwnFile(workspace, RECORD, text);
}

/**
 * Tells whether a path may be in the record: below the workspace, in its one
 * form, and not what the runner keeps for itself.
 *
 * @param path Path relative to the workspace.
 * @returns Whether it may.
 */
export function isRecordable(path: string): boolean {
  return path !== "" && path !== "." && !path.includes("\0") &&
    !path.startsWith("/") && !path.endsWith("/") &&
    path === normalize(path) && !isInside("..", path) &&
    !isInside(OWN_DIRECTORY, path);
}

function readPaths(value: unknown): string[] {
  const paths = (value as { paths?: unknown } | null)?.paths;
  if (!Array.isArray(paths)) throw new TypeError('"paths" is not a list');
  const odd = paths.find((path) =>
    typeof path !== "string" || !isRecordable(path)
  );
  if (odd === undefined) return paths;
  throw new TypeError(`${JSON.stringify(odd)} is no path below the workspace`);
}

function damaged(file: string, reason: string, cause: unknown): RunnerError {
  return new RunnerError(`Cannot read the record "${file}": ${reason}`, {
    code: "workspace",
    cause,
  });
}
