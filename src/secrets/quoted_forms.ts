/** Entities of the characters that mean something to XML, in their usual spellings. */
const ENTITIES: readonly Readonly<Record<string, string>>[] = [
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;" },
];

/** Escapes of C and Go for characters that JSON writes in another way. */
const C_ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

// deno-lint-ignore no-control-regex
const C_SPECIAL = /[\x00-\x1f"\\\x7f]/g;

/**
 * Gives a value as programs write it when they quote or escape it.
 *
 * @param value Value.
 * @returns The value in the forms of JSON, shells, XML, C and Go, and URLs;
 * many of them are the value itself when nothing in it needs to be escaped.
 */
export function quotedForms(value: string): string[] {
  return [
    ...jsonForms(value),
    ...shellForms(value),
    ...ENTITIES.map((entities) => replaceEach(value, entities)),
    value.replace(C_SPECIAL, cEscape),
    ...urlForms(value),
  ];
}

function jsonForms(value: string): string[] {
  const plain = JSON.stringify(value).slice(1, -1);
  const html = plain.replace(/[<>&\u2028\u2029]/g, unicodeEscape);
  return [plain, html, plain.replaceAll("/", "\\/")].flatMap((text) => {
    const ascii = text.replace(/[\x7f-\uffff]/g, unicodeEscape);
    return [text, ascii, ascii.replace(/\\u[0-9a-f]{4}/g, upperHex)];
  });
}

function shellForms(value: string): string[] {
  return [
    value.replaceAll("'", `'\\''`),
    value.replaceAll("'", `'"'"'`),
    value.replace(/[^\w@%+=:,./\-\x80-\uffff]/g, "\\$&"),
    value.replace(/[$`"\\]/g, "\\$&"),
  ];
}

function urlForms(value: string): string[] {
  // A lone surrogate cannot be written in UTF-8, and so in no URL.
  const encoded = encodeURIComponent(value.toWellFormed());
  const strict = encoded.replace(/[!'()*]/g, percentEscape);
  return [encoded, strict].flatMap((text) => {
    const plus = text.replaceAll("%20", "+");
    return [text, plus].flatMap((it) => [it, it.replace(/%../g, lower)]);
  });
}

function replaceEach(
  text: string,
  replacements: Readonly<Record<string, string>>,
): string {
  return text.replace(/[&<>"']/g, (it) => replacements[it] ?? it);
}

function cEscape(character: string): string {
  return C_ESCAPES[character] ?? `\\x${hexOf(character, 2)}`;
}

function unicodeEscape(character: string): string {
  return `\\u${hexOf(character, 4)}`;
}

function percentEscape(character: string): string {
  return `%${hexOf(character, 2).toUpperCase()}`;
}

function hexOf(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, "0");
}

function upperHex(escape: string): string {
  return `\\u${escape.slice(2).toUpperCase()}`;
}

function lower(text: string): string {
  return text.toLowerCase();
}
