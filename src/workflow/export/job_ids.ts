/** Rules of an engine for job ids. */
export interface IdRules {
  /** Whether ids may contain `_`. */
  readonly allowsUnderscore: boolean;
  /** Reserved words, in lower case. */
  readonly reserved: readonly string[];
}

/** Maximum length of an id, without the suffix that makes it unique. */
const MAX_LENGTH = 50;

/**
 * Assigns an id that every engine accepts to each job. Ids consist of letters,
 * digits and dashes, start with a letter, and are unique regardless of case.
 *
 * @param names Unique names of jobs.
 * @returns Ids by name.
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
