import {
  DefinitionPlaces,
  placeText,
  type SourcedNode,
} from "../definition/definition_source.ts";

/** A part of a workflow that an engine does not support. */
export interface Loss {
  /** Its position, as `file:line:column`. */
  readonly place: string;
  /** Description of the loss, with the reason. */
  readonly text: string;
}

/** Collects parts of a workflow that cannot be exported. */
export class LossList {
  readonly #found: { source: SourcedNode; text: string }[] = [];
  readonly #main: string;

  /** @param main Path of the workflow file; its losses are listed first. */
  constructor(main: string) {
    this.#main = main;
  }

  /**
   * Adds a loss.
   *
   * @param source Value that cannot be exported.
   * @param text Description of the loss and its reason, in one sentence.
   */
  add(source: SourcedNode, text: string): void {
    this.#found.push({ source, text });
  }

  /** Returns all losses in the order of the files, without duplicates. */
  async list(): Promise<Loss[]> {
    const places = new DefinitionPlaces();
    const found = await Promise.all(
      this.#found.map(async (one) => ({
        ...one,
        place: await places.placeOf(one.source),
      })),
    );
    const rankOf = ({ source: { file } }: { source: SourcedNode }) =>
      file === this.#main ? "" : file;
    const sorted = found.sort((a, b) =>
      Number(rankOf(a) > rankOf(b)) - Number(rankOf(a) < rankOf(b)) ||
      a.place.line - b.place.line || a.place.column - b.place.column
    );
    const all = sorted.map(({ source, place, text }) => ({
      place: placeText(source, place),
      text,
    }));
    return [
      ...new Map(all.map((loss) => [`${loss.place}\0${loss.text}`, loss]))
        .values(),
    ];
  }
}
