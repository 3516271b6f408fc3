import { readGrantValues } from "../../config/plugin_grants.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { normalizePath } from "../../job_path.ts";
import { suggest } from "../../suggest.ts";
import { parseRight } from "./manifest.ts";
import {
  type PluginPermissions,
  RIGHT_KINDS,
  type RightKind,
} from "./rights.ts";

const LINE = /^([^:\s]+):([^=]*)=(.*)$/s;

/** Name that stands for every plugin of the trusted CI source. */
export const ALL_OF_CI_SOURCE = "ci/*";

/**
 * Gets what a plugin is granted.
 *
 * @param plugin Name under which rights are granted to the plugin.
 * @param isOfCiSource Whether it is a plugin of the trusted CI source.
 */
export type GrantsOf = (
  plugin: string,
  isOfCiSource?: boolean,
) => PluginPermissions;

/** What every plugin is granted that asks for it. */
const DEFAULT: PluginPermissions = { read: ["$JOB_DIR", "$PLUGIN_DIR"] };

/**
 * Reads what an operator grants to plugins: lines `NAME:KIND=VALUE,VALUE`, or
 * `NAME:KIND=["VALUE"]` for values that contain commas.
 *
 * Lines add up; the name `*` stands for every plugin, and `ci/*` for every
 * plugin of the trusted CI source.
 *
 * @param lines Lines; empty ones do not count.
 * @returns The rights that the plugin of a name is granted, and that of
 * the CI source.
 * @throws {RunnerError} `invalid-config`, if a line or a value is invalid.
 */
export function readGrants(
  lines: readonly string[],
): GrantsOf {
  const grants = lines.map((line) => line.trim()).filter(Boolean).map(readLine);
  return (plugin, isOfCiSource = false) => {
    const rights: Record<string, readonly string[]> = { ...DEFAULT };
    for (const { name, kind, values } of grants) {
      const isMeant = name === plugin || name === "*" ||
        isOfCiSource && name === ALL_OF_CI_SOURCE;
      if (!isMeant) continue;
      rights[kind] = [...rights[kind] ?? [], ...values];
    }
    return rights;
  };
}

function readLine(
  line: string,
): { name: string; kind: string; values: string[] } {
  const [, name, kind, list] = LINE.exec(line) ?? [];
  if (name === undefined) {
    throw wrong(line, "it does not have the form NAME:KIND=VALUE,VALUE");
  }
  const kinds: readonly string[] = RIGHT_KINDS;
  if (!kinds.includes(kind)) {
    const near = suggest(kind, kinds);
    const hint = near === undefined ? "" : `, did you mean "${near}"`;
    throw wrong(line, `"${kind}" is no permission${hint}`);
  }
  try {
    const values = readGrantValues(list)
      .map((value) => parseRight(kind as RightKind, value));
    return { name, kind, values };
  } catch (error) {
    throw wrong(line, messageOf(error));
  }
}

function wrong(line: string, state: string): RunnerError {
  return new RunnerError(`Cannot use plugin permission "${line}": ${state}`, {
    code: "invalid-config",
  });
}

/** Directories by the names that stand for them in rights: `JOB_DIR` and so on. */
export type RightsDirectories = Readonly<Record<string, string>>;

/**
 * Puts real directories in the place of `$JOB_DIR` and the like.
 *
 * @param rights Rights as somebody wrote them.
 * @param directories Directories by name.
 * @returns The same rights with absolute paths.
 * @throws {TypeError} If a path cannot be used.
 */
export function expandPaths(
  rights: PluginPermissions,
  directories: RightsDirectories,
): PluginPermissions {
  const { read = [], write = [] } = rights;
  const expand = (path: string) => expandPath(path, directories);
  return { ...rights, read: read.map(expand), write: write.map(expand) };
}

function expandPath(path: string, directories: RightsDirectories): string {
  if (path === "*") return path;
  const expanded = path.replace(/^\$(\w+)(?=\/|$)/, (whole, name) => {
    return Object.hasOwn(directories, name) ? directories[name] : whole;
  });
  const problem = !expanded.startsWith("/")
    ? `it begins neither with "/" nor with ${
      Object.keys(directories).map((name) => `$${name}`).join(", ")
    }`
    // Deno takes it for the end of the path, and has no way to write it.
    : expanded.includes(",")
    ? "it holds a comma"
    : undefined;
  if (problem === undefined) return normalizePath(expanded);
  throw new TypeError(`the path "${path}" cannot be permitted: ${problem}`);
}
