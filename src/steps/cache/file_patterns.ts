import { dropNested } from "../../job_path.ts";
import { eventGlob } from "../../schema/globs.ts";

/** Files that patterns select. */
export interface FilePatterns {
  /**
   * Paths of the directories and files to search, relative to the directory of the
   * job, none inside another; empty for that directory itself.
   */
  readonly roots: readonly string[];
  /** Checks whether a file is selected. */
  readonly matches: (path: string) => boolean;
}

interface Pattern {
  readonly isNegated: boolean;
  /** Path without wildcards that all matching paths start with. */
  readonly root: string;
  readonly matches: (path: string) => boolean;
}

/**
 * Compiles patterns of files.
 *
 * @param patterns Patterns; one with a slash at the start is relative to the
 * directory of the job, one with `!` excludes files.
 * @param directory Directory of the step, relative to that of the job; empty
 * for that directory itself.
 */
export function filePatterns(
  patterns: readonly string[],
  directory: string,
): FilePatterns {
  const compiled = patterns.map((pattern) => compile(pattern, directory));
  const positive = compiled.filter(({ isNegated }) => !isNegated);
  const negative = compiled.filter(({ isNegated }) => isNegated);
  return {
    roots: dropNested(positive.map(({ root }) => root)),
    matches: (path) =>
      positive.some(({ matches }) => matches(path)) &&
      !negative.some(({ matches }) => matches(path)),
  };
}

function compile(text: string, directory: string): Pattern {
  const isNegated = text.startsWith("!");
  const pattern = isNegated ? text.slice(1) : text;
  const isOfJob = pattern.startsWith("/");
  const parts = pattern.split("/")
    .filter((part) => part !== "" && part !== ".");
  const firstGlob = parts.findIndex((part) => /[*?[]/.test(part));
  const literal = firstGlob === -1 ? parts : parts.slice(0, firstGlob);
  const base = isOfJob || directory === "" ? [] : directory.split("/");
  const root = [...base, ...literal].join("/");
  const rest = firstGlob === -1 ? ["**"] : parts.slice(firstGlob);
  const isWhole = rest.every((part) => part === "**");
  // The path of a directory selects everything in it.
  const glob = isWhole ? () => true : eventGlob([...rest, "**"].join("/"));
  const start = root === "" ? "" : `${root}/`;
  return {
    isNegated,
    root,
    matches: (path) =>
      path === root && firstGlob === -1 ||
      path.startsWith(start) && glob(path.slice(start.length)),
  };
}
