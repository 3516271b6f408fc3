import type { ConfigKey } from "../config_key.ts";
import { CONFIG_KEYS, configKey, type ConfigName } from "../keys.ts";
import { SOURCE_TYPE } from "../source_keys.ts";
import { list, variables } from "./collections.ts";
import { anything, byShape, type Kind } from "./kind.ts";
import {
  choice,
  duration,
  flag,
  integer,
  text,
  type TextRule,
} from "./scalars.ts";
import {
  pipelinePermissions,
  pluginList,
  pluginPermissions,
} from "./plugin_keys.ts";
import { inheritance } from "./step_keys.ts";
import { steps } from "./steps.ts";

/** A key of a job file. */
export interface JobFileKey {
  /** What the key means, for an editor. */
  readonly description: string;
  /** What its value may be. */
  readonly kind: Kind<unknown>;
  /** Key of the configuration that it sets, or the steps of the job. */
  readonly means?: ConfigName | "steps";
  /** Whether the kind gives lines, which the configuration holds. */
  readonly areLines?: boolean;
  /** Keys below this one. */
  readonly keys?: JobFileKeys;
  /** Value when nobody says anything, for an editor. */
  readonly defaultValue?: unknown;
}

/** Keys of a job file, or of a part of one, by their names. */
export type JobFileKeys = ReadonlyMap<string, JobFileKey>;

/** Keys of the configuration that hold lines. */
const LINES: ReadonlySet<ConfigName> = new Set([
  "plugins",
  "plugin_permissions",
  "pipeline_permissions",
]);

/** Keys that only a worker or a coordinator reads; the runner leaves them alone. */
const FOREIGN = {
  command_prefix: "What the worker puts before the command.",
  capabilities: "What the job needs of its worker, such as docker.",
  image_pull_secrets: "Secrets with which the image is fetched.",
  cpu_limit: "Most processors that the container gets.",
  memory_limit: "Most memory that the container gets.",
  run_as: "User of the container.",
  disable_run_local: "Whether the job does not run on a developer's machine.",
  run_local: "How the job runs on a developer's machine.",
  characteristics: "What the worker must be like.",
  worker_class: "Class of workers that take the job.",
  resources: "Resources of the container.",
  priority: "Rank in the queue.",
};

const STEPS: JobFileKey = {
  description: "Steps of the job: a list, or a mapping of names to steps.",
  kind: steps,
  means: "steps",
};

/** Code may add types, of which a file alone knows nothing. */
const SOURCE_TYPE_RULE: TextRule = {
  pattern: SOURCE_TYPE,
  words: "be a type of sources",
};

/** Every key of a job file. */
export const JOB_FILE_KEYS: JobFileKeys = new Map([
  ...foreign({
    name: "Name of the job.",
    description: "What the job is for.",
    triggers: "Events and branches for which the coordinator starts the job.",
    paths: "Files for whose changes the coordinator starts the job.",
  }),
  ...meaning({
    command: "job_command",
    image: "runner_image",
    environment: "job_env",
    working_dir: "job_dir",
    timeout_seconds: "timeout",
  }),
  ["steps", STEPS],
  group("source", "Where the code comes from.", [
    ...meaning({ type: "source_type", url: "source_url", ref: "source_ref" }),
    ...foreign({ path: "Directory of the code on a developer's machine." }),
  ]),
  group(
    "ci_source",
    "Where the trusted CI code comes from.",
    meaning({
      type: "ci_source_type",
      url: "ci_source_url",
      ref: "ci_source_ref",
    }),
  ),
  group(
    "checkout",
    "How code is checked out.",
    meaning({
      mode: "checkout_mode",
      fetch_depth: "fetch_depth",
      filter: "git_filter",
      sparse_paths: "sparse_paths",
      submodules: "submodules",
      lfs: "git_lfs",
    }),
  ),
  group("job", "The job, in the nested form of the file.", [
    ...meaning({
      command: "job_command",
      image: "runner_image",
      timeout: "timeout",
      code_dir: "code_dir",
      job_dir: "job_dir",
      working_dir: "job_dir",
      concurrency: "concurrency",
      failure_policy: "failure_policy",
      inherit_env: "inherit_env",
    }),
    ["steps", STEPS],
    ...foreign({
      ...FOREIGN,
      raw_command: "Whether the command is not given to a shell.",
      depends_on: "Jobs that must be over before this one starts.",
      condition: "When the job runs, once its dependencies are over.",
      for_each: "Values, for each of which the job runs.",
      item_var: "Variable that holds the value of for_each.",
    }),
  ]),
  ...meaning(
    Object.fromEntries(
      CONFIG_KEYS.filter((key) => !("isCallersOnly" in key))
        .map(({ name }) => [name, name]),
    ),
  ),
  ...foreign(FOREIGN),
]);

type Entry = [string, JobFileKey];

function foreign(keys: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(keys)
    .map(([key, description]) => [key, { description, kind: anything }]);
}

function group(name: string, description: string, keys: Entry[]): Entry {
  return [name, { description, kind: anything, keys: new Map(keys) }];
}

function meaning(keys: Readonly<Record<string, ConfigName>>): Entry[] {
  return Object.entries(keys).map(([key, means]) => {
    const { help, defaultValue } = configKey(means)!;
    const kind = kindOf(configKey(means)!);
    const areLines = LINES.has(means);
    const description = `${help}.`;
    return [key, { description, kind, means, defaultValue, areLines }];
  });
}

function kindOf({ name, kind }: ConfigKey): Kind<unknown> {
  if (name === "job_env") {
    const kind = byShape<unknown>("map names to values", {
      scalar: text(),
      mapping: variables,
    });
    return { ...kind, nothing: {} };
  }
  if (name === "plugins") return pluginList;
  if (name === "plugin_permissions") return pluginPermissions;
  if (name === "pipeline_permissions") return pipelinePermissions;
  if (kind === undefined) return text();
  if (kind === "duration") return duration;
  if (kind === "switch") return flag;
  if (kind === "inheritance") return inheritance;
  if (kind === "names") {
    return byShape<unknown>("be a text or a list of names", {
      scalar: text(),
      list: list(text()),
    });
  }
  if ("minimum" in kind) return integer(kind.minimum, kind.maximum);
  if (kind.isOpen) {
    return text({ rule: SOURCE_TYPE_RULE, areNumbersTexts: false });
  }
  return choice(kind.choices, kind.mayBeEmpty ? { "": "none" } : {});
}
