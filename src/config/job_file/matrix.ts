import { suggest } from "../../suggest.ts";
import { VARIABLE_NAME } from "../job_env.ts";
import type { MatrixConfig } from "../step_config.ts";
import { item, list, record } from "./collections.ts";
import type { Kind } from "./kind.ts";
import { keySchema } from "./mapping.ts";
import type { DocumentNode } from "./node.ts";

const NAMES = {
  pattern: VARIABLE_NAME,
  words: "the name of a variable, such as OS",
};

const axis = list(item, { minimum: 1 });

const combinations = list(
  record(item, "map names to values", { keys: NAMES, minimum: 1 }),
  { minimum: 1 },
);

const EXTRAS = {
  include: {
    kind: combinations,
    description:
      "Combinations that are added, or that add variables to those they match.",
  },
  exclude: {
    kind: combinations,
    description: "Combinations that are left out.",
  },
};

/** Kind of a matrix: lists of values by the variables that hold them. */
export const matrix: Kind<MatrixConfig> = {
  schema: () => ({
    title: "Matrix",
    type: "object",
    properties: {
      include: keySchema(EXTRAS.include),
      exclude: keySchema(EXTRAS.exclude),
    },
    propertyNames: { pattern: VARIABLE_NAME.source },
    additionalProperties: {
      ...axis.schema(),
      description: "Values of a variable.",
    },
    not: {
      type: "object",
      propertyNames: { enum: ["include", "exclude"] },
      properties: { include: { type: "null" } },
    },
  }),
  read(node) {
    const { entries } = node;
    if (entries === undefined) {
      return void node.report("must map names to lists");
    }
    const axes: Record<string, readonly string[]> = Object.create(null);
    const extras: Pick<MatrixConfig, "include" | "exclude"> = {};
    for (const [name, value] of entries) {
      if (name === "include" || name === "exclude") {
        if (value.isNothing) continue;
        Object.assign(extras, { [name]: combinations.read(value) });
      } else {
        if (!VARIABLE_NAME.test(name)) value.report(`must be ${NAMES.words}`);
        axes[name] = axis.read(value) ?? [];
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

/** A name that is no axis would leave nothing out, without a word. */
function checkExcluded(node: DocumentNode, axes: readonly string[]): void {
  for (const combination of node.items ?? []) {
    for (const [name, value] of combination.entries ?? []) {
      if (axes.includes(name)) continue;
      value.explain(() => {
        const near = suggest(name, axes);
        return `${value.label} is no variable of the matrix` +
          (near === undefined ? "" : `; did you mean "${near}"?`);
      });
    }
  }
}
