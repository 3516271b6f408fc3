/** Maximum number of parts of a document that are secrets of their own. */
const MAX_PARTS = 1_000;

/** How deep documents are looked for within one another. */
const MAX_DEPTH = 8;

/** Minimum length of a part that is a secret because of its name, in characters. */
const MIN_NAMED = 6;

/** Minimum length of a part that is a secret because it looks like one, in characters. */
const MIN_SHAPED = 16;

/** How much of a part is looked at for that. */
const MAX_SHAPED = 128;

/** Names of what is secret, in any spelling. */
const SECRET_NAME =
  /pass(?!ive|age|enger|ed\b)|pwd|secret|token|credential|priv|signature|(?:^|[^a-z])(?:sig|sas|auth|psk|pin|otp|salt|seed|hmac|jwt|bearer|cookie)(?:$|[^a-z])|(?:api|access|account|encryption|signing|master|shared|host|storage|client|license|ssh|ssl|tls|gpg|rsa|aes)[-_.]?key|(?:^|[^a-z])key(?:$|s$|[-_.]?(?:data|material|value|file)$)|_auth$/i;

/** Names of what describes a secret and is none. */
const PLAIN_NAME =
  /(?:ur[il]|type|name|user|email|expir\w*|(?:^|[-_.])ids?|version|algorithm|endpoint|host|port|path|file|region|scopes?|issuer|audience|lifetime|ttl|_at|length|policy|enabled)$/i;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A line `KEY=VALUE` or `KEY: VALUE`, as in environment files, settings and YAML. */
const ASSIGNMENT =
  /^\s*(?:-\s+)?(?:export\s+|set\s+|declare\s+(?:-\w+\s+)*|ENV\s+)?(["']?)([\w./:@$-]*[\w$])\1\s*(?:=|:\s)(.*)$/s;

/** Words in pairs, as in `.netrc`. */
const WORD_PAIR = /(?:^|\s)(password|passwd|secret|token)\s+(\S+)/gi;

const URL_START = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Finds the parts of a secret that are secrets of their own.
 *
 * Documents are JSON, lines of `KEY=VALUE` or `KEY: VALUE`, connection strings
 * and URLs, also within one another. A part counts by its name, or because it
 * is long and looks as if it were random; so do all parts of several lines.
 *
 * @param secret The secret.
 * @returns Parts as they are written in it, and decoded.
 */
export function secretParts(secret: string): Set<string> {
  const parts = new Set<string>();
  addPartsOf(secret, parts, 0);
  parts.delete(secret);
  return parts;
}

function addPartsOf(text: string, parts: Set<string>, depth: number): void {
  // Most secrets are one word.
  if (depth > MAX_DEPTH || !/[\s:={[]/.test(text)) return;
  const trimmed = text.trim();
  if (/^["{[]/.test(trimmed)) {
    const value = parsed(trimmed);
    if (value !== undefined) return addValue("", value, parts, depth);
  }
  if (URL_START.test(trimmed) && !/\s/.test(trimmed)) {
    return addUrlParts(trimmed, parts);
  }
  if (trimmed.startsWith("-----BEGIN ")) return;
  const pieces = /[\r\n]/.test(trimmed)
    ? trimmed.split(/[\r\n]+/)
    : trimmed.split(/;|[\s,](?=[\w.-]+=)/);
  addAssignments(new Set(pieces), parts, depth);
  for (const [, name, value] of trimmed.matchAll(WORD_PAIR)) {
    add(name, value, parts, depth);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It only looks like JSON, and is a secret of another kind.
    return undefined;
  }
}

function addValue(
  name: string,
  value: unknown,
  parts: Set<string>,
  depth: number,
): void {
  if (depth > MAX_DEPTH) return;
  if (typeof value === "string") add(name, value, parts, depth);
  else if (typeof value === "number") {
    add(name, String(value), parts, depth);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      // What is in a list has the name of the list.
      const itemName = Array.isArray(value) ? name : key;
      addValue(itemName, item, parts, depth + 1);
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
    const unquoted = /^(["'])(.*)\1$/s.exec(value);
    add(name, unquoted?.[2] ?? value, parts, depth);
    if (unquoted?.[1] !== '"' || !unquoted[2].includes("\\")) continue;
    const text = parsed(value);
    if (typeof text === "string") add(name, text, parts, depth);
  }
}

function addUrlParts(url: string, parts: Set<string>): void {
  const userInfo = /^[^/]*:\/\/([^/?#]*)@/.exec(url)?.[1] ?? "";
  const colon = userInfo.indexOf(":");
  if (colon >= 0) addDecoded(userInfo.slice(colon + 1), parts);
  else if (userInfo.length >= MIN_SHAPED) addDecoded(userInfo, parts);
  // A password may have been written without being encoded.
  const raw = /^[^/]*:\/\/[^:/?#@]*:(?!\d+\/)(.+)@/.exec(url)?.[1];
  if (raw !== undefined) addDecoded(raw, parts);
  for (const [, name, value] of url.matchAll(/[?&#;]([^=&#;?]+)=([^&#;]*)/g)) {
    if (isSecret(name, value)) addDecoded(value, parts);
  }
}

/** Adds a text as it is written in a URL, and what it stands for there. */
function addDecoded(text: string, parts: Set<string>): void {
  parts.add(text);
  try {
    parts.add(decodeURIComponent(text));
  } catch {
    // Not percent-encoded: it is the part as it stands.
  }
}

function add(
  name: string,
  value: string,
  parts: Set<string>,
  depth: number,
): void {
  if (isSecret(name, value)) {
    put(value, parts);
    addCredentials(value, parts);
  }
  addPartsOf(value, parts, depth + 1);
}

/** Adds what `user:password` in base64 holds, as settings of clients have it. */
function addCredentials(value: string, parts: Set<string>): void {
  const basic = /^(?:Basic\s+)?([A-Za-z0-9+/]{8,}={0,2})$/.exec(value)?.[1];
  if (basic === undefined || basic.length % 4 !== 0) return;
  const text = atob(basic);
  const password = /^[\x21-\x39\x3b-\x7e]+:([\x20-\x7e]+)$/.exec(text)?.[1];
  if (password !== undefined) put(password, parts);
}

function put(part: string, parts: Set<string>): void {
  if (part.trim().length >= MIN_NAMED && parts.size < MAX_PARTS) {
    parts.add(part);
  }
}

function isSecret(name: string, value: string): boolean {
  const text = value.trim();
  if (text.startsWith("-----BEGIN ") && !/PUBLIC|CERTIFICATE/.test(text)) {
    return true;
  }
  if (URL_START.test(text)) return false;
  const isNamed = SECRET_NAME.test(separated(name)) && !PLAIN_NAME.test(name);
  return isNamed ? text.length >= MIN_NAMED : isRandom(text);
}

/** A name with its words apart. */
function separated(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_");
}

/** Checks whether a word looks as if it were made by chance: long, of letters and digits in any order. */
function isRandom(text: string): boolean {
  if (text.length < MIN_SHAPED || !/^[\w+/=.~-]+$/.test(text)) return false;
  if (UUID.test(text)) return false;
  // Names and versions are words and numbers; in a token, they take turns.
  const turns = text.slice(0, MAX_SHAPED).match(
    /[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])/g,
  );
  return (turns?.length ?? 0) * 8 >= Math.min(text.length, MAX_SHAPED);
}
