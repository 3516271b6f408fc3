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
  text({ rule: FILLED_TEXT, findProblem: cachePatternProblem }),
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

/** Pattern of the names of caches and namespaces. */
export const CACHE_USE_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/**
 * Directories that are restored before a step, and saved after it succeeded,
 * unless their key exists.
 */
export interface CacheUse {
  /** Name of the cache: letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /**
   * Key of the entry, with `{os}`, `{arch}`, `{env:NAME}` and `{hash:GLOB}`.
   */
  readonly key: string;
  /**
   * Beginnings of other keys that may be restored, in order of preference.
   *
   * @default {none}
   */
  readonly fallback?: readonly string[];
  /** Paths, relative to the directory of the step. */
  readonly paths: readonly string[];
}

/** Result of a {@linkcode CacheUse}. */
export interface CacheUseRecord {
  readonly name: string;
  /** Key, with its placeholders replaced. */
  readonly key: string;
  readonly restored: "exact" | "fallback" | "miss";
  /** Key of the entry that was restored. */
  readonly from?: string;
  /** Whether an entry was saved after the step. */
  readonly saved: boolean;
}

/** Schema of the directories that a step restores and saves. */
export const cacheUses: Schema<readonly CacheUse[]> = list(
  mapping<CacheUse>("CacheUse", {
    name: {
      key: "name",
      schema: text({
        rule: {
          pattern: CACHE_USE_NAME,
          words:
            'consist of letters, digits, ".", "_" and "-", and start with a letter or digit',
        },
      }),
      description: "Name of the cache.",
      isRequired: true,
    },
    key: {
      key: "key",
      schema: filledText,
      description:
        "Key of the entry, in which {os}, {arch}, {env:NAME} and {hash:GLOB} are replaced.",
      isRequired: true,
    },
    fallback: {
      key: "fallback",
      schema: listOrOne(
        "be a prefix of keys or a list of prefixes",
        filledText,
      ),
      description:
        "Beginnings of other keys that may be restored, in order of preference.",
    },
    paths: {
      key: "paths",
      schema: listOrOne("be a path or a list of paths", filledText, {
        minimum: 1,
      }),
      description:
        "Paths to restore and save, relative to the directory of the step.",
      isRequired: true,
    },
  }),
  { minimum: 1 },
);

/**
 * Checks uses from a program for problems that the schema of job files rules
 * out.
 *
 * @returns The problems, phrased to follow the name of the step.
 */
export function* cacheUseProblems(
  uses: readonly CacheUse[],
): Generator<string> {
  const isText = (value: unknown) => typeof value === "string" && value !== "";
  for (const { name, key, fallback = [], paths } of uses) {
    if (!CACHE_USE_NAME.test(name)) {
      yield `usesCache: "${name}" is not a valid name of a cache`;
    }
    if (![key, ...fallback].every(isText)) {
      yield "usesCache: its keys must be strings that are not empty";
    }
    if (paths.length === 0 || !paths.every(isText)) {
      yield "usesCache: its paths must be strings that are not empty";
    }
  }
}
