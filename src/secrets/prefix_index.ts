/** Greatest length that is told from greater ones. */
const MAX_LENGTH = 0xffff;

/** Most needles that are put in their places one by one, instead of all by sorting. */
const MAX_INSERTED = 64;

/**
 * Finds the part at the end of a text that may still become a needle.
 *
 * Needles are kept sorted; the first two bytes of each are noted in a table
 * that sends away nearly every place before anything is compared.
 */
export class PrefixIndex {
  #sorted: Uint8Array[] = [];
  /** Needles that have no place in the order yet. */
  readonly #unsorted: Uint8Array[] = [];
  readonly #firstByte = new Uint8Array(256);
  /** Length of the longest needle with these first two bytes, up to a limit. */
  readonly #longestWith = new Uint16Array(1 << 16);
  #longest = 0;

  /**
   * Adds a needle.
   *
   * @param needle At least two bytes that were not added before.
   */
  add(needle: Uint8Array): void {
    this.#unsorted.push(needle);
    this.#firstByte[needle[0]] = 1;
    const firstTwo = needle[0] << 8 | needle[1];
    this.#longestWith[firstTwo] = Math.max(
      this.#longestWith[firstTwo],
      Math.min(needle.length, MAX_LENGTH),
    );
    this.#longest = Math.max(this.#longest, needle.length);
  }

  /**
   * Finds the longest end of a text with which a needle begins.
   *
   * A needle that lies there as a whole does not count.
   *
   * @param text The text.
   * @returns Where that end starts; the length of the text if there is none.
   */
  partialFrom(text: Uint8Array): number {
    if (this.#unsorted.length > 0) this.#sort();
    const last = text.length - 1;
    for (
      let at = Math.max(0, text.length - this.#longest + 1);
      at < last;
      at++
    ) {
      const longest = this.#longestWith[text[at] << 8 | text[at + 1]];
      if (longest === 0) continue;
      const mayBeLonger = longest > text.length - at || longest === MAX_LENGTH;
      if (mayBeLonger && this.#isPartial(text, at)) return at;
    }
    return last >= 0 && this.#firstByte[text[last]] !== 0 ? last : text.length;
  }

  #isPartial(text: Uint8Array, from: number): boolean {
    // What begins with a text follows right behind it in the order.
    const needle = this.#sorted[this.#firstAbove(text, from, text.length)];
    if (needle === undefined || needle.length <= text.length - from) {
      return false;
    }
    for (let at = text.length - from - 1; at >= 0; at--) {
      if (needle[at] !== text[from + at]) return false;
    }
    return true;
  }

  #sort(): void {
    const added = this.#unsorted.splice(0);
    if (added.length > MAX_INSERTED) {
      this.#sorted = [...this.#sorted, ...added].sort(compare);
      return;
    }
    for (const needle of added) {
      const at = this.#firstAbove(needle, 0, needle.length);
      this.#sorted.splice(at, 0, needle);
    }
  }

  /** Number of the first needle that is greater than `text[from..to)`. */
  #firstAbove(text: Uint8Array, from: number, to: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAbove(this.#sorted[middle], text, from, to)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function isAbove(
  needle: Uint8Array,
  text: Uint8Array,
  from: number,
  to: number,
): boolean {
  const length = Math.min(needle.length, to - from);
  for (let at = 0; at < length; at++) {
    const difference = needle[at] - text[from + at];
    if (difference !== 0) return difference > 0;
  }
  return needle.length > to - from;
}

function compare(one: Uint8Array, other: Uint8Array): number {
  return isAbove(one, other, 0, other.length) ? 1 : -1;
}
