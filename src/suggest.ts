/** Maximum length of a word that is compared, which bounds the work. */
const LONGEST = 64;

/**
 * Finds the candidate that was probably meant by a word that is unknown.
 *
 * Case, `_` and `-` do not count, so that `depends_on` finds `dependsOn`.
 * Otherwise one mistake in three letters is forgiven: a letter too many, too
 * few or wrong, or two that changed places.
 *
 * @param word The unknown word.
 * @param candidates Words that would have been right.
 * @returns The nearest candidate, the first of several equally near ones, or
 * `undefined` if none is near.
 */
export function suggest(
  word: string,
  candidates: Iterable<string>,
): string | undefined {
  const folded = fold(word);
  if (folded === "" || folded.length > LONGEST) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(folded.length / 3)) + 1;
  for (const candidate of candidates) {
    const other = fold(candidate);
    // The difference in length is a lower bound that spares most of the work.
    if (Math.abs(other.length - folded.length) >= least) continue;
    const distance = editDistance(folded, other);
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Counts edits row by row; two rows back are kept for letters that changed places. */
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
