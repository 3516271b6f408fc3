import { ENV_FILE_KEY } from "../../config/env_file.ts";
import { refusedSettings, settingVariables } from "../../config/job_keys.ts";
import { steps } from "../../config/step_keys.ts";
import {
  anything,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import {
  condition,
  conditionDescription,
  positiveDuration,
  yamlFlag,
  yamlInteger,
} from "../../schema/scalars.ts";
import { when, WHEN_DESCRIPTION } from "../../schema/when.ts";
import {
  artifacts,
  characteristics,
  checkout,
  cpuLimit,
  environment,
  jsonItems,
  memoryLimit,
  needs,
  nodeSelector,
  optionalText,
  optionalVariableName,
  resources,
  runLocal,
  secretNames,
  source,
  tolerations,
} from "./job_schemas.ts";
import type { JobContent } from "./definition.ts";
import { texts } from "./filters.ts";

/** Maximum time limit of a job, in seconds. */
const MAX_TIMEOUT_SECONDS = 999_999_999;

/** Maximum integer that every program involved can store. */
const MAX_INTEGER = 2 ** 31 - 1;

/**
 * Keys that make a definition invalid, and why: those that would let a
 * repository grant permissions to its own jobs, and options that a definition
 * cannot set.
 */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      "authority",
      "ci_origin",
      "execution_profile",
      "policy_revision",
      "policy_rule_id",
      "approval_id",
    ].map((key) => [key, "can be set only by the coordinator"]),
  ),
  ...refusedSettings(),
};

/** Converts milliseconds to seconds; the coordinator supports only whole ones. */
function toWholeSeconds(ms: number, node: DocumentNode): number | undefined {
  const seconds = ms / 1_000;
  if (Number.isInteger(seconds) && seconds <= MAX_TIMEOUT_SECONDS) {
    return seconds;
  }
  return void node.report(
    `must be a whole number of seconds, at most ${MAX_TIMEOUT_SECONDS}, not ${
      JSON.stringify(node.text)
    }`,
  );
}

const timeout: Schema<number> = mapped(positiveDuration, toWholeSeconds);

/** A time limit; 0 means none, as on the coordinator. */
const timeoutOrZero: Schema<number> = {
  jsonSchema: () => ({ anyOf: [timeout.jsonSchema(), { const: 0 }] }),
  parse(node) {
    if (node.text !== "0") return timeout.parse(node);
    return void node.warn(() =>
      `${node.label}: 0 means no time limit; omit the key`
    );
  },
};

/** Keys of a job. */
export const JOB_KEYS: Keys<JobContent> = {
  ...settingVariables(),
  image: {
    key: "image",
    schema: optionalText,
    description: "Image of the container.",
  },
  command: {
    key: "command",
    schema: optionalText,
    description: "Shell command of the job.",
  },
  steps: {
    key: "steps",
    schema: steps,
    description: "Steps of the job instead of a command.",
  },
  timeoutSeconds: {
    key: "timeout",
    alias: "timeout_seconds",
    schema: timeoutOrZero,
    description:
      "Time limit of the job: seconds, or a string such as 90s, 15m or 2h. As on the coordinator, 0 means no limit.",
  },
  priority: {
    key: "priority",
    schema: yamlInteger(-MAX_INTEGER, MAX_INTEGER),
    description: "Priority in the queue; higher numbers come first.",
    defaultValue: 0,
  },
  rawCommand: {
    key: "raw_command",
    schema: yamlFlag,
    description: "Whether the worker runs the command without the runner.",
    defaultValue: false,
  },
  disableRunLocal: {
    key: "disable_run_local",
    schema: yamlFlag,
    description: "Whether the job is skipped on a developer's machine.",
    defaultValue: false,
  },
  capabilities: {
    key: "capabilities",
    schema: texts,
    description:
      "Capabilities that the worker must have: docker, builder, gpu.",
  },
  needs: {
    key: "depends_on",
    alias: "needs",
    schema: needs,
    description:
      "Jobs that must end before this one starts: names, or mappings of job and the names of artifacts that this job gets from it.",
  },
  artifacts: {
    key: "artifacts",
    schema: artifacts,
    description:
      "Files that the job saves for other jobs: a mapping of names to paths and options.",
  },
  condition: {
    key: "condition",
    schema: condition,
    description: conditionDescription("job"),
    defaultValue: "all_success",
  },
  when: {
    key: "when",
    schema: when,
    description: WHEN_DESCRIPTION,
  },
  forEach: {
    key: "for_each",
    schema: jsonItems,
    description: "Items; the job runs once for each of them.",
  },
  itemVar: {
    key: "item_var",
    schema: optionalVariableName,
    description: "Variable that contains the item of for_each.",
    defaultValue: "ITEM",
  },
  imagePullSecrets: {
    key: "image_pull_secrets",
    schema: secretNames,
    description: "Kubernetes secrets for pulling the image.",
  },
  checkout: {
    key: "checkout",
    schema: checkout,
    description: "Checkout settings, such as fetch_depth: 0.",
  },
  codeDir: {
    key: "code_dir",
    schema: optionalText,
    description: "Directory for the source: /job or below.",
  },
  jobDir: {
    key: "job_dir",
    schema: optionalText,
    description:
      "Directory in which the command runs; the code directory by default.",
  },
  workingDir: {
    key: "working_dir",
    schema: optionalText,
    description: "Working directory of the container; overrides job_dir.",
  },
  workerClass: {
    key: "worker_class",
    schema: optionalText,
    description: "Class of workers that run the job.",
  },
  runAs: {
    key: "run_as",
    schema: mapping("User", {
      user: {
        key: "user",
        schema: optionalText,
        description: "runner, root or uid[:gid].",
      },
    }, { ignoresUnknown: true }),
    description: "User of the container.",
  },
  characteristics: {
    key: "characteristics",
    schema: characteristics,
    description:
      "Characteristics that the worker must have, such as arch: arm64.",
  },
  resources: {
    key: "resources",
    schema: resources,
    description: "Resources of the container.",
  },
  nodeSelector: {
    key: "node_selector",
    schema: nodeSelector,
    description: "Labels that the node of the job must have, on Kubernetes.",
  },
  tolerations: {
    key: "tolerations",
    schema: tolerations,
    description: "Taints that the job tolerates, on Kubernetes.",
  },
  runLocal: {
    key: "run_local",
    schema: runLocal,
    description: "Settings for a developer's machine.",
  },
  cpuLimit: {
    key: "cpu_limit",
    schema: cpuLimit,
    description: "CPU limit of a local container; overridden by resources.",
  },
  memoryLimit: {
    key: "memory_limit",
    schema: memoryLimit,
    description: "Memory limit of a local container; overridden by resources.",
  },
  environment: {
    key: "environment",
    schema: environment,
    description: "Environment variables of the job.",
  },
  envFiles: ENV_FILE_KEY,
  source: {
    key: "source",
    schema: source,
    description:
      "Source of the code when the file itself is run or submitted; an event sets its own.",
  },
  pipelinePermissions: {
    key: "pipeline_permissions",
    schema: anything,
    description:
      "Ignored: runnerlib exec reads it from the file that --job-file names.",
  },
  commandPrefix: {
    key: "command_prefix",
    schema: optionalText,
    description:
      "Shell of the command when the file itself is run, such as bash -c.",
  },
};

/** Schema of a job below the key `job` of a file or entry. */
export const nestedJob: Schema<JobContent> = mapping("Job", JOB_KEYS, {
  ignoresUnknown: true,
  refused: REFUSED_KEYS,
});
