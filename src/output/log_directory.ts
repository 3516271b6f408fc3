import { osReason } from "../os_reason.ts";
import { realPath } from "../workspace/real_path.ts";

/** What the file of a step is called until the step is over. */
const PARTIAL = /^\..+\.log\.partial$/;

/**
 * The directory for the logs of steps.
 *
 * The steps of a job may write around it: they can remove it, or put a link in
 * its place. It is made again, but a link is never followed.
 */
export class LogDirectory {
  /** Absolute path, as it was given. */
  readonly path: string;
  #realPath: string | undefined;

  /**
   * Names a directory; it is made when it is needed.
   *
   * @param path Absolute path.
   */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the directory, or makes sure that it still is what it was.
   *
   * @returns Its real path.
   * @throws If it cannot be made, or a link is in its place.
   */
  async ready(): Promise<string> {
    if (this.#realPath === undefined) {
      await Deno.mkdir(this.path, { recursive: true });
      const { isSymlink } = await Deno.lstat(this.path);
      if (isSymlink) throw linkError();
      this.#realPath = await Deno.realPath(this.path);
    } else {
      const path = await realPath(this.#realPath);
      if (path !== this.#realPath) throw linkError();
      await Deno.mkdir(path, { recursive: true });
    }
    return this.#realPath;
  }
}

/** Name of a step's file until the step is over. */
export function partialName(name: string): string {
  return `.${name}.partial`;
}

/**
 * Removes what an earlier run left half-written because it was killed.
 *
 * @param logDirectory Absolute path of the directory; it may be missing.
 * @param onWarning Hears what cannot be removed.
 * @returns Names of the files that were found, sorted.
 */
export async function partialLogs(
  logDirectory: string,
  onWarning: (message: string) => void = () => {},
): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(logDirectory)) {
      if (PARTIAL.test(name) && !isDirectory) names.push(name);
    }
    for (const name of names) await Deno.remove(`${logDirectory}/${name}`);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    if (!isMissing) {
      onWarning(
        `Cannot clean up the logs in "${logDirectory}": ${osReason(error)}`,
      );
    }
  }
  return names.sort();
}

function linkError(): Error {
  return new Error("A link is in the place of the directory");
}
