import { type OutputFile, parentPaths } from "../../cache/step_entry.ts";
import { removeInParent } from "../../workspace/held_parent.ts";
import type { RememberedStep } from "./file_memory.ts";
import type { FilePatterns } from "./file_patterns.ts";
import { Uncacheable } from "./file_tree.ts";
import {
  describeOutputs,
  findOutputs,
  type HashContext,
} from "./hashed_files.ts";
import type { FoundResult } from "./store_access.ts";

/**
 * The files that a step creates in the directory of the job. Files that existed
 * before its first run are never removed.
 */
export class StepOutputFiles {
  readonly #id: string;
  readonly #patterns: FilePatterns;
  readonly #context: HashContext;

  /** @param id Hash of the identity of the step. */
  constructor(id: string, patterns: FilePatterns, context: HashContext) {
    this.#id = id;
    this.#patterns = patterns;
    this.#context = context;
  }

  /** Checks whether patterns of outputs match a path. */
  matches(path: string): boolean {
    return this.#patterns.matches(path);
  }

  /** Describes the existing outputs. */
  async describe(): Promise<OutputFile[]> {
    return await describeOutputs(this.#patterns, this.#context);
  }

  /**
   * Removes the files that earlier runs of the step created. Saves which files
   * remain, so that files which the step creates from now on can be recognized even
   * if the runner is killed.
   *
   * @returns Paths of the remaining files.
   */
  async clear(): Promise<ReadonlySet<string>> {
    const found = await findOutputs(this.#patterns, this.#context);
    const present = found.map(({ path }) => path);
    await this.#remove(this.#created(present));
    const remaining = await findOutputs(this.#patterns, this.#context);
    const foreign = remaining.map(({ path }) => path);
    if (this.#patterns.roots.length > 0) {
      const { memory } = this.#context;
      memory.rememberStep(this.#id, { created: [], foreign });
      await memory.save();
    }
    return new Set(foreign);
  }

  /** Remembers the files that a failed or cancelled run created. */
  async track(foreign: ReadonlySet<string>): Promise<void> {
    const { signal } = new AbortController();
    const context = { ...this.#context, signal };
    try {
      this.remember(await findOutputs(this.#patterns, context), foreign);
    } catch (error) {
      // The files that `clear()` recorded still show which ones the step created.
      if (!(error instanceof Uncacheable)) throw error;
    }
  }

  /**
   * Remembers the files that the step created.
   *
   * @param foreign Paths of files that the step did not create.
   */
  remember(
    outputs: readonly { readonly path: string }[],
    foreign: ReadonlySet<string>,
    { entry, seen }: Pick<RememberedStep, "entry" | "seen"> = {},
  ): void {
    const created = outputs.map(({ path }) => path)
      .filter((path) => !foreign.has(path));
    this.#context.memory.rememberStep(this.#id, {
      created,
      entry,
      ...seen === undefined ? {} : { seen },
    });
  }

  /**
   * Restores the files of a result, and removes files that other runs of the step
   * created. Files that are up to date are kept.
   *
   * @returns `false` if the files are gone from the store.
   * @throws {Error} If they cannot be restored; nothing has changed then.
   */
  async restore(found: FoundResult): Promise<boolean> {
    const { entry, context } = found;
    const foreignOutput = entry.outputs.find(({ path }) => !this.matches(path));
    if (foreignOutput !== undefined) {
      const path = JSON.stringify(foreignOutput.path);
      throw new Error(`a result contains ${path}, which is not an output`);
    }
    const present = await this.describe();
    const known = new Map(present.map((output) => [output.path, output]));
    const missing = entry.outputs.filter((output) =>
      !isSame(output, known.get(output.path))
    );
    const paths = missing.map(({ path }) => path);
    if (paths.length > 0) {
      const { restoreOutputs } = await import("../../cache/step_store.ts");
      if (!await restoreOutputs(entry, paths, context)) return false;
    }
    const expected = new Set(entry.outputs.map(({ path }) => path));
    const created = this.#created(present.map(({ path }) => path));
    await this.#remove(created.filter((path) => !expected.has(path)));
    const foreign = new Set(known.keys());
    for (const path of created) foreign.delete(path);
    this.remember(entry.outputs, foreign, found);
    return true;
  }

  /** Returns which of these files earlier runs of the step created. */
  #created(present: readonly string[]): string[] {
    const known = this.#context.memory.step(this.#id);
    if (known?.foreign !== undefined) {
      const foreign = new Set(known.foreign);
      return present.filter((path) => !foreign.has(path));
    }
    const created = new Set(known?.created);
    return created.size === 0
      ? []
      : present.filter((path) => created.has(path));
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const parents = new Set<string>();
    for (const path of paths) {
      await removeIfPresent(this.#context.root, path);
      for (const parent of parentPaths(path)) parents.add(parent);
    }
    // Removes directories that are empty now, the innermost first.
    const sorted = [...parents].filter((path) => this.#patterns.matches(path))
      .sort((a, b) => b.length - a.length);
    for (const path of sorted) await removeIfPresent(this.#context.root, path);
  }
}

/** Removes a file, a link or an empty directory, but not through a link. */
async function removeIfPresent(root: string, path: string): Promise<void> {
  try {
    await removeInParent(root, path);
  } catch {
    // It is gone, or a directory that is not empty. The step overwrites what
    // cannot be removed, or fails.
  }
}

function isSame(left: OutputFile, right: OutputFile | undefined): boolean {
  return right !== undefined && left.type === right.type &&
    left.mode === right.mode && left.content === right.content;
}
