import { list, listOrOne } from "../schema/collections.ts";
import { mapping, type Schema } from "../schema/combinators.ts";
import {
  choice,
  FILLED_TEXT,
  filledText,
  flag,
  text,
  variableName,
} from "../schema/scalars.ts";
import {
  CACHE_MODES,
  cachePatternProblem,
  type StepCacheConfig,
} from "./step_cache_config.ts";

const patterns = listOrOne(
  "be a pattern or a list of patterns",
  text({ rule: FILLED_TEXT, problemOf: cachePatternProblem }),
  { minimum: 1 },
);

/** Schema of the cache settings of a step. */
export const stepCache: Schema<StepCacheConfig> = mapping<StepCacheConfig>(
  "StepCache",
  {
    inputs: {
      key: "inputs",
      schema: patterns,
      description:
        "Patterns of the files that the step reads, relative to its directory, or to the job's directory with a / at the start; ! excludes files.",
      isRequired: true,
    },
    outputs: {
      key: "outputs",
      schema: patterns,
      description:
        "Patterns of the files that the step creates and that are restored.",
    },
    env: {
      key: "env",
      schema: listOrOne(
        "be the name of a variable or a list of names",
        variableName,
        { minimum: 1 },
      ),
      description: "Variables that the result depends on.",
    },
    commands: {
      key: "commands",
      schema: list(filledText, { minimum: 1 }),
      description:
        "Commands whose output the result depends on, such as node --version.",
    },
    mode: {
      key: "mode",
      schema: choice(CACHE_MODES),
      description: "Whether the cache is read and written.",
      defaultValue: "read-write",
    },
    secrets: {
      key: "secrets",
      schema: flag,
      description:
        "Whether the step is cached even though it gets a secret; its result must not depend on the secret.",
      defaultValue: false,
    },
  },
);
