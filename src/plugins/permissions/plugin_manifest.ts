import { messageOf } from "../../errors.ts";
import { isObject } from "../../json_value.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import {
  PERMISSION_KINDS,
  type PermissionKind,
  type PluginPermissions,
} from "./plugin_permissions.ts";

/** Static description of a plugin file: its `export const manifest`. */
export interface PluginManifest {
  /**
   * Permissions that the plugin requests. It gets only those that are granted.
   *
   * @default {none}
   */
  readonly permissions?: PluginPermissions;
}

const DECLARATION = /^export\s+const\s+manifest\b/m;

const ASSIGNMENT = /^export\s+const\s+manifest\b[^={]*=\s*(?=\{)/m;

/**
 * Reads the manifest of a plugin file without running the file.
 *
 * The manifest must be a literal: code that computes it would have to run
 * before its permissions are known.
 *
 * @param source Text of the file.
 * @returns Requested permissions; empty without a manifest.
 * @throws {TypeError} If the manifest is invalid or not a literal.
 */
export function readManifest(source: string): PluginPermissions {
  const match = ASSIGNMENT.exec(source);
  if (match !== null) {
    return checkManifest(parseLiteral(source, match.index + match[0].length));
  }
  if (!DECLARATION.test(source)) return {};
  throw new TypeError("its manifest is not an object literal");
}

/**
 * Validates a manifest.
 *
 * @param manifest Value from a plugin; `undefined` requests no permissions.
 * @returns Requested permissions, in canonical form.
 * @throws {TypeError} If the manifest is invalid.
 */
export function checkManifest(manifest: unknown): PluginPermissions {
  if (manifest === undefined) return {};
  if (!isObject(manifest)) throw new TypeError("its manifest is not an object");
  const unknown = Object.keys(manifest).find((key) => key !== "permissions");
  if (unknown !== undefined) {
    throw new TypeError(
      `its manifest has "${unknown}", where only permissions are expected`,
    );
  }
  return checkPermissions(manifest.permissions ?? {});
}

function checkPermissions(permissions: unknown): PluginPermissions {
  if (!isObject(permissions)) {
    throw new TypeError("the permissions in its manifest are not an object");
  }
  const kinds: readonly string[] = PERMISSION_KINDS;
  const checked: Partial<Record<PermissionKind, string[]>> = {};
  for (const [kind, values] of Object.entries(permissions)) {
    if (!kinds.includes(kind)) {
      const near = suggest(kind, kinds);
      throw new TypeError(
        `its manifest requests "${kind}", which is not a permission` +
          didYouMean(near),
      );
    }
    const isList = Array.isArray(values) &&
      values.every((value) => typeof value === "string" && value !== "");
    if (!isList) {
      throw new TypeError(
        `the permission "${kind}" in its manifest is not a list of strings`,
      );
    }
    checked[kind as PermissionKind] = values.map((value) =>
      parseManifestValue(kind as PermissionKind, value)
    );
  }
  return checked;
}

function parseManifestValue(kind: PermissionKind, value: string): string {
  try {
    return parsePermission(kind, value);
  } catch (cause) {
    throw new TypeError(
      `in the permission "${kind}" of its manifest, ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** Parses values of one kind. */
type Parse = (value: string) => string;

const PARSERS: Readonly<Record<PermissionKind, Parse>> = {
  read: parsePath,
  write: parsePath,
  net: (value) => parseSocketAddress(value) ?? parseHost(value, "net"),
  env: matchPattern(
    /^[^\s,=*\p{Cc}]+\*?$/u,
    "it must be the name of a variable, or the beginning of names and *",
  ),
  run: matchPattern(
    /^[^,\p{Cc}]*[^,\s\p{Cc}][^,\p{Cc}]*$/u,
    "it must be the name or path of a program, without commas",
  ),
  sys: matchPattern(/^[A-Za-z]+$/, "it must be a name such as hostname"),
  import: (value) => value === "npm" ? value : parseHost(value, "import"),
  config: matchPattern(
    /^[a-z][a-z0-9_]*\*?$/,
    "it must be the name of a setting, or the beginning of names and *",
  ),
  steps: matchPattern(/^[^\p{Cc}]+$/u, "it contains control characters"),
};

/**
 * Parses one value of a permission according to its kind. The result is what
 * Deno receives, and never more than one value.
 *
 * @param kind Kind of the permission.
 * @param value The value; `*` means all of a kind.
 * @returns Its canonical form.
 * @throws {TypeError} If the value is invalid for this kind.
 */
export function parsePermission(kind: PermissionKind, value: string): string {
  if (value === "*") return value;
  return PARSERS[kind](value);
}

function matchPattern(pattern: RegExp, rule: string): Parse {
  return (value) => {
    if (pattern.test(value)) return value;
    throw valueError(value, rule);
  };
}

/** Parses a path. It may be relative here: variables such as `$JOB_DIR` are replaced later. */
function parsePath(value: string): string {
  if (value === "") throw valueError(value, "it is empty");
  if (value.includes("\0")) {
    throw valueError(value, "it contains a NUL character");
  }
  // Deno splits lists of paths at commas, and commas cannot be escaped.
  if (value.includes(",")) throw valueError(value, "it contains a comma");
  return value;
}

function parseSocketAddress(value: string): string | undefined {
  const isAddress = /^unix:\/[^,\0]+$/.test(value) ||
    /^vsock:\d+:\d+$/.test(value);
  return isAddress ? value : undefined;
}

const HOST =
  /^(?<wildcard>\*\.)?(?<name>\[[\da-f:.]+\]|[\da-z_](?:[\w.-]*[\da-z_])?)\.?(?<prefix>\/\d{1,3})?(?<port>:\d{1,5})?$/i;

/** Parses a host with or without a port or, for `net`, an address range. */
function parseHost(value: string, kind: "net" | "import"): string {
  const rule = "it must be HOST, *.HOST, or either with :PORT";
  const { wildcard = "", name, prefix = "", port = "" } =
    HOST.exec(value)?.groups ?? {};
  if (name === undefined) throw valueError(value, rule);
  const isRange = prefix !== "";
  const hostname = URL.parse(`http://${name}/`)?.hostname;
  const isAddress = hostname !== undefined && /^\[|^[\d.]+$/.test(hostname);
  if (
    hostname === undefined || name.includes("..") ||
    // A non-canonical spelling of an address is not accepted.
    isAddress && hostname !== name.toLowerCase() && !name.startsWith("[") ||
    isAddress && wildcard !== "" ||
    isRange && (kind !== "net" || !isAddress || port !== "") ||
    Number(prefix.slice(1)) > (name.startsWith("[") ? 128 : 32) ||
    Number(port.slice(1)) > 65_535
  ) {
    throw valueError(value, rule);
  }
  return `${wildcard}${hostname}${prefix}${
    port === "" ? "" : `:${Number(port.slice(1))}`
  }`;
}

function valueError(value: string, rule: string): TypeError {
  return new TypeError(`${JSON.stringify(value)} cannot be permitted: ${rule}`);
}

/** Whitespace and comments between tokens. */
const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

const TOKEN =
  /"(?:[^"\\\n]|\\["'\\])*"|'(?:[^'\\\n]|\\["'\\])*'|[A-Za-z_$][\w$]*|-?\d+(?:\.\d+)?|[[\]{}:,]/y;

const WORDS: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
};

/**
 * Parses an object or array literal in source code without running the code. It
 * may contain strings, numbers, `true`, `false`, `null` and comments.
 *
 * @param source Source code.
 * @param start Offset of the literal.
 * @returns The value.
 * @throws {TypeError} If the literal contains anything else.
 */
function parseLiteral(source: string, start: number): unknown {
  let at = start;

  function next(): string {
    SPACE.lastIndex = at;
    TOKEN.lastIndex = at + SPACE.exec(source)![0].length;
    const token = TOKEN.exec(source)?.[0];
    if (token === undefined) throw new TypeError("it is not a literal");
    at = TOKEN.lastIndex;
    return token;
  }

  function peek(): string {
    const before = at;
    const token = next();
    at = before;
    return token;
  }

  function expect(expected: string): void {
    const token = next();
    if (token !== expected) {
      throw new TypeError(`it has ${token} instead of ${expected}`);
    }
  }

  /** Calls `read` for each member up to the closing bracket. */
  function readMembers(close: string, read: () => void): void {
    while (peek() !== close) {
      read();
      if (peek() !== close) expect(",");
    }
    next();
  }

  function readValue(): unknown {
    const token = next();
    if (token === "[") {
      const list: unknown[] = [];
      readMembers("]", () => list.push(readValue()));
      return list;
    }
    if (token === "{") {
      const object: Record<string, unknown> = Object.create(null);
      readMembers("}", () => {
        const key = next();
        expect(":");
        object[parseString(key) ?? key] = readValue();
      });
      return object;
    }
    if (Object.hasOwn(WORDS, token)) return WORDS[token];
    const text = parseString(token);
    if (text !== undefined) return text;
    if (/^[-\d]/.test(token)) return Number(token);
    throw new TypeError(
      `it has ${token}, which is not a literal; the manifest must be static`,
    );
  }

  return readValue();
}

function parseString(token: string): string | undefined {
  return /^["']/.test(token)
    ? token.slice(1, -1).replace(/\\(.)/g, "$1")
    : undefined;
}
