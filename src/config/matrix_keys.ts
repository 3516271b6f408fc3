import { VARIABLE_NAME } from "../environment/variables.ts";
import { dictionary, item, list } from "../schema/collections.ts";
import { keySchema, type Schema } from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import { didYouMean, suggest } from "../suggest.ts";
import type { MatrixConfig } from "./step_config.ts";

const NAMES = {
  pattern: VARIABLE_NAME,
  words: "the name of a variable, such as OS",
};

const axis = list(item, { minimum: 1 });

const combinations = list(
  dictionary(item, "map names to values", { keys: NAMES, minimum: 1 }),
  { minimum: 1 },
);

const EXTRAS = {
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
export const matrix: Schema<MatrixConfig> = {
  jsonSchema: () => ({
    title: "Matrix",
    type: "object",
    properties: {
      include: keySchema(EXTRAS.include),
      exclude: keySchema(EXTRAS.exclude),
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
        if (!VARIABLE_NAME.test(name)) value.report(`must be ${NAMES.words}`);
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
