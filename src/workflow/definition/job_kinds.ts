import { listOrOne, record, variables } from "../../schema/collections.ts";
import { optionVariables } from "../../config/job_keys.ts";
import { FILLED_TEXT, optional, text, yamlFlag } from "../../schema/scalars.ts";
import {
  CPU_PATTERN,
  CPU_WORDS,
  MEMORY_PATTERN,
  MEMORY_WORDS,
} from "../../schema/amount.ts";
import { RESERVED_KEYS, SUBDOMAIN } from "../../schema/names.ts";
import { VARIABLE_NAME } from "../../config/text_values.ts";
import { type Kind, mapped, mapping } from "../../schema/schema.ts";
import type { JobBody, JobContent } from "./job_body.ts";

/** Name of a job: one line, not an endless one, and none of a fan-out's. */
// deno-lint-ignore no-control-regex
export const JOB_NAME = /^(?=.*\S)(?!.*\[\d+\]$)[^\x00-\x1f\x7f]{1,200}$/;

/** Kind of the name of a job. */
export const jobName: Kind<string> = text({
  rule: {
    pattern: JOB_NAME,
    words: "be a name in one line, of up to 200 characters, without an index",
  },
});

/** Kind of the names of jobs. */
export const jobNames: Kind<readonly string[]> = listOrOne(
  "be the name of a job or a list of names",
  jobName,
);

/** Kind of a text that must not be empty. */
export const filled: Kind<string> = text({ rule: FILLED_TEXT });

/** Kind of an optional text; an empty one counts as missing. */
export const optionalText: Kind<string> = optional(text());

/** Kind of the name of a variable; an empty one is the default. */
export const variableName: Kind<string> = optional(text({
  rule: {
    pattern: VARIABLE_NAME,
    words: "be the name of a variable, such as ITEM",
  },
  areNumbersTexts: false,
}));

/** Kind of variables that go into a document. */
export const environment: Kind<Readonly<Record<string, string>>> = {
  ...mapped(variables, (value, node) => {
    for (const [name, member] of node.entries ?? []) {
      if (!RESERVED_KEYS.includes(name.trim())) continue;
      member.report("has a name that the coordinator keeps for itself");
    }
    return value;
  }),
  nothing: {},
};

/** Kind of where the code of a job comes from. */
export const source: Kind<NonNullable<JobContent["source"]>> = mapping<
  NonNullable<JobContent["source"]>
>("Source", {
  type: {
    key: "type",
    kind: optionalText,
    description: "Type of the source: git, copy or none.",
  },
  url: { key: "url", kind: optionalText, description: "Address." },
  ref: {
    key: "ref",
    kind: optionalText,
    description: "Branch, tag or commit.",
  },
  path: {
    key: "path",
    kind: optionalText,
    description: "Directory of the code on a developer's machine.",
  },
}, { ignoresUnknown: true });

/** Kind of how code is checked out. */
export const checkout: Kind<Readonly<Record<string, string>>> = mapping(
  "Checkout",
  optionVariables("checkout"),
  { ignoresUnknown: true },
);

/** Kind of the names of Kubernetes secrets. */
export const secretNames: Kind<readonly string[]> = listOrOne(
  "be a text or a list of texts",
  text({
    rule: { pattern: SUBDOMAIN, words: "be the name of a Kubernetes secret" },
  }),
);

const wordOrFlag: Kind<string | boolean> = {
  schema: () => ({ type: ["string", "boolean"], pattern: "^[^\\0]*$" }),
  read(node) {
    if (node.text === undefined) return void node.report("must be a text");
    if (typeof node.value === "boolean") return node.value;
    return typeof node.value === "number"
      ? void node.report("must be put in quotation marks to be a text")
      : text().read(node);
  },
};

/** Kind of what a worker must be like. */
export const characteristics: Kind<
  NonNullable<JobBody["characteristics"]>
> = record(wordOrFlag, "map names to texts or flags", {
  keys: {
    pattern: new RegExp(
      `^(?!(${RESERVED_KEYS.join("|")})$)[^=\\0]*\\S[^=\\0]*$`,
    ),
    words: "a name that the coordinator does not keep for itself",
  },
});

const processors = text({
  rule: { pattern: CPU_PATTERN, words: `be ${CPU_WORDS}` },
});

const memory = text({
  rule: { pattern: MEMORY_PATTERN, words: `be ${MEMORY_WORDS}` },
});

/** Kind of a limit of processors. */
export const cpuLimit: Kind<string> = optional(processors);

/** Kind of a limit of memory. */
export const memoryLimit: Kind<string> = optional(memory);

/** Kind of the resources of a container. */
export const resources: Kind<NonNullable<JobBody["resources"]>> = mapping<
  NonNullable<JobBody["resources"]>
>("Resources", {
  cpu: {
    key: "cpu",
    kind: mapping("Processors", {
      request: {
        key: "request",
        kind: processors,
        description: "Share that is set aside.",
      },
      limit: {
        key: "limit",
        kind: processors,
        description: "Share that may be used.",
      },
    }),
    description: "Processors: cores, or thousandths such as 500m.",
  },
  memory: {
    key: "memory",
    kind: mapping("Memory", {
      limit: {
        key: "limit",
        kind: memory,
        description: "Memory that may be used.",
      },
    }),
    description: "Memory: bytes, or a number with a unit such as 4Gi.",
  },
});

/** Kind of how a job runs on a developer's machine. */
export const runLocal: Kind<NonNullable<JobBody["runLocal"]>> = mapping<
  NonNullable<JobBody["runLocal"]>
>("Local run", {
  asRunner: {
    key: "as_runner",
    kind: yamlFlag,
    description: "Whether the job runs as the user of the runner.",
  },
  user: {
    key: "user",
    kind: optionalText,
    description: "User of the job: runner, root, host or uid[:gid].",
  },
}, { ignoresUnknown: true });
