/** Names that other programs use, and their equivalents here. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  script: ["run", "command"],
  cmd: ["run", "command", "job-command"],
  c: ["job-command"],
  if: ["when"],
  only: ["when"],
  except: ["when"],
  rules: ["when"],
  stage: ["needs", "depends_on"],
  depends: ["needs", "depends_on"],
  after: ["needs", "depends_on"],
  allowfailure: ["continue_on_error"],
  variables: ["environment", "env"],
  vars: ["environment", "env", "var"],
  env: ["environment", "job-env", "var"],
  environment: ["env"],
  e: ["job-env"],
  cwd: ["working_dir", "work-dir"],
  directory: ["working_dir", "work-dir"],
  workdir: ["working_dir", "work-dir"],
  workingdirectory: ["working_dir"],
  file: ["job-file"],
  f: ["job-file"],
  step: ["only"],
  parallel: ["concurrency"],
  jobs: ["concurrency"],
  j: ["concurrency"],
  n: ["dry-run"],
  image: ["runner-image"],
  plugins: ["plugin-dir"],
  ref: ["git-ref"],
  branch: ["git-ref"],
  repo: ["git-url"],
  url: ["git-url"],
};

/** Maximum length of a word, which limits the work. */
const MAX_LENGTH = 64;

/**
 * Finds the candidate that an unknown word probably means.
 *
 * Case, `_` and `-` are ignored, so that `depends_on` finds `dependsOn`. One
 * mistake per three letters is allowed: an extra, missing or wrong letter, or
 * two swapped ones.
 *
 * @param candidates Valid words.
 * @returns The closest candidate, or the first of several equally close ones;
 * `undefined` if none is close.
 */
export function suggest(
  word: string,
  candidates: Iterable<string>,
): string | undefined {
  const folded = fold(word);
  if (folded === "" || folded.length > MAX_LENGTH) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(folded.length / 3)) + 1;
  for (const candidate of candidates) {
    const other = fold(candidate);
    // The difference in length is a lower bound, which avoids most of the work.
    if (Math.abs(other.length - folded.length) >= least) continue;
    const distance = editDistance(folded, other);
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/**
 * Finds the key or option that an unknown one probably means: one with a
 * similar spelling, or the equivalent of another program's name.
 *
 * @param candidates Valid names.
 * @returns The candidate; `undefined` if there is none.
 */
export function suggestName(
  word: string,
  candidates: Iterable<string>,
): string | undefined {
  const known = new Set(candidates);
  const folded = fold(word);
  const near = suggest(word, known);
  if (near !== undefined || !Object.hasOwn(SYNONYMS, folded)) return near;
  return SYNONYMS[folded].find((name) => known.has(name));
}

/**
 * Ends a message with a candidate that was found for an unknown word.
 *
 * @returns `; did you mean "test"?`, or nothing without a candidate.
 */
export function didYouMean(near: string | undefined): string {
  return near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Counts edits row by row, and keeps the last two rows for swapped letters. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(
        above[j] + 1,
        row[j - 1] + 1,
        above[j - 1] + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    before = above;
    above = row;
  }
  return above[b.length];
}

/** Lists allowed words for a message: `"a", "b" or "c"`. */
export function oneOf(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  const last = quoted.pop() ?? "";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/**
 * Lists texts for a message: `a, b and 3 more`.
 *
 * @param max Maximum number of texts that are shown.
 */
export function listed(texts: readonly string[], max: number = 6): string {
  const hiddenCount = texts.length - max;
  return texts.slice(0, max).join(", ") +
    (hiddenCount > 0 ? ` and ${hiddenCount} more` : "");
}
