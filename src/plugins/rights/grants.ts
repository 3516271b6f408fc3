import { readGrantValues } from "../../config/plugin_grants.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { suggest } from "../../suggest.ts";
import { parseRight } from "./right_value.ts";
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
 * @returns Gives the rights that the plugin of a name is granted, and that of
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
