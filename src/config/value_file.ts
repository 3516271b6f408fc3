import { join } from "@std/path/posix/join";
import { isInside } from "../job_path.ts";

/** What a text starts with that names a file instead of being the value. */
const FILE_PREFIX = "./job/";

/** Text of a value, or what is wrong with the file that it names. */
export type ValueText = { text: string } | { problem: string };

/**
 * Reads a value that may be the name of a file below `./job/`.
 *
 * @param value Value as configured.
 * @param cwd Absolute path of the current directory.
 * @returns Whether it was a file, and its text or the value itself.
 */
export function readValue(
  value: string,
  cwd: string,
): { isFile: boolean } & ValueText {
  if (!value.startsWith(FILE_PREFIX)) return { isFile: false, text: value };
  if (value.includes("..") || value.includes("\0")) {
    return { isFile: true, problem: `"${value}" must not leave ./job` };
  }
  try {
    const path = Deno.realPathSync(join(cwd, value));
    return isInside(Deno.realPathSync(join(cwd, "job")), path)
      ? { isFile: true, text: Deno.readTextFileSync(path) }
      : { isFile: true, problem: `"${value}" must not leave ./job` };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { isFile: true, problem: `"${value}" does not exist` };
    }
    return { isFile: true, problem: `"${value}" cannot be read` };
  }
}
