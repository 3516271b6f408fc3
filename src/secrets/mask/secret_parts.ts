/** Maximum number of parts of a document that are separate secrets. */
const MAX_PARTS = 1_000;

/** Maximum depth of nested documents. */
const MAX_PART_DEPTH = 8;

/** Minimum length of a part that is a secret because of its name, in characters. */
const MIN_NAMED = 6;

/** Minimum length of a part that is a secret because it looks like one, in characters. */
const MIN_SHAPED = 16;

/** Maximum number of characters of a part that are checked for that. */
const MAX_SHAPED = 128;

/** Names of secrets, in any spelling. */
const SECRET_NAME =
  /pass(?!ive|age|enger|ed\b)|pwd|secret|token|credential|priv|signature|(?:^|[^a-z])(?:sig|sas|auth|psk|pin|otp|salt|seed|hmac|jwt|bearer|cookie)(?:$|[^a-z])|(?:api|access|account|encryption|signing|master|shared|host|storage|client|license|ssh|ssl|tls|gpg|rsa|aes)[-_.]?key|(?:^|[^a-z])key(?:$|s$|[-_.]?(?:data|material|value|file)$)|_auth$/i;

/** Names of values that describe a secret but are not secret. */
const PLAIN_NAME =
  /(?:ur[il]|type|name|user|email|expir\w*|(?:^|[-_.])ids?|version|algorithm|endpoint|host|port|path|file|region|scopes?|issuer|audience|lifetime|ttl|_at|length|policy|enabled)$/i;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A line `KEY=VALUE` or `KEY: VALUE`, as in environment files, settings and YAML. */
const ASSIGNMENT =
  /^\s*(?:-\s+)?(?:export\s+|set\s+|declare\s+(?:-\w+\s+)*|ENV\s+)?(["']?)([\w./:@$-]*[\w$])\1\s*(?:=|:\s)(.*)$/s;

/** Words in pairs, as in `.netrc`. */
const WORD_PAIR = /(?:^|\s)(password|passwd|secret|token)\s+(\S+)/gi;

/** A name and its quoted value, as in JSON with comments, XML, connection strings and source code. */
const QUOTED_PAIR =
  /(?<![\w.-])(["']?)([\w.-]{1,64})\1\s*(?::|=>?|,)\s*("(?:[^"\\\r\n]|\\.)+"|'[^'\r\n]+')/g;

/** A header of HTTP, or its value, with the token that follows the scheme. */
const SCHEME_AND_TOKEN = /^(?:Bearer|Basic|Token|ApiKey)\s+(\S+)$/i;

/** Fields of a form, joined as in the query of a URL. */
const FORM = /^[\w.%-]+=[^\s&]*(?:&[\w.%-]+=[^\s&]*)+$/;

/** A comment after a value in settings and environment files. */
const COMMENT = /(?<!\s)\s+[#;]\s.*$/;

const BASE64 = /^[A-Za-z0-9+/]{8,}={0,2}$/;

/** Minimum length of a document in base64 that has no name, in characters. */
const MIN_BASE64_DOCUMENT = 24;

const URL_START = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Documents have one of these. */
const DOCUMENT = /[\s:={[]/;

const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * Finds the parts of a secret that are separate secrets.
 *
 * Documents are JSON, lines of `KEY=VALUE` or `KEY: VALUE`, names with quoted
 * values, connection strings, headers, forms and URLs, possibly nested or in
 * base64. A part counts if its name is that of a secret, if it
 * is long and looks random, or if it has several lines.
 *
 * @param secret The secret.
 * @returns Parts as they are written in it, and decoded.
 */
export function secretParts(secret: string): Set<string> {
  const parts = new Set<string>();
  addParts(secret, parts, 0);
  parts.delete(secret);
  return parts;
}

function addParts(text: string, parts: Set<string>, depth: number): void {
  // Most secrets are one word.
  if (depth > MAX_PART_DEPTH) return;
  const trimmed = text.trim();
  const decoded = trimmed.length >= MIN_BASE64_DOCUMENT
    ? decodedBase64(trimmed)
    : undefined;
  if (decoded !== undefined && DOCUMENT.test(decoded.trim())) {
    putPart(decoded, parts);
    return addParts(decoded, parts, depth + 1);
  }
  if (!DOCUMENT.test(text)) return;
  if (/^["{[]/.test(trimmed)) {
    const value = parsedJson(trimmed);
    if (value !== undefined) return addValueParts("", value, parts, depth);
  }
  if (URL_START.test(trimmed) && !/\s/.test(trimmed)) {
    return addUrlParts(trimmed, parts);
  }
  if (trimmed.startsWith("-----BEGIN ")) {
    // Tools that read keys from variables undo the escapes of line breaks.
    if (trimmed.includes("\\n")) parts.add(trimmed.replaceAll("\\n", "\n"));
    return;
  }
  const token = SCHEME_AND_TOKEN.exec(trimmed)?.[1];
  if (token !== undefined) {
    putPart(token, parts);
    return addCredentials(token, parts);
  }
  if (FORM.test(trimmed)) return addFields(`?${trimmed}`, parts);
  const pieces = /[\r\n]/.test(trimmed)
    ? trimmed.split(/[\r\n]+/)
    : trimmed.split(/;|[\s,](?=[\w.-]+=)/);
  addAssignments(new Set(pieces), parts, depth);
  for (const [, name, value] of trimmed.matchAll(WORD_PAIR)) {
    addPart(name, value, parts, depth);
  }
  for (const [, , name, value] of trimmed.matchAll(QUOTED_PAIR)) {
    addQuoted(name, value, parts, depth);
  }
}

/** Adds a value in quotes, and what it means if escapes in it are undone. */
function addQuoted(
  name: string,
  quoted: string,
  parts: Set<string>,
  depth: number,
): void {
  addPart(name, quoted.slice(1, -1), parts, depth);
  if (quoted[0] !== '"' || !quoted.includes("\\")) return;
  const text = parsedJson(quoted);
  if (typeof text === "string") addPart(name, text, parts, depth);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It only looks like JSON.
    return undefined;
  }
}

function addValueParts(
  name: string,
  value: unknown,
  parts: Set<string>,
  depth: number,
): void {
  if (depth > MAX_PART_DEPTH) return;
  if (typeof value === "string") addPart(name, value, parts, depth);
  else if (typeof value === "number") {
    addPart(name, String(value), parts, depth);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      // Items of a list have the name of the list.
      const itemName = Array.isArray(value) ? name : key;
      addValueParts(itemName, item, parts, depth + 1);
    }
  }
}

function addAssignments(
  pieces: Iterable<string>,
  parts: Set<string>,
  depth: number,
): void {
  for (const piece of pieces) {
    const [, , name, rest] = ASSIGNMENT.exec(piece) ?? [];
    const value = rest?.trim().replace(/;$/, "");
    if (!value) continue;
    if (/^(["'])(.*)\1$/s.test(value)) addQuoted(name, value, parts, depth);
    else {
      addPart(name, value, parts, depth);
      const plain = value.replace(COMMENT, "");
      if (plain !== value) addPart(name, plain, parts, depth);
    }
  }
}

function addUrlParts(url: string, parts: Set<string>): void {
  const userInfo = /^[^/]*:\/\/([^/?#]*)@/.exec(url)?.[1] ?? "";
  const colon = userInfo.indexOf(":");
  if (colon >= 0) addDecodedPart(userInfo.slice(colon + 1), parts);
  else if (userInfo.length >= MIN_SHAPED) addDecodedPart(userInfo, parts);
  // A password may have been written without being encoded.
  const raw = /^[^/]*:\/\/[^:/?#@]*:(?!\d+\/)(.+)@/.exec(url)?.[1];
  if (raw !== undefined) addDecodedPart(raw, parts);
  addFields(url, parts);
}

function addFields(url: string, parts: Set<string>): void {
  for (const [, name, value] of url.matchAll(/[?&#;]([^=&#;?]+)=([^&#;]*)/g)) {
    if (isSecretPart(name, value)) addDecodedPart(value, parts);
  }
}

/** Adds a text as written in a URL, and its decoded value. */
function addDecodedPart(text: string, parts: Set<string>): void {
  parts.add(text);
  try {
    parts.add(decodeURIComponent(text));
  } catch {
    // The part is not percent-encoded.
  }
}

function addPart(
  name: string,
  value: string,
  parts: Set<string>,
  depth: number,
): void {
  if (isSecretPart(name, value)) {
    putPart(value, parts);
    addCredentials(value, parts);
    const decoded = decodedBase64(value);
    if (decoded !== undefined) putPart(decoded, parts);
  }
  addParts(value, parts, depth + 1);
}

/** Adds the parts of `user:password` in base64, as in configurations of clients. */
function addCredentials(value: string, parts: Set<string>): void {
  const text = decodedBase64(value.replace(/^Basic\s+/, "")) ?? "";
  const password = /^[\x21-\x39\x3b-\x7e]+:([\x20-\x7e]+)$/.exec(text)?.[1];
  if (password !== undefined) putPart(password, parts);
}

/** Returns the text that a word in base64 stands for; `undefined` if it does not. */
function decodedBase64(word: string): string | undefined {
  if (word.length % 4 !== 0 || !BASE64.test(word)) return undefined;
  const bytes = Uint8Array.fromBase64(word);
  if (
    bytes.some((byte) => byte < 0x20 && !/\s/.test(String.fromCharCode(byte)))
  ) {
    return undefined;
  }
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function putPart(part: string, parts: Set<string>): void {
  if (part.trim().length >= MIN_NAMED && parts.size < MAX_PARTS) {
    parts.add(part);
  }
}

function isSecretPart(name: string, value: string): boolean {
  const text = value.trim();
  if (text.startsWith("-----BEGIN ") && !/PUBLIC|CERTIFICATE/.test(text)) {
    return true;
  }
  if (URL_START.test(text)) return false;
  const isNamed = SECRET_NAME.test(separated(name)) && !PLAIN_NAME.test(name);
  return isNamed ? text.length >= MIN_NAMED : isRandom(text);
}

/** Separates the words of a name. */
function separated(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_");
}

/** Checks whether a word looks random: long, with letters and digits in any order. */
function isRandom(text: string): boolean {
  if (text.length < MIN_SHAPED || !/^[\w+/=.~-]+$/.test(text)) return false;
  if (UUID.test(text)) return false;
  // Names and versions consist of words and numbers; in a token, they alternate.
  const transitions = text.slice(0, MAX_SHAPED).match(
    /[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])/g,
  );
  return (transitions?.length ?? 0) * 8 >= Math.min(text.length, MAX_SHAPED);
}
