import type { FileKind } from "../../schema/problems.ts";
import { text } from "../../schema/scalars.ts";
import {
  type Key,
  type Keys,
  type Kind,
  mapped,
  mapping,
} from "../../schema/schema.ts";
import type { JsonValue } from "../../triggers/trigger.ts";
import {
  type PathFilter,
  pathFilter,
  type TriggerFilter,
  triggerFilter,
} from "./filters.ts";
import type { JobContent } from "./job_body.ts";
import { JOB_KEYS, nestedJob, REFUSED_KEYS } from "./job_body_keys.ts";
import { type JobEntry, jobs } from "./job_entries.ts";
import { filled, jobName, optionalText } from "./job_kinds.ts";
import { jsonVariables } from "./json.ts";

/** A file of jobs that belong together. */
export const WORKFLOW_FILE: FileKind = {
  words: "workflow file",
  code: "invalid-workflow",
};

/** Id of a workflow. */
export const WORKFLOW_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** What a job file says: keys of the job may stand at its top, or below `job`. */
export interface JobFileContent extends JobContent {
  /** Name of the job. */
  readonly name?: string;
  /** What the job is for. */
  readonly description?: string;
  /** For which events the job is started. */
  readonly triggers?: TriggerFilter;
  /** For changes of which files the job is started. */
  readonly paths?: PathFilter;
  /** The job; what stands here wins over what stands beside it. */
  readonly job?: JobContent;
}

/** What a workflow file says. */
export interface WorkflowFileContent {
  /** Id, if the file gives one. */
  readonly id?: string;
  /** Name. */
  readonly name?: string;
  /** What the workflow is for. */
  readonly description?: string;
  /** For which events the workflow is started. */
  readonly on?: TriggerFilter;
  /** The same, behind the key that other tools make of `on`. */
  readonly isTrue?: TriggerFilter;
  /** For changes of which files the workflow is started. */
  readonly paths?: PathFilter;
  /** Initial variables. */
  readonly vars?: Readonly<Record<string, JsonValue>>;
  /** Jobs. */
  readonly jobs?: readonly JobEntry[];
}

const description: Key<string> = {
  key: "description",
  kind: optionalText,
  description: "What it is for.",
};

const paths: Key<PathFilter> = {
  key: "paths",
  kind: pathFilter,
  description: "Files for whose changes it is started; any unless given.",
};

const JOB_FILE_KEYS: Keys<JobFileContent> = {
  ...JOB_KEYS,
  name: { key: "name", kind: jobName, description: "Name of the job." },
  description,
  triggers: {
    key: "triggers",
    kind: triggerFilter,
    description: "Events for which the job is started.",
  },
  paths,
  job: {
    key: "job",
    kind: nestedJob,
    description: "The job; what stands here wins over what stands beside it.",
  },
};

const LENIENT = { ignoresUnknown: true, refused: REFUSED_KEYS };

/** Kind of a job file that is to be complete. */
export const jobFile: Kind<JobFileContent> = mapping("Job file", {
  ...JOB_FILE_KEYS,
  name: { ...JOB_FILE_KEYS.name, isRequired: true },
}, LENIENT);

/** Kind of a job file over which an entry of a workflow is laid. */
export const baseJobFile: Kind<JobFileContent> = mapping(
  "Job file",
  JOB_FILE_KEYS,
  LENIENT,
);

/** Kind of a workflow file. */
export const workflowFile: Kind<WorkflowFileContent> = mapping("Workflow", {
  id: {
    key: "id",
    kind: mapped(
      text({
        rule: {
          pattern: new RegExp(`^$|${WORKFLOW_ID.source}`),
          words: "be made of up to 63 small letters, digits and dashes",
        },
      }),
      (id) => id === "" ? undefined : id,
    ),
    description: "Id of the workflow; it follows from the path unless given.",
  },
  name: {
    key: "name",
    kind: filled,
    description: "Name of the workflow.",
    isRequired: true,
  },
  description,
  on: {
    key: "on",
    alias: "triggers",
    kind: triggerFilter,
    description: "Events for which the workflow is started.",
  },
  isTrue: {
    key: "true",
    kind: triggerFilter,
    description: 'Same as "on", which older YAML takes for the value true.',
  },
  paths,
  vars: {
    key: "vars",
    kind: jsonVariables,
    description: "Variables that the workflow starts with.",
  },
  jobs: {
    key: "jobs",
    kind: jobs,
    description: "Jobs: a mapping of names to jobs, or a list.",
    isRequired: true,
  },
}, { ignoresUnknown: true });
