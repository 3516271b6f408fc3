/**
 * Parses responses of S3 servers: small XML documents without relevant attributes.
 */

/** Maximum size of an answer, in bytes: 1,000 keys of 1 KiB, and more. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** A page of the list of objects. */
export interface ObjectPage {
  readonly objects: readonly {
    readonly key: string;
    readonly bytes: number;
    readonly modifiedMs: number;
  }[];
  /** Continues the list; `undefined` after the last page. */
  readonly next: string | undefined;
}

/**
 * Reads the text of an answer.
 *
 * @throws {Error} If it is too large.
 */
export async function answerText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for await (const bytes of response.body ?? []) {
    length += bytes.length;
    if (length > MAX_ANSWER_BYTES) throw new Error("its response is too large");
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

/** Returns the error code of a failure, if it is valid; a server may send anything. */
export function failureCode(xml: string): string | undefined {
  const error = elementTexts(xml, "Error")[0] ?? "";
  const code = elementTexts(error, "Code")[0] ?? "";
  return /^[A-Za-z]{1,60}$/.test(code) ? code : undefined;
}

/** Returns the ID of a multipart upload that was begun. */
export function uploadId(xml: string): string {
  const id = decodeText(elementTexts(xml, "UploadId")[0] ?? "");
  if (id !== "" && id.length <= 4_096) return id;
  throw new Error("the server did not start a multipart upload");
}

/** Reads a page of the list of objects, whose keys are encoded as in URLs. */
export function objectPage(xml: string): ObjectPage {
  const objects = elementTexts(xml, "Contents").map((object) => ({
    key: decodeKey(elementTexts(object, "Key")[0] ?? ""),
    bytes: Number(elementTexts(object, "Size")[0]),
    modifiedMs: Date.parse(elementTexts(object, "LastModified")[0] ?? ""),
  }));
  const isTruncated = elementTexts(xml, "IsTruncated")[0]?.trim() === "true";
  const next = elementTexts(xml, "NextContinuationToken")[0];
  if (isTruncated && !next) {
    throw new Error("the server returned an incomplete list of objects");
  }
  return { objects, next: isTruncated ? decodeText(next) : undefined };
}

/** Returns the contents of all elements with a name; they must not be nested. */
function elementTexts(xml: string, name: string): string[] {
  const texts: string[] = [];
  const [start, end] = [`<${name}`, `</${name}>`];
  for (let at = 0;;) {
    at = xml.indexOf(start, at);
    if (at === -1) return texts;
    at += start.length;
    if (!/[\s>]/.test(xml[at] ?? "")) continue;
    const from = xml.indexOf(">", at) + 1;
    const to = xml.indexOf(end, from);
    if (from === 0 || to === -1) return texts;
    texts.push(xml.slice(from, to));
    at = to + end.length;
  }
}

function decodeKey(text: string): string {
  try {
    return decodeURIComponent(decodeText(text).replaceAll("+", " "));
  } catch {
    return "";
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

function decodeText(text: string): string {
  return text.replace(
    /&(?:([a-z]+)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g,
    (all, name, decimal, hex) => {
      if (name !== undefined) return ENTITIES[name] ?? all;
      const code = decimal === undefined ? parseInt(hex, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}
