import type { StepConfig } from "../step_config.ts";
import { stepNameProblem } from "../step_name.ts";
import { list } from "./collections.ts";
import { byShape, type JsonSchema, type Kind } from "./kind.ts";
import { mapping } from "./mapping.ts";
import type { DocumentNode } from "./node.ts";
import { STEP_BODY_KEYS, STEP_NAME_SCHEMA, stepName } from "./step_keys.ts";

const step = mapping<StepConfig>("Step", {
  name: {
    key: "name",
    kind: stepName,
    description: "Name of the step, unique in its job.",
    isRequired: true,
  },
  ...STEP_BODY_KEYS,
});

const stepBody = mapping<Omit<StepConfig, "name">>("Step", STEP_BODY_KEYS);

/** Steps in a list, each with its name. */
const listed: Kind<readonly StepConfig[]> = {
  schema: () => ({
    type: "array",
    minItems: 1,
    items: reference("step"),
  }),
  read(node) {
    const steps = list(step, { minimum: 1 }).read(node);
    checkNames(node);
    return steps;
  },
};

/** Steps by their names. */
const named: Kind<readonly StepConfig[]> = {
  schema: () => ({
    type: "object",
    minProperties: 1,
    propertyNames: STEP_NAME_SCHEMA,
    additionalProperties: reference("stepBody"),
  }),
  read(node) {
    const entries = node.entries ?? [];
    if (entries.length === 0) node.report("must not be empty");
    return entries.flatMap(([name, value]) => {
      const problem = stepNameProblem(name);
      if (problem !== undefined) value.report(problem);
      if (value.isNothing) value.report("must be a mapping of keys");
      const body = value.isNothing ? undefined : stepBody.read(value);
      return body === undefined ? [] : [{ name, ...body }];
    });
  },
};

/** Kind of the steps of a job. */
export const steps: Kind<readonly StepConfig[]> = {
  ...byShape("be a list of steps", { list: listed, mapping: named }),
  schema: () => reference("steps"),
};

/**
 * Makes the schemas to which others refer.
 *
 * @returns Schemas by their names.
 */
export function stepDefinitions(): Readonly<Record<string, JsonSchema>> {
  return {
    step: step.schema(),
    stepBody: stepBody.schema(),
    steps: { anyOf: [listed.schema(), named.schema()] },
  };
}

function reference(name: string): JsonSchema {
  return { $ref: `#/definitions/${name}` };
}

function checkNames(node: DocumentNode): void {
  const first = new Map<string, DocumentNode>();
  for (const one of node.items ?? []) {
    const name = one.entries?.find(([key]) => key === "name")?.[1];
    if (name?.text === undefined) continue;
    const other = first.get(name.text);
    if (other === undefined) first.set(name.text, name);
    else {name.explain(() =>
        `${name.label} is already that of the step at`, other);}
  }
}
