/**
 * Makes a regular expression that matches the digits of the whole numbers of a
 * range; zeros may stand before them.
 *
 * @param minimum Least number, not negative.
 * @param maximum Greatest number.
 * @returns Source of the expression, without anchors.
 */
export function integerPattern(minimum: number, maximum: number): string {
  const ranges: string[] = [];
  for (let low = minimum; low <= maximum;) {
    const high = Math.min(maximum, 10 ** `${low}`.length - 1);
    ranges.push(...between(`${low}`, `${high}`));
    low = high + 1;
  }
  return `0*(?:${ranges.join("|")})`;
}

/**
 * Makes a regular expression that matches the numbers of a range, written with
 * or without a fraction.
 *
 * @param minimum Least number, whole and not negative.
 * @param maximum Greatest number, whole.
 * @returns Source of the expression, without anchors.
 */
export function decimalPattern(minimum: number, maximum: number): string {
  const below = integerPattern(minimum, maximum - 1);
  return `(?:${below}(?:\\.\\d+)?|0*${maximum}(?:\\.0+)?)`;
}

/** The numbers between two of the same length. */
function between(low: string, high: string): string[] {
  if (low === "") return [""];
  const [from, to] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (from === to) {
    return between(low.slice(1), high.slice(1)).map((it) => `${from}${it}`);
  }
  const startsLate = !/^0*$/.test(low.slice(1));
  const endsEarly = !/^9*$/.test(high.slice(1));
  const first = startsLate ? from + 1 : from;
  const last = endsEarly ? to - 1 : to;
  return [
    ...startsLate
      ? between(low.slice(1), "9".repeat(rest)).map((it) => `${from}${it}`)
      : [],
    ...first <= last ? [digit(first, last) + "\\d".repeat(rest)] : [],
    ...endsEarly
      ? between("0".repeat(rest), high.slice(1)).map((it) => `${to}${it}`)
      : [],
  ];
}

function digit(first: number, last: number): string {
  return first === last ? `${first}` : `[${first}-${last}]`;
}
