import { normalize } from "@std/path/posix/normalize";
import { messageOf, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { guardPath } from "./guard.ts";
import type { Workspace } from "./layout.ts";
import { osReason } from "../os_reason.ts";
import { writeAtomic } from "./write_atomic.ts";

/** Directory for the runner's own files, relative to the workspace. */
const RECORD_DIRECTORY = ".reactorcide";

/**
 * Finds the file that records what runs made.
 *
 * @param workspace Workspace.
 * @returns Absolute path; nothing on the way to it is a link.
 * @throws {RunnerError} With code `workspace`, if a link leads elsewhere.
 */
export async function recordFile(workspace: Workspace): Promise<string> {
  return await guardPath(workspace.base, `${RECORD_DIRECTORY}/made.json`);
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
    text = await Deno.readTextFile(file);
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
  const file = await recordFile(workspace);
  const directory = await guardPath(workspace.base, RECORD_DIRECTORY);
  try {
    await Deno.mkdir(directory, { recursive: true });
  } catch (cause) {
    throw new RunnerError(`Cannot make "${directory}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
  await writeAtomic(file, `${JSON.stringify({ paths }, null, 2)}\n`);
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
    !isInside(RECORD_DIRECTORY, path);
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
