import type { DocumentNode } from "../../schema/document.ts";
import type { TextPlace } from "../../schema/excerpt.ts";
import type { JobDefinition } from "./definition.ts";

/** A value of a file, with the file that contains it. */
export interface SourcedNode {
  /** Path of the file relative to the CI root. */
  readonly file: string;
  /** Text of the file. */
  readonly text: string;
  /** The value. */
  readonly node: DocumentNode;
}

/** Where a workflow is written. */
export interface DefinitionSource {
  /** The workflow file. */
  readonly document: SourcedNode;
  /**
   * Values that define each job, by its name: the entry of the workflow file,
   * then the job file that it overrides.
   */
  readonly jobs: ReadonlyMap<string, readonly SourcedNode[]>;
}

/**
 * Finds a key of a job, below `job` or at the top level, as a definition does.
 *
 * @param sources Values that define the job; earlier ones override later ones.
 * @param keys The key and its other names.
 * @returns The value of the key; `undefined` if no source sets it.
 */
export function findKey<T extends Pick<SourcedNode, "node">>(
  sources: readonly T[],
  keys: readonly string[],
): T | undefined {
  for (const source of sources) {
    const entries = source.node.entries ?? [];
    const nested = entries.find(([key]) => key === "job")?.[1].entries ?? [];
    for (const members of [nested, entries]) {
      const found = members.find(([key]) => keys.includes(key));
      if (found !== undefined) return { ...source, node: found[1] };
    }
  }
  return undefined;
}

/** Returns a value as it is written: text that is not a number stays text. */
export function writtenValue(node: DocumentNode): unknown {
  if (node.isNull) return null;
  const { text, value, items, entries = [] } = node;
  if (text !== undefined) {
    return typeof value !== "string" && String(value) === text ? value : text;
  }
  return items?.map(writtenValue) ??
    Object.fromEntries(
      entries.map(([key, member]) => [key, writtenValue(member)]),
    );
}

/**
 * Adds the steps of a job as they are written.
 *
 * @param sources Values that define the job.
 */
export function withWrittenSteps(
  job: JobDefinition,
  sources: readonly Pick<SourcedNode, "node">[],
): JobDefinition {
  const written = job.body.steps && findKey(sources, ["steps"]);
  if (written === undefined) return job;
  const writtenSteps = JSON.stringify(writtenValue(written.node));
  return { ...job, body: { ...job.body, writtenSteps } };
}

/** Finds positions in the files of a definition. */
export class DefinitionPlaces {
  readonly #locators = new Map<
    string,
    Promise<(path: readonly (string | number)[]) => TextPlace>
  >();

  /** Returns the position of a value in its file. */
  async placeOf({ file, text, node }: SourcedNode): Promise<TextPlace> {
    const locator = this.#locators.get(file) ??
      import("../../schema/locate.ts")
        .then(({ makeLocator }) => makeLocator(text));
    this.#locators.set(file, locator);
    return (await locator)(node.path);
  }
}

/** Formats a position as `file:line:column`. */
export function placeText(
  { file }: SourcedNode,
  { line, column }: TextPlace,
): string {
  return `${file}:${line}:${column}`;
}
