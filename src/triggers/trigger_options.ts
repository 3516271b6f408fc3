import type { JsonValue } from "../json_value.ts";
import { dictionary, list, VARIABLE_KEYS } from "../schema/collections.ts";
import {
  type Key,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../schema/combinators.ts";
import {
  describeKind,
  exceedsBytes,
  jsonArray,
  jsonBoolean,
  jsonChoice,
  jsonInteger,
  jsonObject,
  jsonString,
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

/** Maximum integer in the database of the coordinator. */
const MAX_INTEGER = 2 ** 31 - 1;

/** The database has an index of names, whose entries have a maximum size. */
const MAX_NAME_BYTES = 2_000;

/** Maximum size of an argument or variable on Linux, its NUL included. */
const MAX_ARGUMENT_BYTES = 128 * 1024;

/** Name of a characteristic. */
const CHARACTERISTICS = { pattern: /^[^=]+$/, words: 'a name without "="' };

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
  dictionary(string, "be an object of strings", { keys: VARIABLE_KEYS }),
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
            `must be a string or a boolean, not ${describeKind(value)}`,
          );
      },
    },
    "be an object of strings and booleans",
    { keys: CHARACTERISTICS },
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
  buildProgramKeys(),
  {
    refused: {
      ...buildDocumentKeys(),
      job_file: NOT_A_FIELD,
      jobFile: NOT_A_FIELD,
    },
  },
);

/** Type of the source of a triggered job. */
export type TriggerSourceType = "git" | "copy" | "none";

/** Resources of a triggered job. */
export interface TriggerResources {
  /** CPU: cores as a number or string (`0.5`), or millicores (`"500m"`). */
  readonly cpu?: {
    /** Share that is reserved for the job. */
    readonly request?: string | number;
    /** Maximum share of the job. */
    readonly limit?: string | number;
  };
  /** Memory: bytes as a number, or a string with a unit (`"4Gi"`). */
  readonly memory?: {
    /** Maximum memory of the job. */
    readonly limit?: string | number;
  };
}

/** Properties of a triggered job except its name. */
export interface TriggerOptions {
  /**
   * Environment variables, which override those of the triggering job. A value
   * can contain a `${secret:path:key}` reference, and has at most 128 KiB.
   *
   * @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Names of jobs that are triggered together with this one and run before it.
   *
   * @default {[]}
   */
  readonly dependsOn?: readonly string[];
  /**
   * Condition for running the job, checked when the jobs in `dependsOn` have
   * ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition;
  /**
   * Type of the source.
   *
   * @default {none; the source of the triggering job is not inherited}
   */
  readonly sourceType?: TriggerSourceType;
  /** URL or path of the source. */
  readonly sourceUrl?: string;
  /** Branch, tag or commit of the source. */
  readonly sourceRef?: string;
  /**
   * Type of the source of the trusted CI code. Only a job that an event started
   * can set it.
   */
  readonly ciSourceType?: TriggerSourceType;
  /** URL of the trusted CI code, which the coordinator may replace. */
  readonly ciSourceUrl?: string;
  /**
   * Branch, tag or commit of the trusted CI code, which the coordinator may
   * replace.
   */
  readonly ciSourceRef?: string;
  /**
   * Image of the container.
   *
   * @default {the image of the triggering job}
   */
  readonly containerImage?: string;
  /** Command of the job, at most 128 KiB. A job without one fails when it starts. */
  readonly jobCommand?: string;
  /**
   * Directory of the source inside the container.
   *
   * @default {that of the triggering job, else "/job/src"}
   */
  readonly codeDir?: string;
  /**
   * Directory in which the command runs.
   *
   * @default {the value of `codeDir`}
   */
  readonly jobDir?: string;
  /** Working directory of the container; overrides `jobDir`. */
  readonly workingDir?: string;
  /**
   * User of the command: `runner`, `root` or `uid[:gid]`.
   *
   * @default {"runner"}
   */
  readonly runAsUser?: string;
  /**
   * Priority in the queue; higher numbers come first.
   *
   * @default {0}
   */
  readonly priority?: number;
  /**
   * Time limit of the job, in whole seconds.
   *
   * @default {that of the triggering job}
   */
  readonly timeoutSeconds?: number;
  /**
   * Capabilities that the job needs: `docker`, `builder`, `gpu`. Only a job
   * that an event started can request them, and only those of its profile.
   */
  readonly capabilities?: readonly string[];
  /** Names of the Kubernetes secrets for pulling the image. */
  readonly imagePullSecrets?: readonly string[];
  /**
   * Items; the job runs once for each of them. Numbers are sent as strings.
   *
   * @default {none; the job runs once, without an item}
   */
  readonly forEach?: readonly JsonValue[];
  /**
   * Environment variable that contains the item.
   *
   * @default {"ITEM"}
   */
  readonly itemVar?: string;
  /** Class of workers, which the coordinator may replace. */
  readonly workerClass?: string;
  /**
   * Properties of the worker, such as `{ arch: "arm64" }`.
   *
   * @default {those of the triggering job}
   */
  readonly characteristics?: Readonly<Record<string, string | boolean>>;
  /** Resources that the job needs. */
  readonly resources?: TriggerResources;
  /** Whether the job is skipped on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Settings for a developer's machine. */
  readonly runLocal?: { readonly [key: string]: JsonValue };
}

/** A follow-up job. */
export interface Trigger extends TriggerOptions {
  /** Name of the job, unique among the jobs that are triggered together. */
  readonly name: string;
}

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
function buildProgramKeys(): Keys<Trigger> {
  return Object.fromEntries(
    Object.entries(TRIGGER_FIELDS).map(([name, field]) => [
      name,
      { ...field, key: name },
    ]),
  ) as unknown as Keys<Trigger>;
}

/** Maps the keys that only documents have to a problem with a suggestion. */
function buildDocumentKeys(): Record<string, string> {
  return Object.fromEntries(
    (Object.entries(TRIGGER_FIELDS) as [string, Key<unknown>][])
      .filter(([name, { key }]) => name !== key)
      .map(([name, { key }]) => [key, `is unknown${didYouMean(name)}`]),
  );
}
