/**
 * Returns the source of a regular expression for the integers of a range, which
 * may have leading zeros.
 *
 * @param minimum Minimum, not negative.
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
 * Returns the source of a regular expression for the decimal numbers of a
 * range.
 *
 * @param minimum Minimum, an integer that is not negative.
 * @param maximum Maximum, an integer.
 * @returns Source of the expression, without anchors.
 */
export function decimalPattern(minimum: number, maximum: number): string {
  const below = integerPattern(minimum, maximum - 1);
  return `(?:${below}(?:\\.\\d+)?|0*${maximum}(?:\\.0+)?)`;
}

/**
 * Returns expressions for the numbers between two numbers of the same length.
 */
function between(low: string, high: string): string[] {
  if (low === "") return [""];
  const [from, to] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (from === to) {
    return between(low.slice(1), high.slice(1)).map((item) => `${from}${item}`);
  }
  const startsLate = !/^0*$/.test(low.slice(1));
  const endsEarly = !/^9*$/.test(high.slice(1));
  const first = startsLate ? from + 1 : from;
  const last = endsEarly ? to - 1 : to;
  return [
    ...startsLate
      ? between(low.slice(1), "9".repeat(rest)).map((item) => `${from}${item}`)
      : [],
    ...first <= last ? [digit(first, last) + "\\d".repeat(rest)] : [],
    ...endsEarly
      ? between("0".repeat(rest), high.slice(1)).map((item) => `${to}${item}`)
      : [],
  ];
}

function digit(first: number, last: number): string {
  return first === last ? `${first}` : `[${first}-${last}]`;
}
