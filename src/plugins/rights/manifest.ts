import { messageOf } from "../../errors.ts";
import { suggest } from "../../suggest.ts";
import { parseLiteral } from "./literal.ts";
import { parseRight } from "./right_value.ts";
import {
  type PluginPermissions,
  RIGHT_KINDS,
  type RightKind,
} from "./rights.ts";

/** What a plugin file says of itself before it runs: `export const manifest`. */
export interface PluginManifest {
  /**
   * What the plugin needs; it gets what it is granted, too.
   *
   * @default {nothing}
   */
  readonly permissions?: PluginPermissions;
}

const DECLARATION = /^export\s+const\s+manifest\b/m;

const ASSIGNMENT = /^export\s+const\s+manifest\b[^={]*=\s*(?=\{)/m;

/**
 * Reads the manifest in the text of a plugin file, which does not run.
 *
 * The manifest has to be written out in the file, since whatever had to run to
 * find it would run without anybody knowing its rights.
 *
 * @param source Text of the file.
 * @returns What the plugin asks for; nothing if there is no manifest.
 * @throws {TypeError} If the manifest is wrong, or not written out.
 */
export function readManifest(source: string): PluginPermissions {
  const match = ASSIGNMENT.exec(source);
  if (match !== null) {
    return checkManifest(parseLiteral(source, match.index + match[0].length));
  }
  if (!DECLARATION.test(source)) return {};
  throw new TypeError("its manifest is not an object that is written out");
}

/**
 * Validates a manifest.
 *
 * @param manifest A value from a plugin; `undefined` asks for nothing.
 * @returns What the plugin asks for, in canonical form.
 * @throws {TypeError} If it is not a manifest.
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
  const kinds: readonly string[] = RIGHT_KINDS;
  const checked: Partial<Record<RightKind, string[]>> = {};
  for (const [kind, values] of Object.entries(permissions)) {
    if (!kinds.includes(kind)) {
      const near = suggest(kind, kinds);
      throw new TypeError(
        `its manifest asks for "${kind}", which is no permission` +
          (near === undefined ? "" : `, did you mean "${near}"`),
      );
    }
    const isList = Array.isArray(values) &&
      values.every((value) => typeof value === "string" && value !== "");
    if (!isList) {
      throw new TypeError(
        `the permission "${kind}" in its manifest is not a list of texts`,
      );
    }
    checked[kind as RightKind] = values.map((value) =>
      parseManifestValue(kind as RightKind, value)
    );
  }
  return checked;
}

function parseManifestValue(kind: RightKind, value: string): string {
  try {
    return parseRight(kind, value);
  } catch (cause) {
    throw new TypeError(
      `in the permission "${kind}" of its manifest, ${messageOf(cause)}`,
      { cause },
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
