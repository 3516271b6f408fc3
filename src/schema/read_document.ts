import { decodeUtf8 } from "../bytes.ts";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { withinTime } from "../within_time.ts";
import { DocumentNode, type NodeReports } from "./document.ts";
import { makeExcerpts, placedProblem } from "./excerpt.ts";
import { type FileKind, JOB_FILE, type Problems } from "./problems.ts";

/** Maximum size of a file that is read, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** Time limit for reading a file, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A line with a tab in its indentation. */
const TAB_INDENT = /^ *\t/m;

/**
 * Reads the text of a file.
 *
 * @param name Path as the user wrote it, for messages.
 * @throws {RunnerError} With the code of the kind, if the file cannot be read.
 */
export async function readJobText(
  path: string,
  name: string,
  kind: FileKind = JOB_FILE,
): Promise<string> {
  let reason: string;
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) reason = describeNonFile(info);
    else if (info.size > MAX_BYTES) reason = describeTooLarge();
    else {
      const bytes = await withinTime(readToLimit(path, info.size), TIMEOUT_MS);
      return decodeFile(bytes, name);
    }
  } catch (error) {
    reason = osReason(error);
  }
  throw createReadError(name, reason, kind);
}

/**
 * Reads a file up to the limit. A pipe may have replaced it by now, and some
 * files in `/proc` are endless.
 */
async function readToLimit(
  path: string,
  size: number,
): Promise<Uint8Array> {
  using file = await Deno.open(path);
  // One more byte shows whether the file is too large.
  const bytes = new Uint8Array(
    (size === 0 ? MAX_BYTES : size) + 1,
  );
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) return bytes.subarray(0, length);
    length += count;
  }
  throw new Error(
    length > MAX_BYTES
      ? describeTooLarge()
      : "it changed while it was being read",
  );
}

function describeTooLarge(): string {
  return `it is larger than ${MAX_BYTES} bytes`;
}

/**
 * Parses the text of a YAML or JSON file.
 *
 * @param name Path as the user wrote it, for messages.
 * @param problems Collects invalid values.
 * @throws {RunnerError} With the code of the kind, if the text is not valid
 * YAML; the message has the position and the line.
 */
export async function parseJobText(
  text: string,
  name: string,
  problems: Problems,
  kind: FileKind = JOB_FILE,
): Promise<DocumentNode> {
  // Tabs are allowed between brackets, as in JSON.
  if (TAB_INDENT.test(text) && !/^\s*[[{]/.test(text)) {
    await throwIfSyntaxProblem(text, "", name, kind);
  }
  try {
    return parseAsJson(text, problems) ?? await parseYaml(text, problems);
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    const message = messageOf(error);
    if (error instanceof RangeError || /call stack/.test(message)) {
      throw createReadError(name, "it is nested too deeply", kind);
    }
    // The parser quotes the file, which may contain a secret. So does its
    // error, which is therefore not used as the cause.
    await throwIfSyntaxProblem(text, message.split("\n", 1)[0], name, kind);
    throw createReadError(name, "it is not valid YAML", kind);
  }
}

/** Parses JSON as the subset of YAML that it is, in a fraction of the time. */
function parseAsJson(
  text: string,
  problems: Problems,
): DocumentNode | undefined {
  const document = scanJson(text);
  if (document === undefined) return undefined;
  problems.setDocument(document.written);
  return new DocumentNode(document.written, document.parsed, problems);
}

async function parseYaml(
  text: string,
  problems: Problems,
): Promise<DocumentNode> {
  const { parse } = await import("@std/yaml/parse");
  const written = parse(text, { schema: "failsafe" });
  problems.setDocument(written);
  const parsed = parse(text, {
    schema: "core",
    allowDuplicateKeys: true,
  });
  const reports: NodeReports = {
    count: (...texts) => problems.count(...texts),
    add: (...problem) => problems.add(...problem),
    warn: (...problem) => problems.warn(...problem),
    parseKey: (key) => String(parse(key, { schema: "core" })),
  };
  if (!text.includes("<<")) {
    return new DocumentNode(written, parsed, reports);
  }
  return new DocumentNode(
    resolveMergeKeys(written, {
      count: () => problems.count(),
      report: (path, problem) =>
        problems.add(path, () => `${formatMergeKey(path)} ${problem}`),
    }),
    resolveMergeKeys(parsed, { count: () => {}, report: () => {} }),
    reports,
  );
}

/**
 * Parses the text of a JSON document.
 *
 * @param name Source of the text, for messages.
 * @param problems Collects invalid values.
 * @throws {RunnerError} With the code of the kind, if the text is not valid JSON.
 */
export function parseJsonText(
  text: string,
  name: string,
  problems: Problems,
  kind: FileKind,
): DocumentNode {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser quotes the text, which may contain a secret.
    throw createReadError(name, "it is not valid JSON", kind);
  }
  problems.setDocument(value);
  return new DocumentNode(value, value, problems);
}

async function throwIfSyntaxProblem(
  text: string,
  reason: string,
  name: string,
  kind: FileKind,
): Promise<void> {
  const { findSyntaxProblem } = await import("./syntax.ts");
  const problem = findSyntaxProblem(text, reason);
  if (problem === undefined) return;
  const { place, message, other } = problem;
  const end = other === undefined
    ? ""
    : ` ${name}:${other.line}:${other.column}`;
  throw new RunnerError(
    `Cannot read ${kind.words} "${name}": it is not valid YAML\n${
      placedProblem(name, makeExcerpts(text), place, message + end)
    }`,
    { code: kind.code },
  );
}

/** Formats the path of a merge key, or of an item of its list, for a message. */
function formatMergeKey(path: readonly (string | number)[]): string {
  return path.slice(path.lastIndexOf("<<"))
    .map((key) => typeof key === "number" ? `[${key}]` : key).join("");
}

function describeNonFile(info: Deno.FileInfo): string {
  if (info.isDirectory) return "it is a directory, not a file";
  if (info.isFifo) return "it is a named pipe, not a file";
  return "it is a device or a socket, not a file";
}

function decodeFile(bytes: Uint8Array, name: string): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  const [first, second] = bytes;
  const isUtf16 = first === 0xff && second === 0xfe ||
    first === 0xfe && second === 0xff;
  throw new Error(
    isUtf16
      ? "it is UTF-16 text; save it as UTF-8"
      : `it is not UTF-8 text${describeInvalidByte(bytes, name)}`,
  );
}

/** Finds the first invalid byte by binary search. */
function describeInvalidByte(bytes: Uint8Array, name: string): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let [low, high] = [0, bytes.length];
  // If a prefix of the bytes is invalid, so is every longer one.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isValidStart(decoder, bytes.subarray(0, middle))) low = middle;
    else high = middle - 1;
  }
  // The last character may be incomplete.
  while (low > 0 && decodeUtf8(bytes.subarray(0, low)) === undefined) low--;
  const lines = new TextDecoder().decode(bytes.subarray(0, low)).split("\n");
  const byte = bytes[low]?.toString(16).toUpperCase().padStart(2, "0");
  return byte === undefined
    ? ""
    : `\n${name}:${lines.length}:${
      lines.at(-1)!.length + 1
    }: the byte 0x${byte} is not part of any UTF-8 character; save the file as UTF-8`;
}

function isValidStart(decoder: TextDecoder, bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  } finally {
    try {
      decoder.decode();
    } catch {
      // Resets the decoder after an incomplete character.
    }
  }
}

function createReadError(
  name: string,
  reason: string,
  { words, code }: FileKind,
): RunnerError {
  return new RunnerError(`Cannot read ${words} "${name}": ${reason}`, { code });
}

/** Key that merges other mappings into its own. */
const MERGE = "<<";

type Mapping = Record<string, unknown>;

/** Options for {@linkcode resolveMergeKeys}. */
export interface MergeKeysOptions {
  /** Counts a merged value; may throw. */
  count: () => void;
  /**
   * Called for each invalid merge key.
   *
   * @param path Keys and indexes from the document to the merge key.
   * @param problem What is wrong, phrased to follow the key.
   */
  report: (path: readonly (string | number)[], problem: string) => void;
}

/**
 * Resolves the merge keys (`<<`) of a parsed YAML document as PyYAML does: a
 * mapping, or a list of mappings, is merged into the mapping that contains the
 * key. Its own keys override merged ones, and earlier mappings of a list
 * override later ones.
 *
 * Values that aliases share stay shared, so the work is limited by the size of
 * the text and the number of merged keys.
 *
 * @param document Parsed document, which is not changed.
 * @returns Document without merge keys.
 */
export function resolveMergeKeys(
  document: unknown,
  options: MergeKeysOptions,
): unknown {
  const resolved = new Map<object, unknown>();
  /** Mappings whose merge keys are being resolved. */
  const open = new Set<object>();

  function resolve(
    value: unknown,
    path: readonly (string | number)[],
  ): unknown {
    if (typeof value !== "object" || value === null) return value;
    const known = resolved.get(value);
    if (known !== undefined) return known;
    const result: unknown[] | Mapping = Array.isArray(value) ? [] : {};
    // Must precede its members, since an alias may lead back here.
    resolved.set(value, result);
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        (result as unknown[]).push(resolve(item, [...path, at]));
      }
      return result;
    }
    open.add(value);
    if (Object.hasOwn(value, MERGE)) {
      merge(result as Mapping, (value as Mapping)[MERGE], [...path, MERGE]);
    }
    open.delete(value);
    for (const [key, member] of Object.entries(value)) {
      if (key !== MERGE) define(result, key, resolve(member, [...path, key]));
    }
    return result;
  }

  function merge(
    target: Mapping,
    source: unknown,
    path: readonly (string | number)[],
  ): void {
    const mappings = Array.isArray(source) ? source : [source];
    // In reverse order, so that earlier mappings override later ones.
    for (const [at, mapping] of [...mappings.entries()].reverse()) {
      const place = Array.isArray(source) ? [...path, at] : path;
      if (
        typeof mapping !== "object" || mapping === null ||
        Array.isArray(mapping)
      ) {
        options.report(place, "must be a mapping or a list of mappings");
      } else if (open.has(mapping)) {
        options.report(place, "must not merge a mapping into itself");
      } else {
        const resolvedMapping = resolve(mapping, place) as Mapping;
        for (const [key, member] of Object.entries(resolvedMapping)) {
          options.count();
          define(target, key, member);
        }
      }
    }
  }

  return resolve(document, []);
}

/** Defines an own property, so that `__proto__` is a key like any other. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** Maximum depth of a document that is read here. */
const MAX_DEPTH = 64;

/** Maximum length of a key; YAML allows no keys of more than 1,024 characters. */
const MAX_KEY_LENGTH = 500;

const SPACE = /[ \t\n\r]*/y;

/** A colon after a key; YAML requires it on the same line. */
const COLON = / *:/y;

/**
 * A string that YAML and JSON read alike: without some control characters, line
 * separators, escaped slashes and escaped surrogates.
 */
const STRING =
  /"(?:[^"\\\p{Cc}\u2028\u2029\ufeff\ufffe\uffff]|\\(?:["\\bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*"/uy;

/** A number without an exponent that keeps all of its digits when parsed. */
const NUMBER = /(?:0|-?[1-9]\d{0,14})(?:\.\d{1,10})?(?![\w.+-])/y;

const WORD = /(?:true|false|null)(?![\w.+-])/y;

/** The two forms of a document, as `DocumentNode` expects them. */
export interface JsonDocument {
  /** The value, in which all scalars are strings, as they are written. */
  readonly written: unknown;
  /** The value. */
  readonly parsed: unknown;
}

/** Thrown if the text is not JSON, or if YAML might read it differently. */
class NotPlainJsonError extends Error {}

/**
 * Reads a JSON object or list that YAML reads in the same way.
 *
 * @returns `undefined` if the text is not JSON, has a key twice, or YAML might
 * read it differently.
 */
export function scanJson(text: string): JsonDocument | undefined {
  if (!/^[ \t\n\r]*[[{]/.test(text) || !text.isWellFormed()) return undefined;
  try {
    return new JsonScanner(text).document();
  } catch (error) {
    if (error instanceof NotPlainJsonError) return undefined;
    throw error;
  }
}

class JsonScanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonDocument {
    const value = this.#value();
    if (this.#at === this.#text.length) return value;
    throw new NotPlainJsonError();
  }

  /** Reads a value and the space around it. */
  #value(): JsonDocument {
    this.#take(SPACE);
    const value = this.#bareValue();
    this.#take(SPACE);
    return value;
  }

  #bareValue(): JsonDocument {
    const next = this.#text[this.#at];
    if (next === '"') {
      const text = this.#string();
      return { written: text, parsed: text };
    }
    if (next === "{" || next === "[") {
      if (++this.#depth > MAX_DEPTH) throw new NotPlainJsonError();
      this.#at++;
      const value = next === "{" ? this.#mapping() : this.#list();
      this.#depth--;
      return value;
    }
    const written = this.#find(NUMBER) ?? this.#find(WORD);
    if (written === undefined) throw new NotPlainJsonError();
    return { written, parsed: JSON.parse(written) };
  }

  #mapping(): JsonDocument {
    const written: Record<string, unknown> = {};
    const parsed: Record<string, unknown> = {};
    this.#take(SPACE);
    if (this.#skip("}")) return { written, parsed };
    do {
      this.#take(SPACE);
      const key = this.#string();
      const isPlain = key !== "__proto__" && key !== "<<" &&
        key.length <= MAX_KEY_LENGTH && !Object.hasOwn(written, key);
      if (!isPlain) throw new NotPlainJsonError();
      this.#take(COLON);
      const value = this.#value();
      written[key] = value.written;
      parsed[key] = value.parsed;
    } while (this.#skip(","));
    if (this.#skip("}")) return { written, parsed };
    throw new NotPlainJsonError();
  }

  #list(): JsonDocument {
    const written: unknown[] = [];
    const parsed: unknown[] = [];
    this.#take(SPACE);
    if (this.#skip("]")) return { written, parsed };
    do {
      const value = this.#value();
      written.push(value.written);
      parsed.push(value.parsed);
    } while (this.#skip(","));
    if (this.#skip("]")) return { written, parsed };
    throw new NotPlainJsonError();
  }

  #string(): string {
    const text = this.#take(STRING);
    return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
  }

  #take(pattern: RegExp): string {
    const found = this.#find(pattern);
    if (found === undefined) throw new NotPlainJsonError();
    return found;
  }

  #find(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skip(character: string): boolean {
    const isThere = this.#text[this.#at] === character;
    if (isThere) this.#at++;
    return isThere;
  }
}
