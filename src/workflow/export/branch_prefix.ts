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
