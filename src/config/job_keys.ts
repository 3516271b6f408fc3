import { RunnerError } from "../errors.ts";
import type { Option, OptionType } from "../options/option.ts";
import {
  describeOption,
  OPTION_GROUPS,
  type OptionName,
  OPTIONS,
} from "../options/options.ts";
import { SOURCE_TYPE } from "../options/source_options.ts";
import {
  dictionary,
  list,
  listOrOne,
  variables,
} from "../schema/collections.ts";
import {
  choice,
  duration,
  FILLED_TEXT,
  flag,
  integer,
  positiveDuration,
  text,
  yamlFlag,
} from "../schema/scalars.ts";
import {
  anything,
  byShape,
  EXTENSION,
  type JsonSchema,
  keySchema,
  mapped,
  mapping,
  requiresKey,
  type Schema,
} from "../schema/combinators.ts";
import { ENV_FILE_KEY } from "./env_file.ts";
import { when } from "../schema/when.ts";
import { grantLines, type PluginGrants } from "./plugin_grants.ts";
import { shell, stepDefinitions, steps } from "./step_keys.ts";
import { inheritance } from "./step_permissions.ts";
import { listText } from "./text_values.ts";

/** A plugin URL in a job file. */
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

/** Schema of plugin URLs, parsed to `URL#HASH` lines. */
const pluginList: Schema<readonly string[]> = byShape<readonly string[]>(
  "be a string or a list of plugins",
  {
    scalar: mapped(text(), (value) => [value]),
    list: list(byShape<string>("be a string or a mapping of keys", {
      scalar: filled,
      mapping: mapped(entry, ({ url, integrity }) => `${url}#${integrity}`),
    })),
  },
);

const permissions = dictionary(
  listOrOne("be a string or a list of strings", filled),
  "map kinds of permissions to lists",
  { keys: { pattern: /^[a-z]+$/, words: "a kind of permission" } },
);

/** Schema of permissions of a pipeline, parsed to `KIND=VALUES` lines. */
const pipelinePermissionsSchema: Schema<readonly string[]> = mapped(
  permissions,
  (kinds) =>
    Object.entries(kinds).map(([kind, values]) =>
      `${kind}=${listText(values)}`
    ),
);

/** Schema of permissions of plugins, parsed to `NAME:KIND=VALUES` lines. */
export const pluginPermissions: Schema<readonly string[]> = byShape<
  readonly string[]
>("be a string or map plugins to permissions", {
  scalar: mapped(text(), (value) => [value]),
  mapping: mapped(
    dictionary(
      permissions,
      "map plugins to permissions",
      { keys: { pattern: /^[^:\s]+$/, words: "the name of a plugin" } },
    ),
    linesOf,
  ),
});

/** An invalid name or kind has already been reported. */
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
  /** Description for editors. */
  readonly description: string;
  readonly schema: Schema<unknown>;
  /** What it sets: an option, the steps, or another property of the job. */
  readonly sets?:
    | OptionName
    | "steps"
    | "commandPrefix"
    | "disableRunLocal"
    | "envFiles"
    | "when";
  /** Whether the value is parsed to lines. */
  readonly areLines?: boolean;
  /** Nested keys. */
  readonly keys?: JobFileKeys;
  /** Default for editors. */
  readonly defaultValue?: unknown;
}

/** Keys of a job file, or of one of its mappings, by name. */
export type JobFileKeys = ReadonlyMap<string, JobFileKey>;

/** Option types whose values are lines. */
export const LINES: readonly OptionType[] = [
  "plugins",
  "pluginPermissions",
  "pipelinePermissions",
];

/** Keys that only a worker or a coordinator reads. */
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
  secrets:
    "Ignored: refer to secrets as ${secret:PATH:KEY} in variables, or use --secrets-file.",
};

const STEPS: JobFileKey = {
  description: "Steps of the job: a list, or a mapping of names to steps.",
  schema: steps,
  sets: "steps",
};

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
  pipelinePermissions: pipelinePermissionsSchema,
  // Code may register types that are unknown here.
  sourceType: text({
    rule: { pattern: SOURCE_TYPE, words: "be a source type" },
    areNumbersTexts: false,
  }),
};

/** Options of the checkout, which may also be part of the job. */
const CHECKOUT: Entry = group(
  "checkout",
  `${OPTION_GROUPS.checkout}.`,
  optionKeys("checkout"),
);

const SOURCE: Entry = group("source", "Source of the code.", [
  ...optionKeys("source"),
  ...foreign({ path: "Directory of the code on a developer's machine." }),
]);

/** Keys that are not options. */
const OWN: Entry[] = [
  ["command_prefix", {
    description:
      "Shell of the command, such as bash -c, unless the command names its own.",
    schema: text(),
    sets: "commandPrefix",
  }],
  ["disable_run_local", {
    description: "Whether to skip the job on a developer's machine.",
    schema: yamlFlag,
    sets: "disableRunLocal",
  }],
  [ENV_FILE_KEY.key, {
    description: ENV_FILE_KEY.description,
    schema: ENV_FILE_KEY.schema,
    sets: "envFiles",
  }],
  ["when", {
    description:
      "Condition on the event; the job is skipped if it does not hold.",
    schema: when,
    sets: "when",
  }],
];

/** All keys of a job file. */
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

/**
 * Returns the alternative keys of options, in a mapping or at the top level.
 */
function optionKeys(mapping?: string): Entry[] {
  const options: readonly (Option & { name: OptionName })[] = OPTIONS;
  return options.flatMap((option) =>
    (option.keys ?? []).flatMap((path): Entry[] => {
      const [key, ...way] = path.split(".").reverse();
      return way[0] === mapping ? [[key, keyOf(option)]] : [];
    })
  );
}

function keyOf(option: Option & { name: OptionName }): JobFileKey {
  const { name, type, default: defaultValue } = option;
  return {
    description: `${describeOption(option)}.`,
    schema: schemaOfType(type),
    sets: name,
    defaultValue,
    areLines: LINES.includes(type),
  };
}

/** Returns the schema of the values of an option in a file. */
export function schemaOfType(type: OptionType): Schema<unknown> {
  if (typeof type === "string") return SCHEMAS[type];
  return "choices" in type
    ? choice(type.choices)
    : integer(type.minimum, type.maximum);
}

/** Explains why a file must not set an option, phrased to follow its key. */
export function callersOnlyProblem(flag: string | undefined): string {
  return `must not be in a job file, which may be untrusted: only the caller sets it, as with --${flag}`;
}

/** Values that JSON Schema cannot describe are checked only by the parser. */
const DRAFT = "http://json-schema.org/draft-07/schema#";

/** Name of the schema; it is not downloaded from there. */
const ID = "jsr:@reactorcide/runnerlib/job_file.schema.json";

/**
 * Returns the JSON Schema of job files, for editors.
 *
 * It accepts what the parser accepts, except for what JSON Schema cannot
 * describe: duplicate step names, durations of more than 100 years with a unit,
 * paths outside `/job`, missing files of variables, and `exclude` of a variable that the matrix does not
 * have.
 *
 * @returns A schema of draft 7, the newest draft that most editors support.
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
  return {
    type: "object",
    properties,
    patternProperties: { [EXTENSION.source]: {} },
    additionalProperties: false,
  };
}

/** Returns JSON Schemas of files that set an option, by the path of its key. */
function placesOf(
  target: string,
  keys: JobFileKeys = JOB_FILE_KEYS,
): JsonSchema[] {
  return [...keys].flatMap(([name, key]) => {
    if (key.sets === target) return [requiresKey(name)];
    return placesOf(target, key.keys ?? new Map()).map((inner) => ({
      required: [name],
      properties: { [name]: { type: "object", ...inner } },
    }));
  });
}
