import { readGrantValues } from "../../config/text_values.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { normalizePath } from "../../job_path.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import { parsePermission } from "./plugin_manifest.ts";
import {
  PERMISSION_KINDS,
  type PermissionKind,
  type PluginPermissions,
} from "./plugin_permissions.ts";

const LINE = /^([^:\s]+):([^=]*)=(.*)$/s;

/** Name that matches every plugin of the trusted CI source. */
export const ALL_OF_CI_SOURCE = "ci/*";

/**
 * Returns the permissions that a plugin is granted.
 *
 * @param plugin Name under which the plugin is granted permissions.
 * @param isOfCiSource Whether the plugin belongs to the trusted CI source.
 */
export type GrantsOf = (
  plugin: string,
  isOfCiSource?: boolean,
) => PluginPermissions;

/** Permissions that every plugin is granted. */
const DEFAULT: PluginPermissions = { read: ["$JOB_DIR", "$PLUGIN_DIR"] };

/**
 * Parses the permissions that an operator grants to plugins: lines
 * `NAME:KIND=VALUE,VALUE`, or `NAME:KIND=["VALUE"]` for values with commas.
 *
 * Lines are cumulative. The name `*` matches every plugin, and `ci/*` every
 * plugin of the trusted CI source.
 *
 * @param lines Lines; empty ones are ignored.
 * @returns Function that returns the permissions of a plugin.
 * @throws {RunnerError} `invalid-config` if a line or a value is invalid.
 */
export function readGrants(
  lines: readonly string[],
): GrantsOf {
  const grants = lines.map((line) => line.trim()).filter(Boolean).map(readLine);
  return (plugin, isOfCiSource = false) => {
    const permissions: Record<string, readonly string[]> = { ...DEFAULT };
    for (const { name, kind, values } of grants) {
      const isMatching = name === plugin || name === "*" ||
        isOfCiSource && name === ALL_OF_CI_SOURCE;
      if (!isMatching) continue;
      permissions[kind] = [...permissions[kind] ?? [], ...values];
    }
    return permissions;
  };
}

function readLine(
  line: string,
): { name: string; kind: string; values: string[] } {
  const [, name, kind, list] = LINE.exec(line) ?? [];
  if (name === undefined) {
    throw grantError(line, "it does not have the form NAME:KIND=VALUE,VALUE");
  }
  const kinds: readonly string[] = PERMISSION_KINDS;
  if (!kinds.includes(kind)) {
    const near = suggest(kind, kinds);
    throw grantError(line, `"${kind}" is not a permission${didYouMean(near)}`);
  }
  try {
    const values = readGrantValues(list)
      .map((value) => parsePermission(kind as PermissionKind, value));
    return { name, kind, values };
  } catch (error) {
    throw grantError(line, messageOf(error));
  }
}

function grantError(line: string, state: string): RunnerError {
  return new RunnerError(`Cannot use plugin permission "${line}": ${state}`, {
    code: "invalid-config",
  });
}

/** Directories by their names in permissions: `JOB_DIR` and so on. */
export type PermissionDirectories = Readonly<Record<string, string>>;

/**
 * Replaces variables such as `$JOB_DIR` with directories.
 *
 * @param permissions Permissions as written in a manifest or a grant.
 * @param directories Directories by name.
 * @returns The same permissions with absolute paths.
 * @throws {TypeError} If a path cannot be permitted.
 */
export function expandPaths(
  permissions: PluginPermissions,
  directories: PermissionDirectories,
): PluginPermissions {
  const { read = [], write = [] } = permissions;
  const expand = (path: string) => expandPath(path, directories);
  return { ...permissions, read: read.map(expand), write: write.map(expand) };
}

function expandPath(path: string, directories: PermissionDirectories): string {
  if (path === "*") return path;
  const expanded = path.replace(/^\$(\w+)(?=\/|$)/, (whole, name) => {
    return Object.hasOwn(directories, name) ? directories[name] : whole;
  });
  const problem = !expanded.startsWith("/")
    ? `it begins neither with "/" nor with ${
      Object.keys(directories).map((name) => `$${name}`).join(", ")
    }`
    // Deno splits lists at commas, and commas cannot be escaped.
    : expanded.includes(",")
    ? "it contains a comma"
    : undefined;
  if (problem === undefined) return normalizePath(expanded);
  throw new TypeError(`the path "${path}" cannot be permitted: ${problem}`);
}
