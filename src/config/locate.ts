import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";

/** A place in a text; both count from one. */
export interface TextPlace {
  /** Number of the line. */
  line: number;
  /** Number of the character in its line. */
  column: number;
}

/**
 * Finds the place of a key in a YAML or JSON text.
 *
 * Loaded only to word a problem: the parser that knows positions takes longer
 * to start than a whole job.
 *
 * @param text The text, which is known to parse.
 * @param path Keys from the outermost mapping to the key.
 * @returns Where the last key stands, or the deepest one that was found.
 */
export function locate(text: string, path: readonly string[]): TextPlace {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { schema: "failsafe", lineCounter });
  let node: unknown = document.contents;
  let offset = (node as Node | null)?.range?.[0] ?? 0;
  for (const key of path) {
    if (!isMap(node)) break;
    const pair = node.items.find((item) =>
      isScalar(item.key) && String(item.key.value) === key
    );
    if (pair === undefined) break;
    offset = (pair.key as Node).range?.[0] ?? offset;
    node = pair.value;
  }
  const { line, col } = lineCounter.linePos(offset);
  return { line, column: col };
}
