import { list } from "../../schema/collections.ts";
import type { DocumentNode } from "../../schema/document.ts";
import {
  anything,
  byShape,
  type Keys,
  type Kind,
  mapping,
} from "../../schema/schema.ts";
import type { JobContent } from "./job_body.ts";
import { JOB_KEYS, nestedJob, REFUSED_KEYS } from "./job_body_keys.ts";
import { JOB_NAME, jobName, optionalText } from "./job_kinds.ts";

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
  /** Where the entry stands. */
  readonly node: DocumentNode;
  /** Path of the job file that the entry is laid over. */
  readonly jobFile: string | undefined;
  /** What is said of the job, in either place. */
  readonly content: JobContent;
}

const ENTRY_KEYS: Omit<Keys<EntryContent>, "name"> = {
  ...JOB_KEYS,
  description: {
    key: "description",
    kind: optionalText,
    description: "What the job is for.",
  },
  jobFile: {
    key: "job_file",
    kind: optionalText,
    description:
      "Job file that holds what the entry leaves out: a path from the root, or from .reactorcide/jobs.",
  },
  job: {
    key: "job",
    kind: nestedJob,
    description: "The job; what stands here wins over what stands beside it.",
  },
  triggers: {
    key: "triggers",
    kind: anything,
    description: "Left out: the workflow says when it is started.",
  },
  paths: {
    key: "paths",
    kind: anything,
    description: "Left out: the workflow says when it is started.",
  },
};

const NAME_KEY: Keys<Pick<EntryContent, "name">> = {
  name: {
    key: "name",
    kind: jobName,
    description: "Name of the job, unique in its workflow.",
    isRequired: true,
  },
};

const LENIENT = { ignoresUnknown: true, refused: REFUSED_KEYS };

/** The key of the mapping is the name; another one in the entry is ignored. */
const namedEntry = mapping<Omit<EntryContent, "name"> & { name?: unknown }>(
  "Job",
  {
    name: {
      key: "name",
      kind: anything,
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

const named: Kind<readonly JobEntry[]> = {
  schema: () => ({
    type: "object",
    minProperties: 1,
    propertyNames: { pattern: JOB_NAME.source },
    additionalProperties: namedEntry.schema(),
  }),
  read(node) {
    const entries = node.entries ?? [];
    if (entries.length === 0) node.report("must not be empty");
    return entries.flatMap(([name, one]) => {
      if (!JOB_NAME.test(name)) {
        one.report(
          "must have a name in one line, of up to 200 characters, without an index",
        );
      }
      if (one.isNothing) one.report("must be a mapping of keys");
      const content = one.isNothing ? undefined : namedEntry.read(one);
      return content === undefined
        ? []
        : [entryOf(name, one, { ...content, name })];
    });
  },
};

const listed: Kind<readonly JobEntry[]> = {
  schema: () => ({
    type: "array",
    minItems: 1,
    items: listedEntry.schema(),
  }),
  read(node) {
    const contents = list(listedEntry, { minimum: 1 }).read(node);
    if (contents?.length !== node.items?.length) return [];
    return contents?.map((content, at) =>
      entryOf(content.name ?? "", node.items![at], content)
    );
  },
};

/** Kind of the jobs of a workflow. */
export const jobs: Kind<readonly JobEntry[]> = byShape("be a mapping of jobs", {
  mapping: named,
  list: listed,
});

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
