import type { JsonValue } from "../../json_value.ts";
import { list } from "../../schema/collections.ts";
import {
  anything,
  byShape,
  type Key,
  type Keys,
  mapping,
  type Schema,
} from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { FileKind } from "../../schema/problems.ts";
import { filledText, optional, text } from "../../schema/scalars.ts";
import type { JobContent } from "./definition.ts";
import {
  type PathFilter,
  pathFilter,
  type TriggerFilter,
  triggerFilter,
} from "./filters.ts";
import { JOB_KEYS, nestedJob, REFUSED_KEYS } from "./job_body.ts";
import {
  JOB_NAME,
  JOB_NAME_WORDS,
  jobName,
  jsonVariables,
  optionalText,
} from "./job_schemas.ts";

const LENIENT = { ignoresUnknown: true, refused: REFUSED_KEYS };

/** Content of an entry of `jobs`, as written. */
interface EntryContent extends JobContent {
  readonly name?: string;
  readonly description?: string;
  readonly jobFile?: string;
  readonly job?: JobContent;
  readonly triggers?: unknown;
  readonly paths?: unknown;
}

/** An entry of `jobs`. */
export interface JobEntry {
  /** Name of the job. */
  readonly name: string;
  /** The entry in the document. */
  readonly node: DocumentNode;
  /** Description for people. */
  readonly description: string | undefined;
  /** Path of the job file that the entry overrides. */
  readonly jobFile: string | undefined;
  /** Properties of the job, from the entry itself and from `job`. */
  readonly content: JobContent;
}

const ENTRY_KEYS: Omit<Keys<EntryContent>, "name"> = {
  ...JOB_KEYS,
  description: {
    key: "description",
    schema: optionalText,
    description: "Description of the job.",
  },
  jobFile: {
    key: "job_file",
    schema: optionalText,
    description:
      "Job file that the entry overrides: a path relative to the root or to .reactorcide/jobs.",
  },
  job: {
    key: "job",
    schema: nestedJob,
    description: "The job; its keys override those at the top level.",
  },
  triggers: {
    key: "triggers",
    schema: anything,
    description: "Ignored: the workflow decides when it starts.",
  },
  paths: {
    key: "paths",
    schema: anything,
    description: "Ignored: the workflow decides when it starts.",
  },
};

const NAME_KEY: Keys<Pick<EntryContent, "name">> = {
  name: {
    key: "name",
    schema: jobName,
    description: "Name of the job, unique in its workflow.",
    isRequired: true,
  },
};

/** In a mapping, the key is the name; a name in the entry is ignored. */
const namedEntry = mapping<Omit<EntryContent, "name"> & { name?: unknown }>(
  "Job",
  {
    name: {
      key: "name",
      schema: anything,
      description: "Ignored: the key is the name of the job.",
    },
    ...ENTRY_KEYS,
  },
  LENIENT,
);

const listedEntry = mapping<EntryContent>(
  "Job",
  { ...NAME_KEY, ...ENTRY_KEYS },
  LENIENT,
);

const jobMapping: Schema<readonly JobEntry[]> = {
  jsonSchema: () => ({
    type: "object",
    minProperties: 1,
    propertyNames: { pattern: JOB_NAME.source },
    additionalProperties: namedEntry.jsonSchema(),
  }),
  parse(node) {
    const entries = node.entries ?? [];
    if (entries.length === 0) node.report("must not be empty");
    return entries.flatMap(([name, one]) => {
      if (!JOB_NAME.test(name)) {
        one.report(`must have ${JOB_NAME_WORDS}`);
      }
      if (one.isNull) one.report("must be a mapping of keys");
      const content = one.isNull ? undefined : namedEntry.parse(one);
      return content === undefined
        ? []
        : [toJobEntry(name, one, { ...content, name })];
    });
  },
};

const jobList: Schema<readonly JobEntry[]> = {
  jsonSchema: () => ({
    type: "array",
    minItems: 1,
    items: listedEntry.jsonSchema(),
  }),
  parse(node) {
    const contents = list(listedEntry, { minimum: 1 }).parse(node);
    if (contents?.length !== node.items?.length) return [];
    return contents?.map((content, at) =>
      toJobEntry(content.name ?? "", node.items![at], content)
    );
  },
};

/** Schema of the jobs of a workflow. */
const jobs: Schema<readonly JobEntry[]> = byShape(
  "be a mapping of jobs",
  {
    mapping: jobMapping,
    list: jobList,
  },
);

function toJobEntry(
  name: string,
  node: DocumentNode,
  entry: EntryContent,
): JobEntry {
  const {
    name: _name,
    description,
    triggers: _triggers,
    paths: _paths,
    jobFile,
    job = {},
    ...flat
  } = entry;
  return { name, node, description, jobFile, content: { ...flat, ...job } };
}

/** A workflow file. */
export const WORKFLOW_FILE: FileKind = {
  words: "workflow file",
  code: "invalid-workflow",
};

/** Pattern of the ID of a workflow. */
export const WORKFLOW_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Rule for the ID of a workflow, with its words for messages. */
export const WORKFLOW_ID_RULE = {
  pattern: WORKFLOW_ID,
  words: "consist of up to 63 lowercase letters, digits and dashes",
};

/**
 * Content of a job file: properties of the job are at its top level or below
 * `job`.
 */
export interface JobFileContent extends JobContent {
  /** Name of the job. */
  readonly name?: string;
  /** Description of the job. */
  readonly description?: string;
  /** Events that start the job. */
  readonly triggers?: TriggerFilter;
  /** Files whose changes start the job. */
  readonly paths?: PathFilter;
  /** The job; its keys override those at the top level. */
  readonly job?: JobContent;
}

/** Content of a workflow file. */
export interface WorkflowFileContent {
  /** ID, if the file sets one. */
  readonly id?: string;
  /** Display name. */
  readonly name?: string;
  /** Purpose of the workflow. */
  readonly description?: string;
  /** Events that start the workflow. */
  readonly on?: TriggerFilter;
  /** Same as `on`: YAML 1.1 tools write the key as `true`. */
  readonly isTrue?: TriggerFilter;
  /** Files whose changes start the workflow. */
  readonly paths?: PathFilter;
  /** Initial variables. */
  readonly vars?: Readonly<Record<string, JsonValue>>;
  /** Jobs. */
  readonly jobs?: readonly JobEntry[];
}

const description: Key<string> = {
  key: "description",
  schema: optionalText,
  description: "Description for people.",
};

const paths: Key<PathFilter> = {
  key: "paths",
  schema: pathFilter,
  description: "Files whose changes start it; all by default.",
};

const JOB_FILE_KEYS: Keys<JobFileContent> = {
  ...JOB_KEYS,
  name: { key: "name", schema: jobName, description: "Name of the job." },
  description,
  triggers: {
    key: "triggers",
    schema: triggerFilter,
    description: "Events that start the job.",
  },
  paths,
  job: {
    key: "job",
    schema: nestedJob,
    description: "The job; its keys override those at the top level.",
  },
};

/** Schema of a complete job file. */
export const jobFile: Schema<JobFileContent> = mapping("Job file", {
  ...JOB_FILE_KEYS,
  name: { ...JOB_FILE_KEYS.name, isRequired: true },
}, LENIENT);

/** Schema of a job file that an entry of a workflow overrides. */
export const baseJobFile: Schema<JobFileContent> = mapping(
  "Job file",
  JOB_FILE_KEYS,
  LENIENT,
);

/** Schema of a workflow file. */
export const workflowFile: Schema<WorkflowFileContent> = mapping("Workflow", {
  id: {
    key: "id",
    schema: optional(text({ rule: WORKFLOW_ID_RULE })),
    description: "Id of the workflow; derived from the path by default.",
  },
  name: {
    key: "name",
    schema: filledText,
    description: "Name of the workflow.",
    isRequired: true,
  },
  description,
  on: {
    key: "on",
    alias: "triggers",
    schema: triggerFilter,
    description: "Events that start the workflow.",
  },
  isTrue: {
    key: "true",
    schema: triggerFilter,
    description: 'Same as "on", which YAML 1.1 parses as true.',
  },
  paths,
  vars: {
    key: "vars",
    schema: jsonVariables,
    description: "Initial variables of the workflow.",
  },
  jobs: {
    key: "jobs",
    schema: jobs,
    description: "Jobs: a mapping of names to jobs, or a list.",
    isRequired: true,
  },
}, { ignoresUnknown: true });
