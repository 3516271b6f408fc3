/**
 * Makes a function that finds the lines of places in a text, which are asked
 * for in their order. The text is read once.
 *
 * @param text The text.
 * @returns Gives the number of the line, from 1, of an offset.
 */
export function lineCounter(text: string): (offset: number) => number {
  let line = 1;
  let next = text.indexOf("\n");
  let last = 0;
  return (offset) => {
    if (offset < last) throw new RangeError("offsets must not go back");
    last = offset;
    while (next >= 0 && next < offset) {
      line++;
      next = text.indexOf("\n", next + 1);
    }
    return line;
  };
}
