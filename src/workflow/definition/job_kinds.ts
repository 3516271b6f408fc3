import { listOrOne, record, variables } from "../../schema/collections.ts";
import { optionVariables } from "../../config/job_keys.ts";
import { FILLED_TEXT, text, yamlFlag } from "../../schema/scalars.ts";
import { VARIABLE_NAME } from "../../config/text_values.ts";
import { type Kind, mapped, mapping } from "../../schema/schema.ts";
import type { JobBody, JobContent } from "./job_body.ts";

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** An amount of the coordinator; its units may grow. */
const AMOUNT = /^[0-9]*\.?[0-9]+[A-Za-z]{0,3}$/;

/** Names that the coordinator refuses anywhere in a document. */
const RESERVED = /^(?!(org|org_id|organization)$)/;

/** Numbers of YAML, each with the base of its digits. */
const NUMBERS: readonly (readonly [RegExp, number])[] = [
  [/^([-+]?)0x([0-9a-f]+)$/i, 16],
  [/^([-+]?)0b([01]+)$/i, 2],
  [/^([-+]?)0o([0-7]+)$/i, 8],
  [/^([-+]?)0([0-7]+)$/, 8],
];

/** Every spelling of a number that may be a whole one. */
const NUMBER =
  /^[-+]?(0_*[xX][0-9a-fA-F_]+|0_*[bB][01_]+|0_*[oO][0-7_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?)$/;

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
export const optionalText: Kind<string> = mapped(
  text(),
  (value) => value.trim() === "" ? undefined : value,
);

/** Kind of the name of a variable; an empty one is the default. */
export const variableName: Kind<string> = {
  ...mapped(
    text({
      rule: {
        pattern: new RegExp(`^$|${VARIABLE_NAME.source}`),
        words: "be the name of a variable, such as ITEM",
      },
      areNumbersTexts: false,
    }),
    (name) => name === "" ? undefined : name,
  ),
};

/**
 * Makes the kind of a whole number, in every spelling that the YAML decoder of
 * Go takes for one: `1_800`, `0x10`, `010` for eight, `18e2`.
 *
 * @param minimum Least number.
 * @param maximum Greatest number.
 * @returns The kind.
 */
export function wholeNumber(minimum: number, maximum: number): Kind<number> {
  return {
    schema: () => ({
      type: ["integer", "string"],
      minimum,
      maximum,
      pattern: NUMBER.source,
    }),
    read(node) {
      const value = numberOf(node.text ?? "");
      if (Number.isInteger(value) && value >= minimum && value <= maximum) {
        return value;
      }
      const shown = node.text === undefined
        ? ""
        : `, not ${JSON.stringify(node.text.slice(0, 100))}`;
      return void node.report(
        `must be a whole number from ${minimum} to ${maximum}${shown}`,
      );
    },
  };
}

function numberOf(text: string): number {
  if (!NUMBER.test(text)) return NaN;
  const plain = text.replaceAll("_", "");
  for (const [pattern, base] of NUMBERS) {
    const [, sign, digits] = pattern.exec(plain) ?? [];
    if (digits !== undefined) {
      return parseInt(digits, base) * (sign === "-" ? -1 : 1);
    }
  }
  return Number(plain);
}

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
    pattern: /^(?!(org|org_id|organization)$)[^=\0]*\S[^=\0]*$/,
    words: "a name that the coordinator does not keep for itself",
  },
});

const AMOUNT_WORDS = 'be an amount such as 2, "500m" or "4Gi"';

const amount = text({ rule: { pattern: AMOUNT, words: AMOUNT_WORDS } });

/** Kind of an optional amount; an empty one counts as missing. */
export const optionalAmount: Kind<string> = mapped(
  text({
    rule: {
      pattern: new RegExp(`^$|${AMOUNT.source}`),
      words: AMOUNT_WORDS,
    },
  }),
  (value) => value === "" ? undefined : value,
);

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
    kind: yamlFlag,
    description: "Whether the job runs as the user of the runner.",
  },
  user: {
    key: "user",
    kind: optionalText,
    description: "User of the job: runner, root, host or uid[:gid].",
  },
}, { ignoresUnknown: true });
