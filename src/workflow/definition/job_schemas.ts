import {
  type ArtifactDefinition,
  type ArtifactWhen,
  DEFAULT_RETENTION_MS,
} from "../../artifacts/artifact.ts";
import { patternProblem } from "../../artifacts/select_files.ts";
import { CACHE_NAME } from "../../cache/cache_entry.ts";
import { optionVariables } from "../../config/job_keys.ts";
import type { JsonValue } from "../../json_value.ts";
import {
  dictionary,
  list,
  listOrOne,
  variables,
} from "../../schema/collections.ts";
import {
  byShape,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../../schema/combinators.ts";
import { copyJson, RESERVED_KEYS } from "../../schema/copy_json.ts";
import type { DocumentNode } from "../../schema/document.ts";
import {
  choice,
  CPU_PATTERN,
  CPU_WORDS,
  integer,
  MEMORY_PATTERN,
  MEMORY_WORDS,
  optional,
  positiveDuration,
  SUBDOMAIN,
  text,
  variableName,
  yamlFlag,
} from "../../schema/scalars.ts";
import type { JobBody, JobContent, JobNeed } from "./definition.ts";

/** One part of a name: of a label, a taint or their values. */
const NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";

/** Name of a label, with or without a domain. */
const LABEL = new RegExp(
  `^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?${NAME}$`,
);

/** Value of a label, which may be empty. */
const VALUE = new RegExp(`^(?:${NAME})?$`);

const value = text({
  rule: {
    pattern: VALUE,
    words: "be the value of a label: up to 63 letters, digits, -, _ and .",
  },
});

/** Schema of the labels that a node must have. */
export const nodeSelector: Schema<NonNullable<JobBody["nodeSelector"]>> =
  dictionary(value, "map names of labels to their values", {
    keys: { pattern: LABEL, words: "the name of a label of a node" },
  });

/** Rule for the name of an artifact, as messages say it. */
const NAME_WORDS =
  'consist of letters, digits, ".", "_" and "-", and start with a letter or digit';

const WHEN: readonly ArtifactWhen[] = ["on_success", "on_failure", "always"];

const artifactName: Schema<string> = text({
  rule: { pattern: CACHE_NAME, words: NAME_WORDS },
});

const pattern: Schema<string> = mapped(text(), (value, node) => {
  const problem = patternProblem(value);
  return problem === undefined ? value : void node.report(problem);
});

/**
 * Name of a job: a single line of limited length, without the index of a
 * fan-out.
 */
// deno-lint-ignore no-control-regex
export const JOB_NAME = /^(?=.*\S)(?!.*\[\d+\]$)[^\x00-\x1f\x7f]{1,200}$/;

/** Rule for the name of a job, as messages say it. */
export const JOB_NAME_WORDS =
  "a name in one line, of up to 200 characters, that does not end in an index such as [0]";

/** Schema of the name of a job. */
export const jobName: Schema<string> = text({
  rule: { pattern: JOB_NAME, words: `be ${JOB_NAME_WORDS}` },
});

/** Schema of an optional string; an empty one counts as missing. */
export const optionalText: Schema<string> = optional(text());

/** Schema of the name of a variable; an empty name means the default. */
export const optionalVariableName: Schema<string> = optional(variableName);

/** Schema of environment variables. */
export const environment: Schema<Readonly<Record<string, string>>> = {
  ...mapped(variables, (value, node) => {
    for (const [name, member] of node.entries ?? []) {
      if (!RESERVED_KEYS.includes(name.trim())) continue;
      member.report("has a name that is reserved for the coordinator");
    }
    return value;
  }),
  nullValue: {},
};

/** Schema of the source of a job. */
export const source: Schema<NonNullable<JobContent["source"]>> = mapping<
  NonNullable<JobContent["source"]>
>("Source", {
  type: {
    key: "type",
    schema: optionalText,
    description: "Type of the source: git, copy or none.",
  },
  url: { key: "url", schema: optionalText, description: "Address." },
  ref: {
    key: "ref",
    schema: optionalText,
    description: "Branch, tag or commit.",
  },
  path: {
    key: "path",
    schema: optionalText,
    description: "Directory of the code on a developer's machine.",
  },
}, { ignoresUnknown: true });

/** Schema of checkout settings. */
export const checkout: Schema<Readonly<Record<string, string>>> = mapping(
  "Checkout",
  optionVariables("checkout"),
  { ignoresUnknown: true },
);

/** Schema of the names of Kubernetes secrets. */
export const secretNames: Schema<readonly string[]> = listOrOne(
  "be a string or a list of strings",
  text({
    rule: { pattern: SUBDOMAIN, words: "be the name of a Kubernetes secret" },
  }),
);

const wordOrFlag: Schema<string | boolean> = {
  jsonSchema: () => ({ type: ["string", "boolean"], pattern: "^[^\\0]*$" }),
  parse(node) {
    if (node.text === undefined) return void node.report("must be a string");
    if (typeof node.value === "boolean") return node.value;
    return typeof node.value === "number"
      ? void node.report("must be quoted to be a string")
      : text().parse(node);
  },
};

/** Schema of characteristics that a worker must have. */
export const characteristics: Schema<
  NonNullable<JobBody["characteristics"]>
> = dictionary(wordOrFlag, "map names to strings or booleans", {
  keys: {
    pattern: new RegExp(
      `^(?!(${RESERVED_KEYS.join("|")})$)[^=\\0]*\\S[^=\\0]*$`,
    ),
    words: "a name that is not reserved for the coordinator",
  },
});

const processors = text({
  rule: { pattern: CPU_PATTERN, words: `be ${CPU_WORDS}` },
});

const memory = text({
  rule: { pattern: MEMORY_PATTERN, words: `be ${MEMORY_WORDS}` },
});

/** Schema of a CPU limit. */
export const cpuLimit: Schema<string> = optional(processors);

/** Schema of a memory limit. */
export const memoryLimit: Schema<string> = optional(memory);

/** Schema of the resources of a container. */
export const resources: Schema<NonNullable<JobBody["resources"]>> = mapping<
  NonNullable<JobBody["resources"]>
>("Resources", {
  cpu: {
    key: "cpu",
    schema: mapping("Processors", {
      request: {
        key: "request",
        schema: processors,
        description: "Reserved share.",
      },
      limit: {
        key: "limit",
        schema: processors,
        description: "Maximum share.",
      },
    }),
    description: "CPU: cores, or millicores such as 500m.",
  },
  memory: {
    key: "memory",
    schema: mapping("Memory", {
      limit: {
        key: "limit",
        schema: memory,
        description: "Maximum memory.",
      },
    }),
    description: "Memory: bytes, or a number with a unit such as 4Gi.",
  },
});

/** Schema of the settings for a developer's machine. */
export const runLocal: Schema<NonNullable<JobBody["runLocal"]>> = mapping<
  NonNullable<JobBody["runLocal"]>
>("Local run", {
  asRunner: {
    key: "as_runner",
    schema: yamlFlag,
    description: "Whether the job runs as the user of the runner.",
  },
  user: {
    key: "user",
    schema: optionalText,
    description: "User of the job: runner, root, host or uid[:gid].",
  },
}, { ignoresUnknown: true });

/** Maximum depth of nested values. */
const MAX_DEPTH = 100;

/** Schema of the variables of a workflow, which map names to JSON values. */
export const jsonVariables: Schema<Readonly<Record<string, JsonValue>>> = {
  jsonSchema: () => ({
    type: "object",
    propertyNames: { pattern: "\\S", not: { enum: RESERVED_KEYS } },
  }),
  parse(node) {
    const { entries } = node;
    if (entries === undefined) {
      return void node.report("must map names to values");
    }
    for (const [key, value] of entries) {
      if (key.trim() === "") value.report("must have a name");
    }
    return parseJsonNode(node, 0) as Readonly<Record<string, JsonValue>>;
  },
};

/**
 * Schema of the items of `for_each`. Scalars keep their text, because the
 * coordinator would print a large number as `1e+06`. An item may be null.
 */
export const jsonItems: Schema<readonly JsonValue[]> = {
  jsonSchema: () => ({ type: "array" }),
  parse: (node) =>
    node.items === undefined
      ? void node.report("must be a list")
      : node.items.map((item) => item.text ?? parseJsonNode(item, 0)),
};

function parseJsonNode(node: DocumentNode, depth: number): JsonValue {
  if (depth > MAX_DEPTH) {
    node.report(`is nested deeper than ${MAX_DEPTH} levels`);
    return null;
  }
  if (node.isNull) return null;
  if (node.items !== undefined) {
    return node.items.map((item) => parseJsonNode(item, depth + 1));
  }
  if (node.entries === undefined) return parseJsonScalar(node);
  const members = node.entries.map(([key, value]) => {
    if (RESERVED_KEYS.includes(key) || key === "__proto__") {
      value.report("has a name that is reserved for the coordinator");
    }
    return [key, parseJsonNode(value, depth + 1)] as const;
  });
  return Object.fromEntries(members);
}

function parseJsonScalar(node: DocumentNode): JsonValue {
  const { value } = node;
  if (typeof value === "number" && !isExact(value)) {
    node.report("must be quoted: JSON cannot represent this number exactly");
    return null;
  }
  try {
    return copyJson(value, "it");
  } catch {
    node.report("must be a value that JSON can represent");
    return null;
  }
}

function isExact(value: number): boolean {
  return Number.isInteger(value)
    ? Number.isSafeInteger(value)
    : Number.isFinite(value);
}

/** An artifact as written. */
interface ArtifactContent {
  readonly paths?: readonly string[];
  readonly retention?: number;
  readonly when?: ArtifactWhen;
  readonly isOptional?: boolean;
}

const ARTIFACT_KEYS: Keys<ArtifactContent> = {
  paths: {
    key: "paths",
    schema: listOrOne("be a pattern or a list of patterns", pattern, {
      minimum: 1,
    }),
    description:
      "Patterns of paths relative to the code directory, each of which must match something; a directory is saved with everything in it.",
    isRequired: true,
  },
  retention: {
    key: "retention",
    schema: positiveDuration,
    description: "How long the artifact is kept, such as 12h or 30d.",
    defaultValue: "7d",
  },
  when: {
    key: "when",
    schema: choice(WHEN),
    description: "Whether it is saved if the job succeeds, fails, or both.",
    defaultValue: "on_success",
  },
  isOptional: {
    key: "optional",
    schema: yamlFlag,
    description:
      "Whether the job may end without saving it; jobs that need it then run without it.",
    defaultValue: false,
  },
};

const artifact = mapping<ArtifactContent>("Artifact", ARTIFACT_KEYS);

/** Schema of the artifacts of a job. */
export const artifacts: Schema<readonly ArtifactDefinition[]> = {
  jsonSchema: () => ({
    type: "object",
    propertyNames: { pattern: CACHE_NAME.source },
    additionalProperties: artifact.jsonSchema(),
  }),
  parse(node) {
    if (node.entries === undefined) {
      return void node.report("must map names to artifacts");
    }
    return node.entries.map(([name, one]): ArtifactDefinition => {
      if (!CACHE_NAME.test(name)) one.report(`must ${NAME_WORDS}`);
      if (one.isNull) one.report("must be a mapping with paths");
      const content = one.isNull ? {} : artifact.parse(one) ?? {};
      const { paths = [], retention, when, isOptional } = content;
      return {
        name,
        paths,
        retentionMs: retention ?? DEFAULT_RETENTION_MS,
        when: when ?? "on_success",
        isOptional: isOptional ?? false,
      };
    });
  },
};

const plainNeed: Schema<JobNeed> = mapped(jobName, (job) => ({ job }));

const needMapping = mapping<Partial<JobNeed>>("Dependency", {
  job: {
    key: "job",
    schema: jobName,
    description: "Name of the job.",
    isRequired: true,
  },
  artifacts: {
    key: "artifacts",
    schema: listOrOne(
      "be the name of an artifact or a list of names",
      artifactName,
    ),
    description: "Names of the artifacts that this job gets from it.",
  },
});

const needWithArtifacts: Schema<JobNeed> = mapped(
  needMapping,
  ({ job, artifacts }) => job === undefined ? undefined : { job, artifacts },
);

const need: Schema<JobNeed> = byShape(
  "be the name of a job, or a mapping with job and artifacts",
  { scalar: plainNeed, mapping: needWithArtifacts },
);

/** Schema of the jobs that a job needs. */
export const needs: Schema<readonly JobNeed[]> = byShape(
  "be the name of a job or a list of names",
  {
    scalar: mapped(plainNeed, (one) => [one]),
    list: list(need),
    mapping: mapped(needWithArtifacts, (one) => [one]),
  },
);

/** A toleration of a job file. */
type Toleration = NonNullable<JobBody["tolerations"]>[number];

/** Maximum time for which a taint is tolerated, in seconds. */
const MAX_TOLERATION_SECONDS = 2 ** 31 - 1;

/** Schema of the taints that a job tolerates, as Kubernetes defines them. */
export const tolerations: Schema<readonly Toleration[]> = list(
  mapping<Toleration>("Toleration", {
    key: {
      key: "key",
      schema: text({
        rule: { pattern: LABEL, words: "be the name of a taint" },
      }),
      description: "Name of the taint; all taints without it.",
    },
    operator: {
      key: "operator",
      schema: choice(["Equal", "Exists"] as const),
      description:
        "Whether the value must be equal, or any value is tolerated.",
      defaultValue: "Equal",
    },
    value: { key: "value", schema: value, description: "Value of the taint." },
    effect: {
      key: "effect",
      schema: choice(["NoSchedule", "PreferNoSchedule", "NoExecute"] as const),
      description: "Effect of the taint; all effects without it.",
    },
    tolerationSeconds: {
      key: "tolerationSeconds",
      schema: integer(0, MAX_TOLERATION_SECONDS),
      description: "Seconds for which NoExecute is tolerated.",
    },
  }),
);
