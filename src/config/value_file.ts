import { isInside } from "../job_path.ts";

/** What a text starts with that names a file instead of being the value. */
const FILE_PREFIX = "./job/";

/** Largest file that is read, in bytes. */
const MAX_BYTES = 1024 * 1024;

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
    const path = Deno.realPathSync(`${cwd}/${value}`);
    if (!isInside(Deno.realPathSync(`${cwd}/job`), path)) {
      return { isFile: true, problem: `"${value}" must not leave ./job` };
    }
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw new TypeError("not a regular file");
    if (size > MAX_BYTES) {
      const problem = `"${value}" is larger than ${MAX_BYTES} bytes`;
      return { isFile: true, problem };
    }
    const decoder = new TextDecoder("utf-8", { fatal: true });
    return { isFile: true, text: decoder.decode(Deno.readFileSync(path)) };
  } catch (error) {
    const problem = error instanceof Deno.errors.NotFound
      ? `"${value}" does not exist`
      : `"${value}" cannot be read`;
    return { isFile: true, problem };
  }
}
