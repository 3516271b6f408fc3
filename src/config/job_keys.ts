import { RunnerError } from "../errors.ts";
import type { Option, OptionType } from "../options/option.ts";
import {
  describeOption,
  OPTION_GROUPS,
  type OptionName,
  OPTIONS,
} from "../options/options.ts";
import { SOURCE_TYPE } from "../options/source_options.ts";
import { list, listOrOne, record, variables } from "../schema/collections.ts";
import {
  choice,
  duration,
  FILLED_TEXT,
  flag,
  integer,
  text,
  yamlFlag,
} from "../schema/scalars.ts";
import {
  anything,
  byShape,
  type JsonSchema,
  keySchema,
  mapped,
  mapping,
  saying,
  type Schema,
} from "../schema/schema.ts";
import { grantLines, type PluginGrants } from "./plugin_grants.ts";
import { inheritance, stepDefinitions, steps } from "./step_keys.ts";
import { listText } from "./text_values.ts";

/** A plugin at an address, as a job file describes it. */
interface PluginEntry {
  readonly url: string;
  readonly integrity: string;
}

const filled = text({ rule: FILLED_TEXT });

const entry = mapping<PluginEntry>("Plugin", {
  url: {
    key: "url",
    schema: filled,
    description: "Address: https:, or npm: or jsr: with an exact version.",
    isRequired: true,
  },
  integrity: {
    key: "integrity",
    schema: filled,
    description: "Hash, such as sha256-BASE64; sha512 for npm:.",
    isRequired: true,
  },
});

/** Schema of the plugins at addresses; parses to lines `URL#HASH`. */
export const pluginList: Schema<readonly string[]> = byShape<readonly string[]>(
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

/** Schema of what a pipeline is granted; parses to lines `KIND=VALUES`. */
export const pipelinePermissions: Schema<readonly string[]> = mapped(
  permissions,
  (kinds) =>
    Object.entries(kinds).map(([kind, values]) =>
      `${kind}=${listText(values)}`
    ),
);

/** Schema of what plugins are granted; parses to lines `NAME:KIND=VALUES`. */
export const pluginPermissions: Schema<readonly string[]> = byShape<
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

/** A key of a job file. */
export interface JobFileKey {
  /** What the key means, for an editor. */
  readonly description: string;
  /** What its value may be. */
  readonly schema: Schema<unknown>;
  /** Option that it sets, the steps of the job, or another property of the file. */
  readonly means?: OptionName | "steps" | "commandPrefix" | "disableRunLocal";
  /** Whether the value is parsed to lines, which the configuration holds. */
  readonly areLines?: boolean;
  /** Keys below this one. */
  readonly keys?: JobFileKeys;
  /** Default, for an editor. */
  readonly defaultValue?: unknown;
}

/** Keys of a job file, or of a part of one, by their names. */
export type JobFileKeys = ReadonlyMap<string, JobFileKey>;

/** Types whose values are lines. */
const LINES: readonly OptionType[] = [
  "plugins",
  "pluginPermissions",
  "pipelinePermissions",
];

/** Keys that only a worker or a coordinator reads; the runner leaves them alone. */
const FOREIGN = {
  capabilities: "Capabilities that the worker must have, such as docker.",
  image_pull_secrets: "Secrets for pulling the image.",
  cpu_limit: "CPU limit of the container.",
  memory_limit: "Memory limit of the container.",
  run_as: "User of the container.",
  run_local: "How the job runs on a developer's machine.",
  characteristics: "Characteristics that the worker must have.",
  worker_class: "Class of workers that run the job.",
  resources: "Resources of the container.",
  priority: "Priority in the queue.",
  raw_command: "Whether the worker runs the command without the runner.",
  depends_on: "Jobs that must end before this one starts.",
  needs: "Same as depends_on.",
  condition:
    "Condition for running the job, checked when its dependencies have ended.",
  for_each: "Runs the job once for each value.",
  item_var: "Variable that holds the value of for_each.",
  secrets: "Ignored: use ${secret:PATH:KEY} in variables, or --secrets-file.",
};

const STEPS: JobFileKey = {
  description: "Steps of the job: a list, or a mapping of names to steps.",
  schema: steps,
  means: "steps",
};

/** Schemas by type. */
const SCHEMAS: Readonly<Record<OptionType & string, Schema<unknown>>> = {
  text: text(),
  command: text(),
  jobDirectory: text(),
  jobFile: text(),
  boolean: flag,
  duration,
  list: byShape<unknown>("be a text or a list of names", {
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
  inheritance,
  plugins: pluginList,
  pluginPermissions,
  pipelinePermissions,
  // Code may register types, of which a file alone knows nothing.
  sourceType: text({
    rule: { pattern: SOURCE_TYPE, words: "be a type of sources" },
    areNumbersTexts: false,
  }),
};

/** How code is checked out; it may stand in the job as well. */
const CHECKOUT: Entry = group(
  "checkout",
  `${OPTION_GROUPS.checkout}.`,
  optionKeys("checkout"),
);

const SOURCE: Entry = group("source", "Source of the code.", [
  ...optionKeys("source"),
  ...foreign({ path: "Directory of the code on a developer's machine." }),
]);

/** Keys that no option has. */
const OWN: Entry[] = [
  ["command_prefix", {
    description:
      "Shell of the command, such as bash -c, unless the command names its own.",
    schema: text(),
    means: "commandPrefix",
  }],
  ["disable_run_local", {
    description: "Whether to skip the job on a developer's machine.",
    schema: yamlFlag,
    means: "disableRunLocal",
  }],
];

/** Every key of a job file. */
export const JOB_FILE_KEYS: JobFileKeys = new Map([
  ...foreign({
    name: "Name of the job.",
    description: "Description of the job.",
    triggers: "Events and branches that start the job.",
    paths: "Changed files that start the job.",
  }),
  ...optionKeys(),
  ["steps", STEPS],
  group("source", `${OPTION_GROUPS.source}.`, [
    ...optionKeys("source"),
    ...foreign({ path: "Directory of the code on a developer's machine." }),
  ]),
  group(
    "ci_source",
    `${OPTION_GROUPS.ciSource}.`,
    optionKeys("ci_source"),
  ),
  CHECKOUT,
  group("job", "Nested form of the job.", [
    ...optionKeys("job"),
    CHECKOUT,
    ["steps", STEPS],
    SOURCE,
    ...OWN,
    ...foreign(FOREIGN),
  ]),
  ...OPTIONS.filter((option) => !("isCallersOnly" in option))
    .map((option): Entry => [option.name, keyOf(option)]),
  ...OWN,
  ...foreign(FOREIGN),
]);

type Entry = [string, JobFileKey];

function foreign(keys: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(keys)
    .map(([key, description]) => [key, { description, schema: anything }]);
}

function group(name: string, description: string, keys: Entry[]): Entry {
  return [name, { description, schema: anything, keys: new Map(keys) }];
}

/** Other keys than their names that options have in a mapping, or in the file. */
function optionKeys(mapping?: string): Entry[] {
  const options: readonly (Option & { name: OptionName })[] = OPTIONS;
  return options.flatMap((option) =>
    (option.keys ?? []).flatMap((path): Entry[] => {
      const [key, ...way] = path.split(".").reverse();
      return way[0] === mapping ? [[key, keyOf(option)]] : [];
    })
  );
}

/** An option by the key that it has in a mapping of a file. */
export interface OptionKey {
  /** Key in the mapping. */
  readonly key: string;
  /** What the key means, for an editor. */
  readonly description: string;
  /** Schema of its value, as the text that its variable holds. */
  readonly schema: Schema<string>;
}

/**
 * Lists the options that have keys in a mapping, by the variables which transport
 * them to the runner of another job.
 *
 * @param name Name of the mapping.
 * @returns Their keys, by the names of their variables.
 */
export function optionVariables(
  name: string,
): Readonly<Record<string, OptionKey>> {
  const keys = OPTIONS.flatMap((option: Option): [string, OptionKey][] => {
    const prefix = `${name}.`;
    const path = option.keys?.find((path) => path.startsWith(prefix));
    if (path === undefined || option.env === undefined) return [];
    return [[option.env.name, {
      key: path.slice(prefix.length),
      description: `${describeOption(option)}.`,
      schema: mapped(
        schemaOfType(option.type),
        (value) => [value].flat().join(),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}

function keyOf(option: Option & { name: OptionName }): JobFileKey {
  const { name, type, default: defaultValue } = option;
  return {
    description: `${describeOption(option)}.`,
    schema: schemaOfType(type),
    means: name,
    defaultValue,
    areLines: LINES.includes(type),
  };
}

function schemaOfType(type: OptionType): Schema<unknown> {
  if (typeof type === "string") return SCHEMAS[type];
  return "choices" in type
    ? choice(type.choices)
    : integer(type.minimum, type.maximum);
}

/** What JSON Schema cannot express is left to the parser. */
const DRAFT = "http://json-schema.org/draft-07/schema#";

/** Name of the schema; nothing is fetched from there. */
const ID = "jsr:@reactorcide/runnerlib/job_file.schema.json";

/**
 * Returns the JSON Schema of job files, for editors.
 *
 * It accepts what the parser accepts, except for what JSON Schema cannot
 * express: names of steps that are given twice, times of more than 100 years
 * with a unit, paths outside `/job`, and `exclude` of a variable that the matrix
 * does not have.
 *
 * @returns A schema of draft 7, the newest that editors commonly know.
 */
export function jobFileSchema(): JsonSchema {
  const commands = placesOf("job_command");
  const steps = placesOf("steps");
  return {
    $schema: DRAFT,
    $id: ID,
    title: "Job file of runnerlib",
    description: "A CI job: one command, or steps.",
    ...schemaOf(JOB_FILE_KEYS),
    allOf: [
      { not: { allOf: [{ anyOf: commands }, { anyOf: steps }] } },
      { not: { allOf: steps } },
    ],
    definitions: stepDefinitions(),
  };
}

function schemaOf(keys: JobFileKeys): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, key] of keys) {
    const { keys: inner } = key;
    const schema = inner
      ? { ...key.schema, jsonSchema: () => schemaOf(inner) }
      : key.schema;
    properties[name] = keySchema({ ...key, schema });
  }
  return { type: "object", properties, additionalProperties: false };
}

/** JSON Schemas of files that set an option, by the place where they do. */
function placesOf(
  meaning: string,
  keys: JobFileKeys = JOB_FILE_KEYS,
): JsonSchema[] {
  return [...keys].flatMap(([name, key]) => {
    if (key.means === meaning) return [saying(name)];
    return placesOf(meaning, key.keys ?? new Map()).map((inner) => ({
      required: [name],
      properties: { [name]: { type: "object", ...inner } },
    }));
  });
}
