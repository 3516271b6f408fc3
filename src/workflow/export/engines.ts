import type { JobBody } from "../definition/definition.ts";

/** Engines to which workflows can be exported. */
export const ENGINES = ["gitlab", "github", "argo"] as const;

/** An engine that runs workflows. */
export type WorkflowEngine = (typeof ENGINES)[number];

/** Maximum length of an ID, without the suffix that makes it unique. */
const MAX_LENGTH = 50;

/** Rules of an engine for job IDs. */
export interface IdRules {
  /** Whether IDs may contain `_`. */
  readonly allowsUnderscore: boolean;
  /** Reserved words, in lower case. */
  readonly reserved: readonly string[];
}

/** Rules for exporting to an engine. */
export interface EngineRules extends IdRules {
  /** Name of the engine, for messages. */
  readonly engine: string;
  /** Maximum number of items of a job that can run as separate jobs. */
  readonly maxItems: number;
  /** Directory for artifacts, which the engine passes to other jobs. */
  readonly artifactStore: string;
  /** Properties of jobs that the engine does not support. */
  readonly unsupported: readonly UnsupportedProperty[];
  /**
   * Returns the file for the result of a job, and the name that precedes the result
   * in the file, as shell words.
   *
   * @param id ID of the job.
   * @param variable Variable that contains the result in other jobs.
   */
  readonly result: (
    id: string,
    variable: string,
  ) => { readonly file: string; readonly name?: string };
}

/** A property of a job that an engine does not support. */
export interface UnsupportedProperty {
  /** The property. */
  readonly property: keyof JobBody;
  /** Its key, and its other names. */
  readonly keys: readonly string[];
  /** What the warning says after the key. */
  readonly note: string;
}

/**
 * Assigns an ID that every engine accepts to each job. IDs consist of letters,
 * digits and dashes, start with a letter, and are unique regardless of case.
 *
 * @param names Unique names of jobs.
 * @returns IDs by name.
 */
export function jobIds(
  names: readonly string[],
  { allowsUnderscore, reserved }: IdRules,
): ReadonlyMap<string, string> {
  const used = new Set(reserved);
  const other = allowsUnderscore ? /[^A-Za-z0-9_-]+/g : /[^A-Za-z0-9-]+/g;
  const ids = new Map<string, string>();
  for (const name of names) {
    const word = name.replace(other, "-").replace(/^[-_]+|[-_]+$/g, "")
      .slice(0, MAX_LENGTH);
    const base = /^[A-Za-z]/.test(word) ? word : `job-${word || "x"}`;
    let id = base;
    for (let count = 2; used.has(id.toLowerCase()); count++) {
      id = `${base}-${count}`;
    }
    used.add(id.toLowerCase());
    ids.set(name, id);
  }
  return ids;
}

/** An approximation of a branch pattern that other engines can check. */
export interface BranchPrefix {
  /** Start of every branch that matches the pattern. */
  readonly prefix: string;
  /** Whether only this branch matches. */
  readonly isExact: boolean;
}

/**
 * Returns the common prefix of all branches that match a pattern. The runner then
 * checks the pattern itself, because engines interpret patterns differently.
 *
 * @param pattern Pattern of an event filter.
 */
export function branchPrefix(pattern: string): BranchPrefix {
  const at = pattern.search(/[*?[]/);
  if (at === -1) return { prefix: pattern, isExact: true };
  // "a/**" also matches "a".
  const prefix = pattern.slice(0, at);
  return {
    prefix: pattern.startsWith("**", at) ? prefix.replace(/\/$/, "") : prefix,
    isExact: false,
  };
}
