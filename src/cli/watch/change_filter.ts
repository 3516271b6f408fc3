import { sha256Hex } from "../../fs/checksum.ts";
import type { FileChange } from "./source_snapshot.ts";

/** Number of consecutive runs that changes of one file may interrupt. */
const MAX_ENDED_RUNS = 3;

/** Maximum size of a file whose content is compared, in bytes. */
const MAX_COMPARED_BYTES = 1024 * 1024;

/**
 * Distinguishes changes by the user from those by the run itself, which would
 * otherwise start runs endlessly.
 *
 * The system does not say which program changes a file. Therefore:
 *
 * 1. A file that appears during a run was written by the run.
 * 2. A file that changes during a run counts unless its content is the same as
 *    after its last change, as when a formatter rewrites the same text.
 * 3. Between runs, every change counts, and the file belongs to the user again.
 * 4. A file whose changes interrupt several consecutive runs is probably
 * written by each run, and no longer counts.
 */
export class ChangeFilter {
  readonly #warn: (message: string) => void;
  /** Files that have appeared during runs. */
  readonly #written = new Set<string>();
  /** Files that every run writes. */
  readonly #ignored = new Set<string>();
  /** Hashes of files after their last change. */
  readonly #contents = new Map<string, string>();
  /** Number of runs in a row that a file has ended. */
  readonly #endedRuns = new Map<string, number>();

  /**
   * Creates the state before the first run.
   *
   * @param warn Called for each file that every run seems to write.
   */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /**
   * Returns the changes that start a run.
   *
   * @param changes All changes.
   * @param isRunning Whether a run is active or has just ended.
   */
  async relevant(
    changes: readonly FileChange[],
    isRunning: boolean,
  ): Promise<readonly FileChange[]> {
    const relevant: FileChange[] = [];
    for (const change of changes) {
      const { path } = change;
      if (this.#ignored.has(path)) continue;
      const content = await hashOf(path);
      const isSame = content !== undefined &&
        content === this.#contents.get(path);
      if (content === undefined) this.#contents.delete(path);
      else this.#contents.set(path, content);
      if (!isRunning) {
        this.#written.delete(path);
        relevant.push(change);
      } else if (this.#written.has(path) || change.kind === "added") {
        this.#written.add(path);
      } else if (!isSame) relevant.push(change);
    }
    if (!isRunning) {
      this.#endedRuns.clear();
      return relevant;
    }
    return this.#withoutRepeated(relevant);
  }

  #withoutRepeated(changes: readonly FileChange[]): readonly FileChange[] {
    if (changes.length === 0) return changes;
    const counts = changes.map(({ path }) =>
      (this.#endedRuns.get(path) ?? 0) + 1
    );
    this.#endedRuns.clear();
    return changes.filter(({ path }, index) => {
      this.#endedRuns.set(path, counts[index]);
      if (counts[index] <= MAX_ENDED_RUNS) return true;
      this.#ignored.add(path);
      this.#warn(
        `"${path}" has changed in ${
          counts[index]
        } runs in a row: it is ignored from now on`,
      );
      return false;
    });
  }
}

/** Returns a hash of a file; `undefined` for one that is large or missing. */
async function hashOf(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > MAX_COMPARED_BYTES) return undefined;
    return await sha256Hex(await Deno.readFile(path));
  } catch {
    // It was removed, or cannot be read.
    return undefined;
  }
}
