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

/** Whether the cache of steps is read and written. */
export type CacheMode = "read-write" | "read-only" | "write-only" | "off";

/** All modes; the first one is the default. */
const CACHE_MODES: readonly CacheMode[] = [
  "read-write",
  "read-only",
  "write-only",
  "off",
];

/**
 * Inputs and outputs of a cached step.
 *
 * Patterns are relative to the directory of the step; with a slash at the
 * start, to that of the job. `**` matches any number of directories, and the
 * path of a directory matches everything in it. Files that match a pattern that
 * starts with `!` are excluded.
 */
export interface StepCacheConfig {
  /** Patterns of the files that the step reads. */
  readonly inputs: readonly string[];
  /**
   * Patterns of the files that the step creates. They are restored, and removed
   * before the step runs again.
   *
   * @default {none}
   */
  readonly outputs?: readonly string[];
  /**
   * Names of variables that the result depends on, in addition to those of the
   * job and the step itself.
   *
   * @default {none}
   */
  readonly env?: readonly string[];
  /**
   * Commands whose output the result depends on, such as `node --version`.
   *
   * @default {none}
   */
  readonly commands?: readonly string[];
  /**
   * Whether the cache is read and written.
   *
   * @default {"read-write"}
   */
  readonly mode?: CacheMode;
  /**
   * Whether the step is cached even though it gets a secret. Its result must
   * not depend on the secret.
   *
   * @default {false}
   */
  readonly secrets?: boolean;
}

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

/**
 * Checks a pattern of files.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
function cachePatternProblem(pattern: string): string | undefined {
  const path = pattern.replace(/^!/, "").replace(/^\//, "");
  if (path.trim() === "") return "must name files";
  if (path.split("/").some((part) => part === "..")) {
    return 'must not contain ".."; a pattern that starts with "/" is relative to the directory of the job';
  }
  return undefined;
}

/**
 * Checks the cache settings of a step from a program, as the schema checks
 * those in a job file.
 *
 * @returns The problems, phrased to follow the name of the step.
 */
export function stepCacheProblems(cache: StepCacheConfig): string[] {
  const { inputs, outputs = [], env = [], commands = [], mode } = cache;
  const problems = Object.entries({ inputs, outputs, env, commands }).flatMap((
    [name, list],
  ) =>
    Array.isArray(list) &&
      list.every((item) => typeof item === "string" && item.trim() !== "")
      ? []
      : [`cache.${name} must be a list of strings`]
  );
  if (problems.length > 0) return problems;
  if (inputs.length === 0) problems.push("cache.inputs must not be empty");
  for (const pattern of [...inputs, ...outputs]) {
    const problem = cachePatternProblem(pattern);
    if (problem !== undefined) {
      problems.push(`cache: ${JSON.stringify(pattern)} ${problem}`);
    }
  }
  if (mode !== undefined && !CACHE_MODES.includes(mode)) {
    problems.push(`cache.mode must be one of ${CACHE_MODES.join(", ")}`);
  }
  return problems;
}
