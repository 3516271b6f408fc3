import {
  DefinitionPlaces,
  placeText,
  type SourcedNode,
} from "../definition/definition_source.ts";

/** Something of a workflow that an engine cannot do. */
export interface Loss {
  /** Where it is written, as `file:line:column`. */
  readonly place: string;
  /** What is lost, and why. */
  readonly text: string;
}

/** Collects what cannot be exported. */
export class LossList {
  readonly #found: { source: SourcedNode; text: string }[] = [];
  readonly #main: string;

  /** @param main Path of the workflow file, whose losses come first. */
  constructor(main: string) {
    this.#main = main;
  }

  /**
   * Adds a loss.
   *
   * @param source Value that cannot be exported.
   * @param text What is lost, and why, in one sentence.
   */
  add(source: SourcedNode, text: string): void {
    this.#found.push({ source, text });
  }

  /** Returns all losses in the order of the files, each only once. */
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
