import { RunnerError } from "../../errors.ts";
import { listText } from "../list.ts";
import { grantLines, type PluginGrants } from "../plugin_grants.ts";
import { list, listOrOne, record } from "./collections.ts";
import { byShape, type Kind, mapped } from "./kind.ts";
import { mapping } from "./mapping.ts";
import { FILLED_TEXT, text } from "./scalars.ts";

/** A plugin at an address, as a job file describes it. */
interface PluginEntry {
  readonly url: string;
  readonly integrity: string;
}

const filled = text({ rule: FILLED_TEXT });

const entry = mapping<PluginEntry>("Plugin", {
  url: {
    key: "url",
    kind: filled,
    description: "Address: https:, or npm: or jsr: with an exact version.",
    isRequired: true,
  },
  integrity: {
    key: "integrity",
    kind: filled,
    description: "Hash, such as sha256-BASE64; sha512 for npm:.",
    isRequired: true,
  },
});

/** Kind of the plugins at addresses; gives lines `URL#HASH`. */
export const pluginList: Kind<readonly string[]> = byShape<readonly string[]>(
  "be a text or a list of plugins",
  {
    scalar: mapped(text(), (value) => [value]),
    list: list(byShape<string>("be a text or a mapping of keys", {
      scalar: filled,
      mapping: mapped(entry, ({ url, integrity }) => `${url}#${integrity}`),
    })),
  },
);

const permissions = record(
  listOrOne("be a text or a list of texts", filled),
  "map kinds of permissions to lists",
  { keys: { pattern: /^[a-z]+$/, words: "a kind of permission" } },
);

/** Kind of what a pipeline is granted; gives lines `KIND=VALUES`. */
export const pipelinePermissions: Kind<readonly string[]> = mapped(
  permissions,
  (kinds) =>
    Object.entries(kinds).map(([kind, values]) =>
      `${kind}=${listText(values)}`
    ),
);

/** Kind of what plugins are granted; gives lines `NAME:KIND=VALUES`. */
export const pluginPermissions: Kind<readonly string[]> = byShape<
  readonly string[]
>("be a text or map plugins to permissions", {
  scalar: mapped(text(), (value) => [value]),
  mapping: mapped(
    record(
      permissions,
      "map plugins to permissions",
      { keys: { pattern: /^[^:\s]+$/, words: "the name of a plugin" } },
    ),
    linesOf,
  ),
});

/** A name or kind that cannot be one is a problem of its own by then. */
function linesOf(grants: PluginGrants): readonly string[] {
  try {
    return grantLines(grants);
  } catch (error) {
    if (error instanceof RunnerError) return [];
    throw error;
  }
}
