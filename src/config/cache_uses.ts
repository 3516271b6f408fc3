import { list, listOrOne } from "../schema/collections.ts";
import { mapping, type Schema } from "../schema/combinators.ts";
import { filledText, text } from "../schema/scalars.ts";

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
   * Beginnings of other keys that may be restored, the best first.
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
            'have letters, digits, ".", "_" and "-", and start with a letter or digit',
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
        "Beginnings of other keys that may be restored, the best first.",
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
