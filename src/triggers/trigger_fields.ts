import type { JsonValue } from "../json_value.ts";
import { dictionary, list } from "../schema/collections.ts";
import {
  type Key,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../schema/combinators.ts";
import {
  exceedsBytes,
  jsonArray,
  jsonBoolean,
  jsonChoice,
  jsonInteger,
  jsonObject,
  jsonString,
  kindOf,
} from "../schema/copy_json.ts";
import {
  type Condition,
  CONDITION_WORDS,
  conditionDescription,
  CONDITIONS,
  CPU_PATTERN,
  CPU_WORDS,
  MEMORY_PATTERN,
  MEMORY_WORDS,
  parseCondition,
  SUBDOMAIN,
} from "../schema/scalars.ts";
import { didYouMean } from "../suggest.ts";
import type {
  Trigger,
  TriggerResources,
  TriggerSourceType,
} from "./trigger_options.ts";

/** Greatest number that the database of the coordinator stores. */
const MAX_INTEGER = 2 ** 31 - 1;

/** The database has an index of names, whose entries have a maximum size. */
const MAX_NAME_BYTES = 2_000;

/** Maximum size of an argument or variable on Linux, its NUL included. */
const MAX_ARGUMENT_BYTES = 128 * 1024;

/** Name of a variable, or of a characteristic. */
const NAMES = { pattern: /^[^=]+$/, words: 'a name without "="' };

const string = jsonString();

const sourceType = jsonChoice(
  ["git", "copy", "none"],
  ["" as TriggerSourceType],
);

const strings: Schema<readonly string[]> = mapped(
  list(jsonString({ rule: { pattern: /[^]/, words: "not be empty" } })),
  (texts) => [...new Set(texts)],
);

const secretNames: Schema<readonly string[]> = mapped(
  list(jsonString({
    rule: {
      pattern: SUBDOMAIN,
      words:
        'be the name of a Kubernetes secret: at most 253 lower-case letters, digits, "-" and "."',
    },
  })),
  (texts) => [...new Set(texts)],
);

const condition: Schema<Condition> = {
  jsonSchema: () => ({ enum: Object.keys(CONDITIONS) }),
  parse: (node) =>
    parseCondition(node.value) ??
      void node.report(`must be ${CONDITION_WORDS}`),
};

const environment: Schema<Readonly<Record<string, string>>> = mapped(
  dictionary(string, "be an object of strings", { keys: NAMES }),
  (variables, { entries = [] }) => {
    for (const [name, node] of entries) {
      const problem = variableProblem(name, variables[name] ?? "");
      if (problem !== undefined) node.report(problem);
    }
    return variables;
  },
);

const characteristics: Schema<Readonly<Record<string, string | boolean>>> =
  dictionary(
    {
      jsonSchema: () => ({ type: ["string", "boolean"] }),
      parse: (node) => {
        const { value } = node;
        if (typeof value === "boolean") return value;
        return typeof value === "string"
          ? string.parse(node)
          : void node.report(
            `must be a string or a boolean, not ${kindOf(value)}`,
          );
      },
    },
    "be an object of strings and booleans",
    { keys: NAMES },
  );

/** The coordinator would print a large number as 1e+06. */
const items: Schema<readonly JsonValue[]> = mapped(
  jsonArray,
  (values) =>
    values.map((value) => typeof value === "number" ? `${value}` : value),
);

const resources: Schema<TriggerResources> = mapping("Resources", {
  cpu: {
    key: "cpu",
    description: "Processors.",
    schema: mapping("Processors", {
      request: {
        key: "request",
        description: "Share that is reserved for the job.",
        schema: amount(CPU_PATTERN, CPU_WORDS),
      },
      limit: {
        key: "limit",
        description: "Maximum share of the job.",
        schema: amount(CPU_PATTERN, CPU_WORDS),
      },
    }),
  },
  memory: {
    key: "memory",
    description: "Memory.",
    schema: mapping("Memory", {
      limit: {
        key: "limit",
        description: "Maximum memory of the job.",
        schema: amount(MEMORY_PATTERN, MEMORY_WORDS),
      },
    }),
  },
});

/**
 * Every field of a trigger, in the order in which documents are written, with
 * its key in documents.
 */
export const TRIGGER_FIELDS: Keys<Trigger> = {
  name: {
    key: "job_name",
    description: "Name of the job, unique in its document.",
    schema: jsonString({
      rule: { pattern: /\S/, words: "not be empty" },
      maxBytes: MAX_NAME_BYTES,
    }),
    isRequired: true,
  },
  dependsOn: {
    key: "depends_on",
    description:
      "Names of jobs of the document that must end before this one starts.",
    schema: strings,
  },
  condition: {
    key: "condition",
    description: conditionDescription("job"),
    schema: condition,
  },
  env: {
    key: "env",
    description: "Environment variables of the job.",
    schema: environment,
  },
  sourceType: {
    key: "source_type",
    description: "Type of the source.",
    schema: sourceType,
  },
  sourceUrl: {
    key: "source_url",
    description: "URL or path of the source.",
    schema: string,
  },
  sourceRef: {
    key: "source_ref",
    description: "Branch, tag or commit of the source.",
    schema: string,
  },
  ciSourceType: {
    key: "ci_source_type",
    description: "Type of the source of the trusted CI code.",
    schema: sourceType,
  },
  ciSourceUrl: {
    key: "ci_source_url",
    description: "URL or path of the trusted CI code.",
    schema: string,
  },
  ciSourceRef: {
    key: "ci_source_ref",
    description: "Branch, tag or commit of the trusted CI code.",
    schema: string,
  },
  containerImage: {
    key: "container_image",
    description: "Image of the container.",
    schema: string,
  },
  jobCommand: {
    key: "job_command",
    description: "Command of the job.",
    schema: jsonString({ maxBytes: MAX_ARGUMENT_BYTES - 1 }),
  },
  codeDir: {
    key: "code_dir",
    description: "Directory of the source in the container.",
    schema: string,
  },
  jobDir: {
    key: "job_dir",
    description: "Directory in which the command runs.",
    schema: string,
  },
  workingDir: {
    key: "working_dir",
    description: "Working directory of the container; overrides job_dir.",
    schema: string,
  },
  runAsUser: {
    key: "run_as_user",
    description: "User of the command.",
    schema: jsonString({
      rule: {
        pattern: /^\s*(|runner|root|[0-9]{1,9}(:[0-9]{0,9})?)\s*$/i,
        words: 'be "runner", "root" or uid[:gid]',
      },
    }),
  },
  priority: {
    key: "priority",
    description: "Priority in the queue; higher numbers come first.",
    schema: jsonInteger(-MAX_INTEGER - 1, MAX_INTEGER),
  },
  timeoutSeconds: {
    key: "timeout",
    description: "Time limit of the job, in whole seconds.",
    schema: jsonInteger(1, MAX_INTEGER),
  },
  capabilities: {
    key: "capabilities",
    description: "Capabilities that the job needs: docker, builder, gpu.",
    schema: strings,
  },
  imagePullSecrets: {
    key: "image_pull_secrets",
    description: "Names of the Kubernetes secrets for pulling the image.",
    schema: secretNames,
  },
  forEach: {
    key: "for_each",
    description: "Items for each of which the job runs once.",
    schema: items,
  },
  itemVar: {
    key: "item_var",
    description: "Environment variable that contains the item.",
    schema: jsonString({
      rule: { pattern: /^[^=]*$/, words: 'not contain "="' },
    }),
  },
  workerClass: {
    key: "worker_class",
    description: "Class of workers.",
    schema: string,
  },
  characteristics: {
    key: "characteristics",
    description: "Properties of the worker, such as arch.",
    schema: characteristics,
  },
  resources: {
    key: "resources",
    description: "Resources that the job needs.",
    schema: resources,
  },
  disableRunLocal: {
    key: "disable_run_local",
    description: "Whether the job is skipped on a developer's machine.",
    schema: jsonBoolean,
  },
  runLocal: {
    key: "run_local",
    description: "Settings for a developer's machine.",
    schema: jsonObject,
  },
};

const NOT_A_FIELD = "is refused by the coordinator";

/** Schema of a job with the keys of documents. */
export const wireTrigger: Schema<Trigger> = mapping("Job", TRIGGER_FIELDS, {
  refused: { job_file: NOT_A_FIELD },
});

/** Schema of a trigger with the property names of programs. */
export const programTrigger: Schema<Trigger> = mapping(
  "Trigger",
  programKeys(),
  {
    refused: { ...documentKeys(), job_file: NOT_A_FIELD, jobFile: NOT_A_FIELD },
  },
);

/**
 * Describes why a variable cannot be part of the environment of a process.
 *
 * @returns The problem, phrased to follow the variable; `undefined` if there is
 * none.
 */
export function variableProblem(
  name: string,
  value: string,
): string | undefined {
  const nameBytes = new TextEncoder().encode(name).length;
  const maxBytes = MAX_ARGUMENT_BYTES - nameBytes - 2;
  return exceedsBytes(value, maxBytes)
    ? `must be at most ${maxBytes} bytes: Linux starts no program with a longer variable`
    : undefined;
}

/** Schema of an amount; the coordinator trims the text. */
function amount(pattern: RegExp, words: string): Schema<string | number> {
  return {
    jsonSchema: () => ({
      type: ["string", "number"],
      pattern: pattern.source,
      minimum: 0,
    }),
    parse(node) {
      const { value } = node;
      if (typeof value === "number") {
        if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value;
      } else if (typeof value === "string" && pattern.test(value.trim())) {
        return value;
      }
      return void node.report(`must be ${words}`);
    },
  };
}

/** Most fields have different names in documents than in programs. */
function programKeys(): Keys<Trigger> {
  return Object.fromEntries(
    Object.entries(TRIGGER_FIELDS).map(([name, field]) => [
      name,
      { ...field, key: name },
    ]),
  ) as unknown as Keys<Trigger>;
}

/** Maps the keys that only documents have to a problem with a suggestion. */
function documentKeys(): Record<string, string> {
  return Object.fromEntries(
    (Object.entries(TRIGGER_FIELDS) as [string, Key<unknown>][])
      .filter(([name, { key }]) => name !== key)
      .map(([name, { key }]) => [key, `is unknown${didYouMean(name)}`]),
  );
}
