import type { Option, OptionType } from "../options/option.ts";
import {
  describeOption,
  OPTION_GROUPS,
  type OptionName,
  OPTIONS,
} from "../options/options.ts";
import {
  anything,
  EXTENSION,
  JSON_SCHEMA_DRAFT,
  type JsonSchema,
  keySchema,
  mapped,
  requiresKey,
  type Schema,
} from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import { conditionDescription, text, yamlFlag } from "../schema/scalars.ts";
import { when } from "../schema/when.ts";
import { ENV_FILE_KEY } from "./env_file.ts";
import { LINES, selectSchema } from "./option_schemas.ts";
import { stepDefinitions, steps } from "./step_keys.ts";
import { listText } from "./text_values.ts";

/** A key of a job file. */
export interface JobFileKey {
  /** Description for editors. */
  readonly description: string;
  readonly schema: Schema<unknown>;
  /**
   * Target of the key: an option, the steps, or another property of the job.
   */
  readonly sets?:
    | OptionName
    | "steps"
    | "commandPrefix"
    | "disableRunLocal"
    | "envFiles"
    | "hasArtifacts"
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

/** Keys that only a worker or a coordinator reads. */
const WORKER_KEYS = {
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
  condition: conditionDescription("job"),
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

/** Options of the checkout, which may also be part of the job. */
const CHECKOUT: Entry = createGroup(
  "checkout",
  `${OPTION_GROUPS.checkout}.`,
  createOptionKeys("checkout"),
);

const SOURCE: Entry = createGroup("source", `${OPTION_GROUPS.source}.`, [
  ...createOptionKeys("source"),
  ...createIgnoredKeys({
    path: "Directory of the code on a developer's machine.",
  }),
]);

/** Keys that are not options. */
const OTHER_KEYS: Entry[] = [
  ["artifacts", {
    description:
      "Files that the job saves for other jobs. Only a job of a workflow does; otherwise, a warning says so.",
    schema: anything,
    sets: "hasArtifacts",
  }],
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
  ...createIgnoredKeys({
    name: "Name of the job.",
    description: "Description of the job.",
    triggers: "Events and branches that start the job.",
    paths: "Changed files that start the job.",
  }),
  ...createOptionKeys(),
  ["steps", STEPS],
  SOURCE,
  createGroup(
    "ci_source",
    `${OPTION_GROUPS.ciSource}.`,
    createOptionKeys("ci_source"),
  ),
  CHECKOUT,
  createGroup("job", "Nested form of the job.", [
    ...createOptionKeys("job"),
    CHECKOUT,
    ["steps", STEPS],
    SOURCE,
    ...OTHER_KEYS,
    ...createIgnoredKeys(WORKER_KEYS),
  ]),
  ...OPTIONS.filter((option) => !("isCallersOnly" in option))
    .map((option): Entry => [option.name, createOptionKey(option)]),
  ...OTHER_KEYS,
  ...createIgnoredKeys(WORKER_KEYS),
]);

type Entry = [string, JobFileKey];

function createIgnoredKeys(keys: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(keys)
    .map(([key, description]) => [key, { description, schema: anything }]);
}

function createGroup(name: string, description: string, keys: Entry[]): Entry {
  return [name, { description, schema: anything, keys: new Map(keys) }];
}

/**
 * Returns the alternative keys of options, in a mapping or at the top level.
 */
function createOptionKeys(mapping?: string): Entry[] {
  const options: readonly (Option & { name: OptionName })[] = OPTIONS;
  return options.flatMap((option) =>
    (option.keys ?? []).flatMap((path): Entry[] => {
      const [key, ...way] = path.split(".").reverse();
      return way[0] === mapping ? [[key, createOptionKey(option)]] : [];
    })
  );
}

function createOptionKey(option: Option & { name: OptionName }): JobFileKey {
  const { name, type, default: defaultValue } = option;
  return {
    description: `${describeOption(option)}.`,
    schema: selectSchema(type),
    sets: name,
    defaultValue,
    areLines: LINES.includes(type),
  };
}

/** Explains why a file must not set an option, phrased to follow its key. */
export function callersOnlyProblem(
  { flag, env }: Pick<Option, "flag" | "env">,
): string {
  const example = flag === undefined ? env?.name : `--${flag}`;
  return `must not be in a job file, which may be untrusted: only the caller sets it, as with ${example}`;
}

/** Name of the schema; it is not downloaded from there. */
const ID = "jsr:@reactorcide/runnerlib/job_file.schema.json";

/**
 * Returns the JSON Schema of job files, for editors.
 *
 * It accepts what the parser accepts, except for what JSON Schema cannot
 * describe: duplicate step names, durations of more than 100 years with a unit,
 * paths outside `/job`, missing files of variables, and `exclude` of a variable
 * that the matrix does not have. The parser checks those alone.
 *
 * @returns A draft 7 schema.
 */
export function jobFileSchema(): JsonSchema {
  const commands = findPlaces("job_command");
  const steps = findPlaces("steps");
  return {
    $schema: JSON_SCHEMA_DRAFT,
    $id: ID,
    title: "Job file of runnerlib",
    description: "A CI job: one command, or steps.",
    ...createKeysSchema(JOB_FILE_KEYS),
    allOf: [
      { not: { allOf: [{ anyOf: commands }, { anyOf: steps }] } },
      { not: { allOf: steps } },
    ],
    definitions: stepDefinitions(),
  };
}

function createKeysSchema(keys: JobFileKeys): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, key] of keys) {
    const { keys: inner } = key;
    const schema = inner
      ? { ...key.schema, jsonSchema: () => createKeysSchema(inner) }
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
function findPlaces(
  target: string,
  keys: JobFileKeys = JOB_FILE_KEYS,
): JsonSchema[] {
  return [...keys].flatMap(([name, key]) => {
    if (key.sets === target) return [requiresKey(name)];
    return findPlaces(target, key.keys ?? new Map()).map((inner) => ({
      required: [name],
      properties: { [name]: { type: "object", ...inner } },
    }));
  });
}

/** The key of an option in a mapping of a file. */
export interface OptionKey {
  /** Key in the mapping. */
  readonly key: string;
  /** Description for editors. */
  readonly description: string;
  /** Schema of its value, parsed to the text of its variable. */
  readonly schema: Schema<string>;
}

/**
 * Lists the options that have keys in a mapping, by their variables, which pass
 * them to the runner of another job.
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
        selectSchema(option.type),
        (value) => [value].flat().join(),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}

/** Option types whose values cannot be passed on in a variable. */
const NOT_PASSED_ON: readonly OptionType[] = [
  ...["command", "variables", "jobFile", "sourceType"] as const,
  "pipelinePermissions",
];

/** Options that an event, or another key of a definition, sets. */
const SET_BY_OTHER_KEYS =
  /^(?:source_|ci_source_|runner_image$|code_dir$|job_dir$|job_env$|secrets_file$)/;

/**
 * Lists the options of a job file that a job definition passes on, by their
 * variables.
 */
export function settingVariables(): Readonly<Record<string, OptionKey>> {
  const keys = OPTIONS.flatMap((option: Option): [string, OptionKey][] => {
    const { name, type, env } = option;
    if (env === undefined || NOT_PASSED_ON.includes(type)) return [];
    if ("isCallersOnly" in option || SET_BY_OTHER_KEYS.test(name)) return [];
    return [[env.name, {
      key: name,
      description: `${describeOption(option)}.`,
      schema: mapped(
        selectSchema(type),
        (value, node) => formatVariable(type, value, node),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}

/** Formats the value of an option as the text of its variable. */
function formatVariable(
  type: OptionType,
  value: unknown,
  node: DocumentNode,
): string | undefined {
  if (type === "duration" || type === "timeLimit") return `${value}ms`;
  if (!Array.isArray(value)) return String(value);
  if (type !== "shell") {
    return LINES.includes(type) ? value.join("\n") : listText(value);
  }
  // The runner splits the variable at white space.
  return value.some((word) => /^$|\s/.test(word))
    ? void node.report("must be words without white space")
    : value.join(" ");
}

/**
 * Lists the options of a job file that a job definition must not set, and why,
 * phrased to follow the key.
 */
export function refusedSettings(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    OPTIONS.flatMap((option: Option): [string, string][] => {
      const { name, flag } = option;
      if (option.isCallersOnly) return [[name, callersOnlyProblem(option)]];
      if (option.option?.startsWith("selection.")) {
        return [[name, `selects steps of a single run, as with --${flag}`]];
      }
      return option.type === "jobFile" ? [[name, "is set by the worker"]] : [];
    }),
  );
}
