import { list } from "../../schema/collections.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { FileKind } from "../../schema/problems.ts";
import { optional, text } from "../../schema/scalars.ts";
import {
  anything,
  byShape,
  type Key,
  type Keys,
  mapping,
  type Schema,
} from "../../schema/schema.ts";
import type { JsonValue } from "../../json.ts";
import {
  type PathFilter,
  pathFilter,
  type TriggerFilter,
  triggerFilter,
} from "./filters.ts";
import type { JobContent } from "./definition.ts";
import { JOB_KEYS, nestedJob, REFUSED_KEYS } from "./job_body.ts";
import { filled, JOB_NAME, jobName, optionalText } from "./job_schemas.ts";
import { jsonVariables } from "./job_schemas.ts";

const LENIENT = { ignoresUnknown: true, refused: REFUSED_KEYS };

/** What an entry of `jobs` says, as it is written. */
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
  /** Path of the job file that the entry is laid over. */
  readonly jobFile: string | undefined;
  /** Keys of the job, both those of the entry and those under `job`. */
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
      "Job file that holds what the entry leaves out: a path from the root, or from .reactorcide/jobs.",
  },
  job: {
    key: "job",
    schema: nestedJob,
    description: "The job; keys here override those beside it.",
  },
  triggers: {
    key: "triggers",
    schema: anything,
    description: "Left out: the workflow says when it is started.",
  },
  paths: {
    key: "paths",
    schema: anything,
    description: "Left out: the workflow says when it is started.",
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

/** The key of the mapping is the name; another one in the entry is ignored. */
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

const named: Schema<readonly JobEntry[]> = {
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
        one.report(
          "must have a name in one line, of up to 200 characters, without an index",
        );
      }
      if (one.isNull) one.report("must be a mapping of keys");
      const content = one.isNull ? undefined : namedEntry.parse(one);
      return content === undefined
        ? []
        : [entryOf(name, one, { ...content, name })];
    });
  },
};

const listed: Schema<readonly JobEntry[]> = {
  jsonSchema: () => ({
    type: "array",
    minItems: 1,
    items: listedEntry.jsonSchema(),
  }),
  parse(node) {
    const contents = list(listedEntry, { minimum: 1 }).parse(node);
    if (contents?.length !== node.items?.length) return [];
    return contents?.map((content, at) =>
      entryOf(content.name ?? "", node.items![at], content)
    );
  },
};

/** Schema of the jobs of a workflow. */
export const jobs: Schema<readonly JobEntry[]> = byShape(
  "be a mapping of jobs",
  {
    mapping: named,
    list: listed,
  },
);

function entryOf(
  name: string,
  node: DocumentNode,
  entry: EntryContent,
): JobEntry {
  const {
    name: _name,
    description: _description,
    triggers: _triggers,
    paths: _paths,
    jobFile,
    job = {},
    ...flat
  } = entry;
  return { name, node, jobFile, content: { ...flat, ...job } };
}

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
  /** Description of the job. */
  readonly description?: string;
  /** For which events the job is started. */
  readonly triggers?: TriggerFilter;
  /** For changes of which files the job is started. */
  readonly paths?: PathFilter;
  /** The job; keys here override those beside it. */
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
  schema: optionalText,
  description: "What it is for.",
};

const paths: Key<PathFilter> = {
  key: "paths",
  schema: pathFilter,
  description: "Files for whose changes it is started; any unless given.",
};

const JOB_FILE_KEYS: Keys<JobFileContent> = {
  ...JOB_KEYS,
  name: { key: "name", schema: jobName, description: "Name of the job." },
  description,
  triggers: {
    key: "triggers",
    schema: triggerFilter,
    description: "Events for which the job is started.",
  },
  paths,
  job: {
    key: "job",
    schema: nestedJob,
    description: "The job; keys here override those beside it.",
  },
};

/** Schema of a complete job file. */
export const jobFile: Schema<JobFileContent> = mapping("Job file", {
  ...JOB_FILE_KEYS,
  name: { ...JOB_FILE_KEYS.name, isRequired: true },
}, LENIENT);

/** Schema of a job file over which an entry of a workflow is laid. */
export const baseJobFile: Schema<JobFileContent> = mapping(
  "Job file",
  JOB_FILE_KEYS,
  LENIENT,
);

/** Schema of a workflow file. */
export const workflowFile: Schema<WorkflowFileContent> = mapping("Workflow", {
  id: {
    key: "id",
    schema: optional(text({
      rule: {
        pattern: WORKFLOW_ID,
        words: "consist of up to 63 small letters, digits and dashes",
      },
    })),
    description: "Id of the workflow; it follows from the path unless given.",
  },
  name: {
    key: "name",
    schema: filled,
    description: "Name of the workflow.",
    isRequired: true,
  },
  description,
  on: {
    key: "on",
    alias: "triggers",
    schema: triggerFilter,
    description: "Events for which the workflow is started.",
  },
  isTrue: {
    key: "true",
    schema: triggerFilter,
    description: 'Same as "on", which older YAML takes for the value true.',
  },
  paths,
  vars: {
    key: "vars",
    schema: jsonVariables,
    description: "Variables that the workflow starts with.",
  },
  jobs: {
    key: "jobs",
    schema: jobs,
    description: "Jobs: a mapping of names to jobs, or a list.",
    isRequired: true,
  },
}, { ignoresUnknown: true });
