import { VARIABLE_NAME } from "../../config/job_env.ts";
import {
  list,
  listOrOne,
  record,
  variables,
} from "../../config/job_file/collections.ts";
import { type Kind, mapped } from "../../config/job_file/kind.ts";
import { optionVariables } from "../../config/job_file/job_keys.ts";
import { mapping } from "../../config/job_file/mapping.ts";
import {
  FILLED_TEXT,
  flag,
  text,
  type TextRule,
} from "../../config/job_file/scalars.ts";
import { jobPathProblem } from "../../job_path.ts";
import type { JobBody } from "./job_body.ts";

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** An amount of the coordinator; its units may grow. */
const AMOUNT = /^[0-9]*\.?[0-9]+[A-Za-z]{0,3}$/;

/** Names that the coordinator refuses anywhere in a document. */
const RESERVED = /^(?!(org|org_id|organization)$)/;

/** What a whole number looks like. */
const WHOLE_NUMBER: TextRule = {
  pattern: /^-?\d{1,9}$/,
  words: "be a whole number",
};

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

/** Kind of what must say something. */
export const filled: Kind<string> = text({ rule: FILLED_TEXT });

/** Kind of a path that a job knows. */
export const jobPath: Kind<string> = text({
  rule: FILLED_TEXT,
  problemOf: (path) => path.startsWith("/") ? jobPathProblem(path) : undefined,
});

/** Kind of the name of a variable. */
export const variableName: Kind<string> = text({
  rule: {
    pattern: VARIABLE_NAME,
    words: "be the name of a variable, such as ITEM",
  },
  areNumbersTexts: false,
});

/** Kind of variables that go into a document. */
export const environment: Kind<Readonly<Record<string, string>>> = {
  ...mapped(variables, (value, node) => {
    for (const [name, member] of node.entries ?? []) {
      if (RESERVED.test(name.trim())) continue;
      member.report("has a name that the coordinator keeps for itself");
    }
    return value;
  }),
  nothing: {},
};

/** Kind of how code is checked out. */
export const checkout: Kind<Readonly<Record<string, string>>> = mapping(
  "Checkout",
  optionVariables("checkout"),
);

/** Kind of a rank, which may be below zero. */
export const priority: Kind<number> = {
  ...mapped(text({ rule: WHOLE_NUMBER }), Number),
  schema: () => ({
    type: ["integer", "string"],
    pattern: WHOLE_NUMBER.pattern.source,
  }),
};

/** Kind of the names of Kubernetes secrets. */
export const secretNames: Kind<readonly string[]> = list(text({
  rule: { pattern: SUBDOMAIN, words: "be the name of a Kubernetes secret" },
}));

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
    pattern: /^(?!(org|org_id|organization)$)[^=\0]*\S[^=\0]*$/,
    words: "a name that the coordinator does not keep for itself",
  },
});

const amount = text({
  rule: {
    pattern: AMOUNT,
    words: 'be an amount such as 2, "500m" or "4Gi"',
  },
});

/** Kind of the resources of a container. */
export const resources: Kind<NonNullable<JobBody["resources"]>> = mapping<
  NonNullable<JobBody["resources"]>
>("Resources", {
  cpu: {
    key: "cpu",
    kind: mapping("Processors", {
      request: {
        key: "request",
        kind: amount,
        description: "Share that is set aside.",
      },
      limit: {
        key: "limit",
        kind: amount,
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
        kind: amount,
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
    kind: flag,
    description: "Whether the job runs as the user of the runner.",
  },
  user: { key: "user", kind: filled, description: "User of the job." },
});
