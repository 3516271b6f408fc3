/** A pattern of a branch as other engines can check it. */
export interface BranchPrefix {
  /** Start of every branch that matches the pattern. */
  readonly prefix: string;
  /** Whether only this branch matches. */
  readonly isExact: boolean;
}

/**
 * Returns what all branches that match a pattern start with. The runner decides
 * which of them match, because engines read patterns in different ways.
 *
 * @param pattern Pattern of an event filter.
 */
export function branchPrefix(pattern: string): BranchPrefix {
  const at = pattern.search(/[*?[]/);
  if (at === -1) return { prefix: pattern, isExact: true };
  // In "a/**", the wildcard stands for no segment as well.
  const prefix = pattern.slice(0, at);
  return {
    prefix: pattern.startsWith("**", at) ? prefix.replace(/\/$/, "") : prefix,
    isExact: false,
  };
}
