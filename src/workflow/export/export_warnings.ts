import {
  DefinitionPlaces,
  placeText,
  type SourcedNode,
} from "../definition/definition_source.ts";

/** A warning about a part of a workflow that an engine does not support. */
export interface ExportWarning {
  /** Its position, as `file:line:column`. */
  readonly place: string;
  /** Description, with the reason. */
  readonly text: string;
}

/** Collects warnings about parts of a workflow that are not exported. */
export class ExportWarnings {
  readonly #found: { source: SourcedNode; text: string }[] = [];
  readonly #mainFile: string;

  /** @param mainFile Path of the workflow file; its warnings are listed first. */
  constructor(mainFile: string) {
    this.#mainFile = mainFile;
  }

  /**
   * Adds a warning.
   *
   * @param source Value that is not exported.
   * @param text Description and reason, in one sentence.
   */
  add(source: SourcedNode, text: string): void {
    this.#found.push({ source, text });
  }

  /** Returns all warnings in the order of the files, without duplicates. */
  async list(): Promise<ExportWarning[]> {
    const places = new DefinitionPlaces();
    const found = await Promise.all(
      this.#found.map(async (warning) => ({
        ...warning,
        place: await places.placeOf(warning.source),
      })),
    );
    const fileRank = ({ source: { file } }: { source: SourcedNode }) =>
      file === this.#mainFile ? "" : file;
    const sorted = found.sort((a, b) =>
      Number(fileRank(a) > fileRank(b)) - Number(fileRank(a) < fileRank(b)) ||
      a.place.line - b.place.line || a.place.column - b.place.column
    );
    const all = sorted.map(({ source, place, text }) => ({
      place: placeText(source, place),
      text,
    }));
    return [
      ...new Map(
        all.map((warning) => [`${warning.place}\0${warning.text}`, warning]),
      )
        .values(),
    ];
  }
}
