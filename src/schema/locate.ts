import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import type { TextPlace } from "./excerpt.ts";

/**
 * Creates a function that finds the positions of values in a YAML or JSON text.
 *
 * This file is loaded only to report a problem, because the parser that knows
 * positions takes longer to load than a whole job.
 *
 * @param text Valid text.
 * @returns Function that returns the position of a key or list item, given its
 * path, or of its closest parent that was found.
 */
export function makeLocator(
  text: string,
): (path: readonly (string | number)[]) => TextPlace {
  const lineCounter = new LineCounter();
  const document = parse(text, lineCounter);
  const contents = document?.contents ?? null;
  return (path) => {
    let node: unknown = contents;
    let offset = (node as Node | null)?.range?.[0] ?? 0;
    for (const key of path) {
      const found = document ? findChild(document, node, key) : undefined;
      if (found === undefined) break;
      offset = found.position?.range?.[0] ?? offset;
      node = found.value;
    }
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
}

function parse(text: string, lineCounter: LineCounter): Document | null {
  const options = {
    schema: "failsafe",
    lineCounter,
    // The text has no duplicate keys, and checking for them takes quadratic
    // time.
    uniqueKeys: false,
  } as const;
  try {
    return parseDocument(text, options);
  } catch {
    // The text is nested more deeply than this parser supports, so the problem
    // is reported without a position.
    lineCounter.addNewLine(0);
    return null;
  }
}

function findChild(
  document: Document,
  node: unknown,
  key: string | number,
  merging: ReadonlySet<unknown> = new Set(),
): { position: Node | null; value: unknown } | undefined {
  // Only here, a mapping that is merged into itself is detected.
  if (merging.has(node)) return undefined;
  if (isSeq(node) && typeof key === "number") {
    const value = node.items[key] as Node | undefined;
    return value && { position: value, value };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) =>
    isScalar(item.key) && String(item.key.value) === key
  );
  if (pair) return { position: pair.key as Node, value: pair.value };
  const merged = node.items.find((item) =>
    isScalar(item.key) && item.key.value === "<<"
  );
  if (merged === undefined) return undefined;
  const { value } = merged;
  for (const one of isSeq(value) ? value.items : [value]) {
    const inside = new Set([...merging, node]);
    const mapping = isAlias(one) ? one.resolve(document) : one;
    const found = findChild(document, mapping, key, inside);
    if (found !== undefined) return found;
  }
  return undefined;
}
