import { type Document, isCollection, isMap, type Node, visit } from "yaml";
import type { TextPlace } from "./excerpt.ts";

/** Why a text is not valid YAML, and where. */
export interface SyntaxProblem {
  /** Position at which the text becomes invalid. */
  readonly place: TextPlace;
  /** The problem and its fix. It quotes only keys and punctuation. */
  readonly message: string;
  /** Position that the message ends with. */
  readonly other?: TextPlace;
}

/** A text, parsed up to its first error. */
export interface Parsed {
  readonly text: string;
  readonly lines: readonly string[];
  readonly document: Document;
  /** Converts an offset to a position. */
  placeOf(offset: number): TextPlace;
}

/** Finds the unclosed quote before an offset. */
export function unclosedQuote(
  { document, text, placeOf }: Parsed,
  offset: number,
): SyntaxProblem {
  let start = text.length;
  let early: number | undefined;
  visit(document, {
    Scalar(_, { type, range }) {
      if (!type?.startsWith("QUOTE") || !range || range[0] >= offset) {
        return;
      }
      start = range[0];
      // A quote that is closed by another one on a later line, in the middle of
      // text.
      if (
        text.slice(start, range[1]).includes("\n") &&
        /[^\s,:\]}]/.test(text.charAt(range[1]))
      ) early ??= start;
    },
  });
  if (early !== undefined) {
    return notClosedOnLine(text.charAt(early), placeOf(early));
  }
  return {
    place: placeOf(start),
    message: `the quote ${text.charAt(start)} is never closed`,
  };
}

function notClosedOnLine(quote: string, place: TextPlace): SyntaxProblem {
  return { place, message: `the quote ${quote} is not closed on its line` };
}

/** `a: 'it's'`, or text after a quote that an earlier line opened. */
export function afterQuote(
  { document, placeOf, text }: Parsed,
  place: TextPlace,
): SyntaxProblem | undefined {
  let quoted: Node | undefined;
  visit(document, {
    Scalar(_, node) {
      const end = node.range && placeOf(node.range[1]);
      if (
        node.type?.startsWith("QUOTE") && end?.line === place.line &&
        end.column <= place.column
      ) quoted = node;
    },
  });
  const start = quoted?.range?.[0];
  if (start === undefined) return undefined;
  const quote = text.charAt(start);
  const opening = placeOf(start);
  if (opening.line < place.line) return notClosedOnLine(quote, opening);
  const escape = quote === "'" ? "''" : '\\"';
  return {
    place,
    message:
      `text follows the closing quote; write ${escape} for a quote inside the value`,
  };
}

/** Finds the bracketed collection that is open at an offset. */
export function innermostBracket(
  { document, text }: Parsed,
  offset: number,
): Node | undefined {
  const open: Node[] = [];
  visit(document, {
    Node(_, node) {
      if (
        isCollection(node) && node.flow && node.range &&
        node.range[0] < offset && node.range[1] >= offset
      ) open.push(node);
    },
  });
  const last = open.at(-1);
  // A bracket before the position closes the innermost one.
  const isClosed = last?.range?.[1] === offset &&
    /[\]}]/.test(text.charAt(offset - 1));
  return isClosed ? open.at(-2) : last;
}

/** Finds the unclosed bracket before an offset. */
export function unclosedBracket(
  parsed: Parsed,
  offset: number,
): SyntaxProblem | undefined {
  const node = innermostBracket(parsed, offset);
  if (node === undefined) return undefined;
  const [open, close] = isMap(node) ? ["{", "}"] : ["[", "]"];
  return {
    place: parsed.placeOf(node.range![0]),
    message: `the bracket "${open}" is never closed by "${close}"`,
  };
}
