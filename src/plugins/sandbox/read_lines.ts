/** Options for {@linkcode readLines}. */
export interface ReadLinesOptions {
  /** Called for each line, without its line break. */
  onLine: (line: string) => void;
  /** Called for each piece that was read, with its length in bytes. */
  onBytes?: (count: number) => void;
  /** Longest line, in characters. */
  maxLength: number;
  /** Called for a line that is longer; the line is dropped. */
  onTooLong: () => void;
}

/**
 * Reads a stream line by line, and holds no more of it than one line.
 *
 * @param stream The stream.
 * @param options What to do with its lines.
 */
export async function readLines(
  stream: AsyncIterable<Uint8Array>,
  options: ReadLinesOptions,
): Promise<void> {
  const { onLine, onBytes, maxLength, onTooLong } = options;
  const decoder = new TextDecoder();
  let rest = "";
  let isDropped = false;
  for await (const bytes of stream) {
    onBytes?.(bytes.length);
    const parts = decoder.decode(bytes, { stream: true }).split("\n");
    for (const [at, part] of parts.entries()) {
      const isWhole = at < parts.length - 1;
      rest = isDropped ? "" : rest + part;
      if (rest.length > maxLength) {
        onTooLong();
        rest = "";
        isDropped = true;
      }
      if (!isWhole) continue;
      if (!isDropped) onLine(rest);
      rest = "";
      isDropped = false;
    }
  }
  if (rest !== "") onLine(rest);
}
