import { type Keys, mapping } from "../../config/job_file/mapping.ts";
import {
  condition,
  flag,
  integer,
  text,
} from "../../config/job_file/scalars.ts";
import { steps } from "../../config/job_file/steps.ts";
import { texts } from "./filters.ts";
import type { JobBody } from "./job_body.ts";
import {
  characteristics,
  checkout,
  filled,
  jobNames,
  jobPath,
  priority,
  resources,
  runLocal,
  secretNames,
  variableName,
} from "./job_kinds.ts";
import { jsonItems } from "./json.ts";

/** Longest time that a job may be given, in seconds. */
const LONGEST_SECONDS = 999_999_999;

/** Keys of what is said of a job. */
export const JOB_BODY_KEYS: Keys<JobBody> = {
  image: {
    key: "image",
    kind: filled,
    description: "Image of the container.",
  },
  command: {
    key: "command",
    kind: filled,
    description: "Command of the job: text for the shell.",
  },
  steps: {
    key: "steps",
    kind: steps,
    description:
      "Steps of the job in place of a command, for local workflows: the coordinator knows none.",
  },
  timeoutSeconds: {
    key: "timeout",
    kind: integer(1, LONGEST_SECONDS),
    description: "Longest time that the job may run, in seconds.",
  },
  priority: {
    key: "priority",
    kind: priority,
    description: "Rank in the queue; a higher number is served first.",
    defaultValue: 0,
  },
  rawCommand: {
    key: "raw_command",
    kind: flag,
    description: "Whether the worker runs the command without the runner.",
    defaultValue: false,
  },
  disableRunLocal: {
    key: "disable_run_local",
    kind: flag,
    description: "Whether the job does not run on a developer's machine.",
    defaultValue: false,
  },
  capabilities: {
    key: "capabilities",
    kind: texts,
    description: "What the job needs of its worker: docker, builder, gpu.",
  },
  dependsOn: {
    key: "depends_on",
    alias: "needs",
    kind: jobNames,
    description: "Jobs that must be over before this one starts.",
  },
  condition: {
    key: "condition",
    kind: condition,
    description: "When the job runs, once its dependencies are over.",
    defaultValue: "all_success",
  },
  forEach: {
    key: "for_each",
    kind: jsonItems,
    description: "Values, for each of which the job runs.",
  },
  itemVar: {
    key: "item_var",
    kind: variableName,
    description: "Variable that holds the value of for_each.",
    defaultValue: "ITEM",
  },
  imagePullSecrets: {
    key: "image_pull_secrets",
    kind: secretNames,
    description: "Kubernetes secrets with which the image is fetched.",
  },
  checkout: {
    key: "checkout",
    kind: checkout,
    description: "How code is checked out, such as fetch_depth: 0.",
  },
  codeDir: {
    key: "code_dir",
    kind: jobPath,
    description: "Where the source goes; /job or below.",
  },
  jobDir: {
    key: "job_dir",
    kind: jobPath,
    description: "Where the command runs; the code directory unless given.",
  },
  workingDir: {
    key: "working_dir",
    kind: jobPath,
    description: "Working directory of the container; wins over job_dir.",
  },
  workerClass: {
    key: "worker_class",
    kind: text(),
    description: "Class of workers that take the job.",
  },
  runAs: {
    key: "run_as",
    kind: mapping("User", {
      user: {
        key: "user",
        kind: filled,
        description: "runner, root or uid[:gid].",
      },
    }),
    description: "User of the container.",
  },
  characteristics: {
    key: "characteristics",
    kind: characteristics,
    description: "What the worker must be like, such as arch: arm64.",
  },
  resources: {
    key: "resources",
    kind: resources,
    description: "Resources of the container.",
  },
  runLocal: {
    key: "run_local",
    kind: runLocal,
    description: "How the job runs on a developer's machine.",
  },
};
