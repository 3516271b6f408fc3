import type { PackSelection } from "../cache/tree_bytes.ts";
import { eventGlob } from "../schema/globs.ts";
import { isReserved } from "./artifact.ts";

/** Files that patterns select while a directory is walked. */
export interface FileSelection {
  readonly select: PackSelection;
  /** Returns the patterns that have not matched anything. */
  unmatched(): string[];
}

/** A pattern that selects files. */
interface Pattern {
  readonly text: string;
  readonly matches: (path: string) => boolean;
  /** Checks whether it can match something in a directory. */
  readonly matchesInside: (directory: string) => boolean;
}

/**
 * Creates a selection of files. A directory that matches is selected with
 * everything in it. Files of git or of the runner are never selected.
 *
 * @param patterns Patterns for {@linkcode eventGlob}; a slash at the end is
 * ignored.
 */
export function selectFiles(patterns: readonly string[]): FileSelection {
  const compiled = patterns.map(compile);
  const matched = new Set<string>();
  return {
    select(path, isWhole) {
      if (isReserved(path)) return "none";
      let isSelected = isWhole;
      for (const { text, matches } of compiled) {
        // Tries all patterns, because each of them must match something.
        if (matched.has(text) && isSelected || !matches(path)) continue;
        matched.add(text);
        isSelected = true;
      }
      if (isSelected) return "all";
      return compiled.some(({ matchesInside }) => matchesInside(path))
        ? "inside"
        : "none";
    },
    unmatched: () => patterns.filter((text) => !matched.has(text)),
  };
}

/**
 * Returns a function that checks whether patterns select a path, by itself or
 * with a directory that contains it.
 */
export function pathMatcher(
  patterns: readonly string[],
): (path: string) => boolean {
  const compiled = patterns.map(compile);
  // Most paths are in a directory that has already been checked.
  const results = new Map<string, boolean>();
  const isSelected = (path: string): boolean => {
    const result = results.get(path);
    if (result !== undefined) return result;
    const slash = path.lastIndexOf("/");
    const isMatch = slash > 0 && isSelected(path.slice(0, slash)) ||
      compiled.some(({ matches }) => matches(path));
    results.set(path, isMatch);
    return isMatch;
  };
  return isSelected;
}

/**
 * Checks a pattern.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function patternProblem(text: string): string | undefined {
  const parts = cleanPattern(text).split("/");
  if (text.startsWith("/")) return "must be relative to the code directory";
  if (parts.includes("..")) return "must not lead out of the code directory";
  if (parts.includes("")) return "must be a pattern of paths, such as dist/**";
  return isReserved(text)
    ? "must not name what belongs to git or to the runner"
    : undefined;
}

function compile(text: string): Pattern {
  const pattern = cleanPattern(text);
  const parts = pattern.split("/");
  const globs = parts.map(eventGlob);
  return {
    text,
    matches: eventGlob(pattern),
    matchesInside(directory) {
      const names = directory.split("/");
      for (const [at, name] of names.entries()) {
        if (at >= parts.length) return false;
        if (parts[at] === "**") return true;
        if (!globs[at](name)) return false;
      }
      return names.length < parts.length;
    },
  };
}

function cleanPattern(text: string): string {
  const pattern = text.replace(/\/+$/, "").replace(/^(\.\/+)+/, "");
  return pattern === "." ? "**" : pattern;
}
