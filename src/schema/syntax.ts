import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLParseError,
} from "yaml";
import {
  indentWidth,
  isListItem,
  splitTextLines,
  type TextPlace,
} from "./excerpt.ts";

/**
 * Explains why a text is not valid YAML.
 *
 * This file is loaded only to report a problem, because the parser that knows
 * positions takes longer to load than a whole job.
 *
 * @param reason Message of the parser that rejected the text, with the position
 * in its first line; empty if none did.
 * @returns The first problem; `undefined` if the text is valid.
 */
export function findSyntaxProblem(
  text: string,
  reason = "",
): SyntaxProblem | undefined {
  return findConflictMarker(text) ?? findControlCharacter(text) ??
    findParserProblem(text, reason);
}

function findParserProblem(
  text: string,
  reason: string,
): SyntaxProblem | undefined {
  const parsed = parse(text);
  if (parsed === undefined) return describeUnknown(reason);
  const { errors } = parsed.document;
  const tab = errors.find(({ code }) => code === "TAB_AS_INDENT");
  if (tab !== undefined) {
    return {
      place: parsed.placeOf(tab.pos[0]),
      message: TAB,
    };
  }
  if (reason === "") return undefined;
  if (/duplicated key/.test(reason)) {
    const duplicate = findDuplicateKey(parsed);
    if (duplicate !== undefined) return duplicate;
  }
  const [, alias] = /unidentified alias "(.*?)"/.exec(reason) ?? [];
  if (alias !== undefined) return explainUnknownAlias(text, alias, reason);
  if (/unknown tag/.test(reason)) return explainUnknownTag(text, reason);
  if (errors.length === 0) return describeUnknown(reason);
  return explain(errors[0], parsed, reason) ?? describeUnknown(reason);
}

function parse(text: string): Parsed | undefined {
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, {
      schema: "failsafe",
      lineCounter,
      prettyErrors: false,
      // Checking for duplicate keys takes quadratic time.
      uniqueKeys: false,
    });
    return {
      text,
      lines: splitTextLines(text),
      document,
      placeOf(offset) {
        const { line, col } = lineCounter.linePos(offset);
        return { line, column: col };
      },
    };
  } catch {
    // The text is nested more deeply than this parser supports.
    return undefined;
  }
}

/**
 * Uses only the position from the other parser, because its message describes
 * its internals.
 */
function describeUnknown(reason: string): SyntaxProblem | undefined {
  const place = readPlace(reason);
  return place && { place, message: "invalid YAML from here on" };
}

function readPlace(reason: string): TextPlace | undefined {
  const [, line, column] = /at line (\d+), column (\d+)/.exec(reason) ?? [];
  if (line === undefined) return undefined;
  return { line: Number(line), column: Number(column) };
}

function findConflictMarker(text: string): SyntaxProblem | undefined {
  const match = /^(<{7}|>{7})(?= |\r?$)/m.exec(text);
  return match
    ? {
      place: offsetToPlace(text, match.index),
      message: `"${match[1]}" marks a merge conflict; resolve it first`,
    }
    : undefined;
}

function findControlCharacter(text: string): SyntaxProblem | undefined {
  // deno-lint-ignore no-control-regex
  const match = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/.exec(text);
  if (!match) return undefined;
  const code = match[0].charCodeAt(0).toString(16).toUpperCase();
  return {
    place: offsetToPlace(text, match.index),
    message: `the character U+${
      code.padStart(4, "0")
    } is not allowed in YAML; write it as an escape in double quotes`,
  };
}

/**
 * Converts an offset to line and column.
 *
 * @param offset Number of UTF-16 units before the position.
 */
function offsetToPlace(text: string, offset: number): TextPlace {
  const before = splitTextLines(text.slice(0, offset));
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

function findDuplicateKey({ document, placeOf }: Parsed) {
  let found: SyntaxProblem | undefined;
  visit(document, {
    Map(_, { items }) {
      const first = new Map<string, number>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        const at = key.range?.[0] ?? 0;
        const earlier = first.get(name);
        if (earlier !== undefined) {
          found = {
            place: placeOf(at),
            message: `the key ${
              JSON.stringify(name.slice(0, 100))
            } is defined twice; first at`,
            other: placeOf(earlier),
          };
          return visit.BREAK;
        }
        first.set(name, at);
      }
      return undefined;
    },
  });
  return found;
}

function explainUnknownAlias(text: string, name: string, reason: string) {
  const offset = text.indexOf(`*${name}`);
  return {
    place: offset < 0 ? readPlace(reason)! : offsetToPlace(text, offset),
    message:
      'no anchor with this name precedes the alias; put text that starts with "*" in quotes',
  };
}

function explainUnknownTag(
  text: string,
  reason: string,
): SyntaxProblem | undefined {
  const place = readPlace(reason);
  if (place === undefined) return undefined;
  const line = splitTextLines(text)[place.line - 1] ?? "";
  const start = line.slice(0, place.column).search(/!!?[^!]*$/);
  return {
    place: { line: place.line, column: Math.max(0, start) + 1 },
    message:
      'tags are not supported; remove the tag, or put text that starts with "!" in quotes',
  };
}

const MIXED =
  'a list ("- ITEM") and keys ("KEY: VALUE") cannot be mixed at the same indentation';

const TAB = "a tab cannot indent a line of YAML; use spaces";

const QUOTE_COLON = 'put the value in quotes, because ": " starts a new key';

/** Explains an error of the parser by its code. */
function explain(
  { code, message, pos: [offset] }: YAMLParseError,
  parsed: Parsed,
  reason: string,
): SyntaxProblem | undefined {
  const { text, lines, placeOf } = parsed;
  const place = placeOf(offset);
  const at = (message: string): SyntaxProblem => ({ place, message });
  const line = lines[place.line - 1] ?? "";
  const sign = JSON.stringify(text.charAt(offset));
  switch (code) {
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY":
      return findInnerColon(line, place) ?? findWrongIndent(parsed, reason) ??
        explainMissingColon(line, place);
    case "BLOCK_IN_FLOW":
      return findInnerColon(line, place) ??
        at(`${sign} is not allowed between brackets`);
    case "BAD_INDENT":
      return /^Flow/.test(message)
        ? findUnclosedBracket(parsed, offset)
        : findWrongIndent(parsed, reason, place);
    case "MISSING_CHAR":
      if (/quote$/.test(message)) return findUnclosedQuote(parsed, offset);
      if (/^Flow/.test(message)) return findUnclosedBracket(parsed, offset);
      if (/directives-end/.test(message)) {
        return at('lines that start with "%" must be followed by a line "---"');
      }
      if (/^Sequence item/.test(message)) {
        return findWrongIndent(parsed, reason, place);
      }
      return findTextAfterQuote(parsed, place) ??
        explainMissingColon(line, place);
    case "BAD_SCALAR_START":
      return at(`a value cannot start with ${sign}; put it in quotes`);
    case "BAD_DQ_ESCAPE":
      return at(
        "unknown escape sequence; double the backslash, or use single quotes",
      );
    case "BAD_ALIAS":
      return at(
        `${sign} must be followed by a name; put text that starts with it in quotes`,
      );
    case "MULTIPLE_ANCHORS":
      return at("a value can have only one anchor");
    case "MULTIPLE_TAGS":
      return at("a value can have only one tag");
    case "MULTIPLE_DOCS":
      return at("a second document starts here; a file must contain only one");
    case "UNEXPECTED_TOKEN":
      return explainUnexpected(message, parsed, place, offset);
    default:
      return undefined;
  }
}

function explainUnexpected(
  message: string,
  parsed: Parsed,
  place: TextPlace,
  offset: number,
): SyntaxProblem | undefined {
  const sign = JSON.stringify(parsed.text.charAt(offset));
  const line = parsed.lines[place.line - 1] ?? "";
  if (/Block scalar header/.test(message)) {
    const near = Math.max(0, line.slice(0, place.column).search(/[|>]\S*$/));
    return {
      place: { line: place.line, column: near + 1 },
      message:
        'only an indentation (1 to 9), "-" or "+" can follow "|" or ">"; start the text on the next line, or put it in quotes',
    };
  }
  if (/flow-(map|seq)-end/.test(message)) {
    return { place, message: `unmatched ${sign}` };
  }
  if (/block-seq-ind on same line/.test(message)) {
    return {
      place,
      message:
        'a list cannot start on the line of its key; put "- " on a new line, or the text in quotes',
    };
  }
  if (findInnermostBracket(parsed, offset)) {
    return {
      place,
      message: 'expected "," or the closing bracket before this',
    };
  }
  return findTextAfterQuote(parsed, place) ?? findInnerColon(line, place) ??
    findWrongIndent(parsed, "", place) ?? { place, message: MIXED };
}

/** Finds a second colon in a line, as in `command: echo a: b`. */
function findInnerColon(
  line: string,
  { line: number }: TextPlace,
): SyntaxProblem | undefined {
  const [head = ""] =
    /^\s*(?:-\s+)*(?:"[^"]*"|'[^']*'|[^\s"'#:[{][^:]*|[^\s"':][^\s:]*)\s*:\s+(?=[^\s"'#|>&*!])/
      .exec(line) ?? [];
  if (head === "") return undefined;
  const colon = line.slice(head.length).search(/:(\s|$)/);
  if (colon < 0) return undefined;
  return {
    place: { line: number, column: head.length + colon + 1 },
    message: QUOTE_COLON,
  };
}

function explainMissingColon(
  line: string,
  place: TextPlace,
): SyntaxProblem {
  if (isListItem(line)) return { place, message: MIXED };
  const colon = line.search(/[\w"']:[^\s/]/);
  if (/^\s*(-\s+)?[\w.-]+:[^\s/]/.test(line)) {
    return {
      place: { line: place.line, column: colon + 2 },
      message: 'a space must follow the ":" of a key',
    };
  }
  return {
    place,
    message: 'the line is neither "KEY: VALUE" nor a list item ("- ITEM")',
  };
}

/** Finds an indentation that matches none of the enclosing lines. */
function findWrongIndent(
  { lines }: Parsed,
  reason: string,
  at?: TextPlace,
): SyntaxProblem | undefined {
  const number = /bad indentation/.test(reason)
    ? readPlace(reason)!.line
    : at?.line;
  if (number === undefined) return undefined;
  const line = lines[number - 1] ?? "";
  const indent = indentWidth(line);
  const tab = line.slice(0, indent).indexOf("\t");
  if (tab >= 0) {
    return { place: { line: number, column: tab + 1 }, message: TAB };
  }
  const allowed: number[] = [];
  let limit = Infinity;
  for (let above = number - 2; above >= 0; above--) {
    const other = lines[above];
    if (other.trim() === "" || other.trimStart().startsWith("#")) continue;
    const levels = [indentWidth(other), contentIndent(other)]
      .filter((level) => level < limit).sort((a, b) => b - a);
    allowed.push(...levels.filter((level, i) => levels.indexOf(level) === i));
    limit = Math.min(limit, ...levels);
    if (limit === 0) break;
  }
  if (allowed.length === 0 || allowed.includes(indent)) return undefined;
  const words = allowed.slice(0, 4).reverse().join(" or ");
  return {
    place: { line: number, column: indent + 1 },
    message:
      `the line is indented by ${indent}, which matches no line above; indent it by ${words}`,
  };
}

/** Column of the keys of a list item. */
function contentIndent(line: string): number {
  return /^\s*(?:-\s+)*/.exec(line)![0].length;
}

/** Why a text is not valid YAML, and where. */
interface SyntaxProblem {
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
function findUnclosedQuote(
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
    return describeOpenQuote(text.charAt(early), placeOf(early));
  }
  return {
    place: placeOf(start),
    message: `the quote ${text.charAt(start)} is never closed`,
  };
}

function describeOpenQuote(quote: string, place: TextPlace): SyntaxProblem {
  return { place, message: `the quote ${quote} is not closed on its line` };
}

/**
 * Finds text after a closing quote, as in `a: 'it's'`, or after a quote that an
 * earlier line opened.
 */
function findTextAfterQuote(
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
  if (opening.line < place.line) return describeOpenQuote(quote, opening);
  const escape = quote === "'" ? "''" : '\\"';
  return {
    place,
    message:
      `text follows the closing quote; write ${escape} for a quote inside the value`,
  };
}

/** Finds the bracketed collection that is open at an offset. */
function findInnermostBracket(
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
function findUnclosedBracket(
  parsed: Parsed,
  offset: number,
): SyntaxProblem | undefined {
  const node = findInnermostBracket(parsed, offset);
  if (node === undefined) return undefined;
  const [open, close] = isMap(node) ? ["{", "}"] : ["[", "]"];
  return {
    place: parsed.placeOf(node.range![0]),
    message: `the bracket "${open}" is never closed by "${close}"`,
  };
}
