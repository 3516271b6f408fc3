import { VARIABLE_NAME } from "../environment/variables.ts";
import { jobPathProblem } from "../job_path.ts";
import {
  dictionary,
  item,
  list,
  listOrOne,
  variables,
} from "../schema/collections.ts";
import {
  byShape,
  type JsonSchema,
  type Keys,
  keySchema,
  mapped,
  mapping,
  type Schema,
} from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import {
  type NamedNode,
  readDependencies,
  reportGraphProblems,
} from "../schema/graph_problems.ts";
import {
  condition,
  conditionDescription,
  decimal,
  duration,
  FILLED_TEXT,
  filledText,
  flag,
  integer,
  positiveDuration,
  text,
  variableName,
} from "../schema/scalars.ts";
import { when, WHEN_DESCRIPTION } from "../schema/when.ts";
import { didYouMean, suggest } from "../suggest.ts";
import { serviceKeys } from "./service_keys.ts";
import { cacheUses, stepCache } from "./step_cache_config.ts";
import {
  type ConcurrencyGroup,
  GROUP_NAME,
  inheritance,
  type MatrixConfig,
  MAX_GROUP_LIMIT,
  MAX_STEP_NAME_LENGTH,
  permissions,
  type RetryConfig,
  serviceGraphProblems,
  settingProblems,
  STEP_NAME,
  type StepConfig,
  stepNameProblem,
  type StepSettings,
} from "./step_config.ts";

/** JSON Schema of a key that is the name of a step. */
const STEP_NAME_SCHEMA: JsonSchema = {
  minLength: 1,
  maxLength: MAX_STEP_NAME_LENGTH,
  pattern: STEP_NAME.source,
};

/** Schema of a step name. */
const stepName: Schema<string> = {
  ...text({ findProblem: stepNameProblem }),
  jsonSchema: () => ({
    type: ["string", "number", "boolean"],
    ...STEP_NAME_SCHEMA,
    minimum: 0,
  }),
};

const words: Schema<readonly string[]> = list(filledText, { minimum: 1 });

/** Schema of a command. */
const command: Schema<string | readonly string[]> = byShape<
  string | readonly string[]
>("be a string or a list of strings", {
  scalar: filledText,
  list: {
    jsonSchema: () => ({
      type: "array",
      minItems: 1,
      items: [filledText.jsonSchema()],
      additionalItems: text().jsonSchema(),
    }),
    parse(node) {
      const items = node.items ?? [];
      if (items.length === 0) node.report("must not be empty");
      return items.flatMap((item, at) => {
        if (item.isNull) return item.report("must not be empty") ?? [];
        return (at === 0 ? filledText : text()).parse(item) ?? [];
      });
    },
  },
});

const retry: Schema<RetryConfig> = byShape(
  "be a number of attempts or a mapping",
  {
    scalar: mapped(integer(1, 100), (attempts) => ({ attempts })),
    mapping: mapping<RetryConfig>("Retry", {
      attempts: {
        key: "attempts",
        schema: integer(1, 100),
        description: "Maximum number of attempts, including the first.",
        isRequired: true,
      },
      delayMs: {
        key: "delay",
        schema: duration,
        description: "Delay before the second attempt.",
        defaultValue: "1s",
      },
      factor: {
        key: "factor",
        alias: "backoff",
        schema: decimal(1, 1_000),
        description: "Factor by which the delay grows with each attempt.",
        defaultValue: 2,
      },
      maxDelayMs: {
        key: "max_delay",
        schema: duration,
        description: "Maximum delay between two attempts.",
        defaultValue: "60s",
      },
      jitter: {
        key: "jitter",
        schema: decimal(0, 1),
        description: "Maximum share of the delay that is subtracted at random.",
        defaultValue: 0.5,
      },
      exitCodes: {
        key: "exit_codes",
        schema: listOrOne("be a number or a list of numbers", integer(1, 255), {
          minimum: 1,
        }),
        description:
          "Exit codes to retry; 124 is the time limit. By default, all except 0.",
      },
    }),
  },
);

/** Schema of the shell of a job or step. */
export const shell: Schema<readonly string[]> = byShape<readonly string[]>(
  "be a string or a list of strings",
  {
    scalar: mapped(filledText, (text) => text.trim().split(/\s+/)),
    list: words,
  },
);

const groupName = text({
  rule: {
    pattern: GROUP_NAME,
    words: "consist of up to 100 letters, digits, ., _ and -, such as deploy",
  },
});

const concurrencyGroup: Schema<ConcurrencyGroup> = byShape(
  "be the name of a group or a mapping",
  {
    scalar: mapped(groupName, (group) => ({ group })),
    mapping: mapping<ConcurrencyGroup>("Concurrency", {
      group: {
        key: "group",
        schema: groupName,
        description: "Name of the group.",
        isRequired: true,
      },
      limit: {
        key: "limit",
        schema: integer(1, MAX_GROUP_LIMIT),
        description: "Maximum number of steps that run at once.",
        defaultValue: 1,
      },
    }),
  },
);

const VARIABLE_NAMES = {
  pattern: VARIABLE_NAME,
  words: "the name of a variable, such as OS",
};

const axis = list(item, { minimum: 1 });

const combinations = list(
  dictionary(item, "map names to values", { keys: VARIABLE_NAMES, minimum: 1 }),
  { minimum: 1 },
);

const MATRIX_EXTRAS = {
  include: {
    schema: combinations,
    description:
      "Combinations to add, or variables to add to the combinations that they match.",
  },
  exclude: {
    schema: combinations,
    description: "Combinations to leave out.",
  },
};

/** Schema of a matrix: lists of values by variable. */
const matrix: Schema<MatrixConfig> = {
  jsonSchema: () => ({
    title: "Matrix",
    type: "object",
    properties: {
      include: keySchema(MATRIX_EXTRAS.include),
      exclude: keySchema(MATRIX_EXTRAS.exclude),
    },
    propertyNames: { pattern: VARIABLE_NAME.source },
    additionalProperties: {
      ...axis.jsonSchema(),
      description: "Values of a variable.",
    },
    not: {
      type: "object",
      propertyNames: { enum: ["include", "exclude"] },
      properties: { include: { type: "null" } },
    },
  }),
  parse(node) {
    const { entries } = node;
    if (entries === undefined) {
      return void node.report("must map names to lists");
    }
    const axes: Record<string, readonly string[]> = Object.create(null);
    const extras: Pick<MatrixConfig, "include" | "exclude"> = {};
    for (const [name, value] of entries) {
      if (name === "include" || name === "exclude") {
        if (value.isNull) continue;
        Object.assign(extras, { [name]: combinations.parse(value) });
      } else {
        if (!VARIABLE_NAME.test(name)) {
          value.report(`must be ${VARIABLE_NAMES.words}`);
        }
        axes[name] = axis.parse(value) ?? [];
      }
    }
    if (Object.keys(axes).length === 0 && extras.include === undefined) {
      node.report("must name a variable and its values");
    }
    for (const [name, value] of entries) {
      if (name === "exclude") checkExcluded(value, Object.keys(axes));
    }
    return { axes, ...extras };
  },
};

/** An unknown variable would silently exclude nothing. */
function checkExcluded(node: DocumentNode, axes: readonly string[]): void {
  for (const combination of node.items ?? []) {
    for (const [name, value] of combination.entries ?? []) {
      if (axes.includes(name)) continue;
      value.explain(() => {
        const near = suggest(name, axes);
        return `${value.label} is not a variable of the matrix` +
          didYouMean(near);
      });
    }
  }
}

/** Keys of a step, except its name. */
const STEP_BODY_KEYS: Keys<Omit<StepConfig, "name">> = {
  description: {
    key: "description",
    schema: text(),
    description: "Description of the step, as `runnerlib list` shows it.",
  },
  run: {
    key: "run",
    schema: command,
    description: "Text for the shell, or a program and its arguments.",
    isRequired: true,
  },
  dependsOn: {
    key: "depends_on",
    alias: "needs",
    schema: listOrOne("be the name of a step or a list of names", stepName),
    description: "Steps that must end before this one starts.",
  },
  condition: {
    key: "condition",
    schema: condition,
    description: conditionDescription("step"),
    defaultValue: "all_success",
  },
  when: {
    key: "when",
    schema: when,
    description: WHEN_DESCRIPTION,
  },
  env: {
    key: "env",
    schema: variables,
    description: "Variables of the step; they override those of the job.",
  },
  workingDir: {
    key: "working_dir",
    schema: text({
      rule: FILLED_TEXT,
      findProblem: (path) =>
        path.startsWith("/") ? jobPathProblem(path) : undefined,
    }),
    description:
      "Directory that the step runs in: a path below /job, or relative to the job's directory.",
  },
  shell: {
    key: "shell",
    schema: shell,
    description:
      "Shell of the step: sh, bash, python, pwsh, deno, or a program and its arguments, in which {} is replaced by the script file. Without {}, the text is the last argument.",
    defaultValue: "sh",
  },
  timeoutMs: {
    key: "timeout",
    schema: positiveDuration,
    description:
      "Time limit of each attempt: seconds, or a string such as 90s, 15m or 2h.",
  },
  retry: {
    key: "retry",
    schema: retry,
    description: "Retry policy: a number of attempts, or a mapping.",
  },
  continueOnError: {
    key: "continue_on_error",
    schema: flag,
    description:
      "Whether the job continues as if the step had succeeded when it fails.",
    defaultValue: false,
  },
  required: {
    key: "required",
    schema: flag,
    description: "Whether the job fails when the step does.",
    defaultValue: true,
  },
  forEach: {
    key: "for_each",
    schema: listOrOne("be a list of values", item),
    description: "Runs the step once for each value.",
  },
  itemVar: {
    key: "item_var",
    schema: variableName,
    description: "Variable that holds the value of for_each.",
    defaultValue: "ITEM",
  },
  matrix: {
    key: "matrix",
    schema: matrix,
    description: "Runs the step once for each combination of values.",
  },
  maxParallel: {
    key: "max_parallel",
    schema: integer(1, 1_024),
    description:
      "Maximum number of values or combinations that run at once; by default only concurrency limits it.",
  },
  failFast: {
    key: "fail_fast",
    schema: flag,
    description:
      "Whether the other values or combinations are cancelled when one fails.",
    defaultValue: false,
  },
  neutralExit: {
    key: "neutral_exit",
    schema: flag,
    description:
      "Whether exit code 78 ends the whole job early and successfully.",
    defaultValue: false,
  },
  inheritEnv: {
    key: "inherit_env",
    schema: inheritance,
    description:
      "Variables of the runner that the step inherits: all, none or a list of names.",
  },
  untrusted: {
    key: "untrusted",
    schema: flag,
    description:
      "Whether the step runs untrusted code: it inherits only an allowlist of variables and no secrets, and runs in its own namespaces where the system supports them.",
    defaultValue: false,
  },
  permissions: {
    key: "permissions",
    schema: permissions,
    description:
      "Permissions of the step's commands, enforced by the kernel on Linux.",
  },
  ...serviceKeys(flag, command),
  concurrency: {
    key: "concurrency",
    schema: concurrencyGroup,
    description:
      "Group that limits how many steps run at once, across all jobs of the user on this machine: its name, or a group and a limit.",
  },
  cache: {
    key: "cache",
    schema: stepCache,
    description:
      "Inputs and outputs of the step. If its result is known, the step does not run: its files, outputs and log are restored.",
  },
  usesCache: {
    key: "uses_cache",
    schema: cacheUses,
    description:
      "Directories that are restored before the step, and saved after it succeeded.",
  },
};

const step = addChecks(mapping<StepConfig>("Step", {
  name: {
    key: "name",
    schema: stepName,
    description: "Name of the step, unique in its job.",
    isRequired: true,
  },
  ...STEP_BODY_KEYS,
}));

const stepBody = addChecks(
  mapping<Omit<StepConfig, "name">>("Step", STEP_BODY_KEYS),
);

/** Adds checks of keys that depend on other keys of the step. */
function addChecks<T extends StepSettings>(schema: Schema<T>): Schema<T> {
  return mapped(schema, (step, node) => {
    for (const { property, problem } of settingProblems(step)) {
      findNode(node, property).report(problem);
    }
    return step;
  });
}

/** Returns the value of a setting; the step, if the file does not set it. */
function findNode(
  step: DocumentNode,
  property: keyof StepSettings,
): DocumentNode {
  const { key, alias } = STEP_BODY_KEYS[property];
  return step.entries?.find(([name]) => name === key || name === alias)?.[1] ??
    step;
}

/** Steps in a list. */
const listed: Schema<readonly StepConfig[]> = {
  jsonSchema: () => ({
    type: "array",
    minItems: 1,
    items: createReference("step"),
  }),
  parse(node) {
    const steps = list(step, { minimum: 1 }).parse(node);
    reportGraphProblems(collectNamedNodes(node), "step");
    reportServiceProblems(steps ?? [], node.items ?? []);
    return steps;
  },
};

/** Steps by name. */
const named: Schema<readonly StepConfig[]> = {
  jsonSchema: () => ({
    type: "object",
    minProperties: 1,
    propertyNames: STEP_NAME_SCHEMA,
    additionalProperties: createReference("stepBody"),
  }),
  parse(node) {
    const entries = node.entries ?? [];
    if (entries.length === 0) node.report("must not be empty");
    reportGraphProblems(collectNamedNodes(node), "step");
    const steps = entries.flatMap(([name, value]) => {
      const problem = stepNameProblem(name);
      if (problem !== undefined) value.report(problem);
      if (value.isNull) value.report("must be a mapping of keys");
      const body = value.isNull ? undefined : stepBody.parse(value);
      return body === undefined ? [] : [{ name, ...body }];
    });
    reportServiceProblems(steps, entries.map(([, value]) => value));
    return steps;
  },
};

/** Reports services that cannot work; steps that are invalid come first. */
function reportServiceProblems(
  steps: readonly StepConfig[],
  nodes: readonly DocumentNode[],
): void {
  if (steps.length !== nodes.length) return;
  for (const { step, property, problem } of serviceGraphProblems(steps)) {
    findNode(nodes[step], property).report(problem);
  }
}

/** Schema of the steps of a job. */
export const steps: Schema<readonly StepConfig[]> = {
  ...byShape("be a list of steps", { list: listed, mapping: named }),
  jsonSchema: () => createReference("steps"),
};

/**
 * Creates the JSON Schemas that others refer to.
 *
 * @returns Schemas by name.
 */
export function stepDefinitions(): Readonly<Record<string, JsonSchema>> {
  return {
    step: step.jsonSchema(),
    stepBody: stepBody.jsonSchema(),
    steps: { anyOf: [listed.jsonSchema(), named.jsonSchema()] },
  };
}

function createReference(name: string): JsonSchema {
  return { $ref: `#/definitions/${name}` };
}

/** Returns the steps with their names, even if other parts of them are invalid. */
function collectNamedNodes(node: DocumentNode): NamedNode[] {
  const nodes = node.items ?? node.entries?.map(([, value]) => value) ?? [];
  return nodes.flatMap((one) => {
    const name = typeof one.key === "string"
      ? one.key
      : one.entries?.find(([key]) => key === "name")?.[1].text;
    const dependsOn = readDependencies(one);
    return name === undefined ? [] : [{ name, dependsOn, node: one }];
  });
}
