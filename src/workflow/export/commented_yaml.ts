import { isObject } from "../../json_value.ts";

/** A value with comments before its key or its list item. */
export class Commented {
  /** The value. */
  readonly value: unknown;
  /** Comments; line breaks are written as escapes. */
  readonly comments: readonly string[];

  /** Adds comments to a value. */
  constructor(value: unknown, comments: readonly string[]) {
    this.value = value;
    this.comments = comments;
  }
}

/** Characters that some YAML parser may treat as the end of a comment. */
const UNSAFE = /[^\x20-\x7e\p{L}\p{M}\p{N}\p{P}\p{S}]/gu;

/**
 * Writes a document as YAML.
 *
 * The text is parsed again and compared with the document. If the values differ, the
 * document is written as JSON, which is also valid YAML.
 *
 * @param document Mapping, in which values may have comments.
 * @param comments Comments before the document.
 */
export async function writeYaml(
  document: Readonly<Record<string, unknown>>,
  comments: readonly string[] = [],
): Promise<string> {
  const [{ stringify }, { parse }] = await Promise.all([
    import("@std/yaml/stringify"),
    import("@std/yaml/parse"),
  ]);
  const plain = removeComments(document);
  const json = JSON.stringify(plain);
  const write = (value: Record<string, unknown>) =>
    stringify(value, { lineWidth: -1, useAnchors: false });
  const head = comments.map(writeComment).join("");
  const text = head + writeMapping(document, write);
  try {
    if (JSON.stringify(parse(text)) === json) return text;
  } catch {
    // The writer does not escape some characters that its parser rejects.
  }
  return `${head}${escapeNonAscii(JSON.stringify(plain, null, 2))}\n`;
}

/** Formats a comment as one line; an empty comment separates parts. */
function writeComment(comment: string): string {
  if (comment === "") return "\n";
  return `# ${
    comment.replace(UNSAFE, (character) =>
      `\\u{${character.codePointAt(0)!.toString(16)}}`)
  }`.trimEnd() + "\n";
}

function writeMapping(
  mapping: Readonly<Record<string, unknown>>,
  write: (value: Record<string, unknown>) => string,
): string {
  return Object.entries(mapping).map(([key, entry]) => {
    const { value, comments } = splitComments(entry);
    if (value === undefined) return "";
    const head = comments.map(writeComment).join("");
    if (!hasComments(value)) {
      return head + write({ [key]: removeComments(value) });
    }
    const inside = Array.isArray(value)
      ? writeList(value, write)
      : writeMapping(value as Record<string, unknown>, write);
    return `${head}${write({ [key]: null }).replace(/ *null\n$/, "")}\n${
      indent(inside)
    }`;
  }).join("");
}

function writeList(
  items: readonly unknown[],
  write: (value: Record<string, unknown>) => string,
): string {
  return items.map((item) => {
    const { value, comments } = splitComments(item);
    const text = indent(
      writeMapping(value as Record<string, unknown>, write),
    );
    return comments.map(writeComment).join("") + `- ${text.slice(2)}`;
  }).join("");
}

/** Indents all lines except for empty ones, which belong to multi-line strings. */
function indent(text: string): string {
  return text.split("\n").map((line) => line && `  ${line}`).join("\n");
}

function splitComments(value: unknown): Commented {
  return value instanceof Commented ? value : new Commented(value, []);
}

/** Checks for comments on keys of mappings and on mappings in lists. */
function hasComments(value: unknown): boolean {
  if (value instanceof Commented) return true;
  if (Array.isArray(value)) return value.some(hasComments);
  return isObject(value) && Object.values(value).some(hasComments);
}

/** Removes comments, and keys without a value. */
function removeComments(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(
      value,
      (_key, one) => one instanceof Commented ? one.value : one,
    ) ?? "null",
  );
}

/** Escapes everything but ASCII: some YAML parsers recognize other line breaks. */
function escapeNonAscii(json: string): string {
  return json.replace(
    /[^\x20-\x7e\n]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
