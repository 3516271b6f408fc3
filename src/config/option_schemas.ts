/**
 * Schemas of the values of options in files, by the type of the option.
 *
 * @module
 */

import { RunnerError } from "../errors.ts";
import type { OptionType } from "../options/option.ts";
import { SOURCE_TYPE } from "../options/source_options.ts";
import {
  dictionary,
  list,
  listOrOne,
  variables,
} from "../schema/collections.ts";
import {
  byShape,
  mapped,
  mapping,
  type Schema,
} from "../schema/combinators.ts";
import {
  choice,
  duration,
  filledText,
  flag,
  integer,
  positiveDuration,
  text,
} from "../schema/scalars.ts";
import { inheritance } from "./step_config.ts";
import { shell } from "./step_keys.ts";
import { grantLines, listText, type PluginGrants } from "./text_values.ts";

/** A plugin URL in a job file. */
interface PluginEntry {
  readonly url: string;
  readonly integrity: string;
}

const entry = mapping<PluginEntry>("Plugin", {
  url: {
    key: "url",
    schema: filledText,
    description: "Address: https:, or npm: or jsr: with an exact version.",
    isRequired: true,
  },
  integrity: {
    key: "integrity",
    schema: filledText,
    description: "Hash, such as sha256-BASE64; sha512 for npm:.",
    isRequired: true,
  },
});

/** Schema of plugin URLs, parsed to `URL#HASH` lines. */
const pluginList: Schema<readonly string[]> = byShape<readonly string[]>(
  "be a string or a list of plugins",
  {
    scalar: mapped(text(), (value) => [value]),
    list: list(byShape<string>("be a string or a mapping of keys", {
      scalar: filledText,
      mapping: mapped(entry, ({ url, integrity }) => `${url}#${integrity}`),
    })),
  },
);

const permissions = dictionary(
  listOrOne("be a string or a list of strings", filledText),
  "map kinds of permissions to lists",
  { keys: { pattern: /^[a-z]+$/, words: "a kind of permission" } },
);

/** Schema of permissions of a pipeline, parsed to `KIND=VALUES` lines. */
const pipelinePermissions: Schema<readonly string[]> = mapped(
  permissions,
  (kinds) =>
    Object.entries(kinds).map(([kind, values]) =>
      `${kind}=${listText(values)}`
    ),
);

/** Schema of permissions of plugins, parsed to `NAME:KIND=VALUES` lines. */
const pluginPermissions: Schema<readonly string[]> = byShape<
  readonly string[]
>("be a string or map plugins to permissions", {
  scalar: mapped(text(), (value) => [value]),
  mapping: mapped(
    dictionary(
      permissions,
      "map plugins to permissions",
      { keys: { pattern: /^[^:\s]+$/, words: "the name of a plugin" } },
    ),
    formatGrants,
  ),
});

/** Formats grants; an invalid name or kind has already been reported. */
function formatGrants(grants: PluginGrants): readonly string[] {
  try {
    return grantLines(grants);
  } catch (error) {
    if (error instanceof RunnerError) return [];
    throw error;
  }
}

/** Option types whose values are lines. */
export const LINES: readonly OptionType[] = [
  "plugins",
  "pluginPermissions",
  "pipelinePermissions",
];

/** Schemas by option type. */
const SCHEMAS: Readonly<Record<OptionType & string, Schema<unknown>>> = {
  text: text(),
  command: text(),
  shell,
  jobDirectory: text(),
  jobFile: text(),
  boolean: flag,
  duration,
  timeLimit: positiveDuration,
  list: byShape<unknown>("be a string or a list of names", {
    scalar: text(),
    list: list(text()),
  }),
  variables: {
    ...byShape<unknown>("map names to values", {
      scalar: text(),
      mapping: variables,
    }),
    nullValue: {},
  },
  secretValues: text(),
  secretProviders: text(),
  inheritance,
  plugins: pluginList,
  pluginPermissions,
  pipelinePermissions,
  // Code may register types that are unknown here.
  sourceType: text({
    rule: { pattern: SOURCE_TYPE, words: "be a source type" },
    allowsNumbers: false,
  }),
};

/** Returns the schema of the values of an option in a file. */
export function selectSchema(type: OptionType): Schema<unknown> {
  if (typeof type === "string") return SCHEMAS[type];
  return "choices" in type
    ? choice(type.choices)
    : integer(type.minimum, type.maximum);
}
