/** Size of the part that a log repeats. */
const PART_BYTES = 8 * 1024 * 1024;

const COMPONENTS = ["compile", "link", "test", "package", "fetch"];

/** A log that is deleted when it is no longer needed. */
export interface LogFile extends AsyncDisposable {
  /** Name in its directory; needs no quotes in a shell. */
  readonly name: string;
}

/** Options for {@linkcode makeLog}. */
export interface MakeLogOptions {
  /** Directory that receives the file. */
  directory: string;
  /** Size, rounded up to whole parts. */
  sizeBytes: number;
  /**
   * Whether the log has lines; without them, it is one endless line.
   *
   * @default {true}
   */
  hasLines?: boolean;
  /**
   * Values that stand in the log.
   *
   * @default {none}
   */
  hits?: Hits;
}

/** Values that stand in a log, again and again. */
export interface Hits {
  /** The values. */
  secrets: readonly string[];
  /** Distance from one to the next. */
  everyBytes: number;
}

/**
 * Makes a file that looks like the log of a build.
 *
 * @param options Place, size and kind.
 * @returns The file.
 */
export async function makeLog(options: MakeLogOptions): Promise<LogFile> {
  const { directory, sizeBytes, hasLines = true, hits } = options;
  const name = hits ? "hits.log" : hasLines ? "lines.log" : "one_line.log";
  const path = `${directory}/${name}`;
  const part = logPart({ end: hasLines ? "\n" : " ", hits });
  using file = await Deno.open(path, { write: true, create: true });
  for (let written = 0; written < sizeBytes;) {
    written += await file.write(part);
  }
  return { name, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/**
 * Makes values such as tokens have: 8 to 64 bytes, many with a known start.
 *
 * @param count Number of values.
 * @returns The values, the same ones each time.
 */
export function makeSecrets(count: number): string[] {
  const random = randomNumbers(2);
  const starts = ["", "", "ghp_", "AKIA", "eyJh"];
  return Array.from({ length: count }, (_, at) => {
    const start = starts[at % starts.length];
    return start + word(random, 8 + at % 57 - start.length);
  });
}

/**
 * Makes the part that a log repeats.
 *
 * @param options What follows each line, and values that stand in it.
 * @returns 8 MiB.
 */
export function logPart(
  { end = "\n", hits }: { end?: string; hits?: Hits } = {},
): Uint8Array<ArrayBuffer> {
  const random = randomNumbers(1);
  let text = "";
  for (let line = 0; text.length < PART_BYTES; line++) {
    const time = new Date(1.7e12 + line * 7).toISOString();
    const component = COMPONENTS[line % COMPONENTS.length];
    text += line % 9 === 0
      ? `    at ${word(random, 9)} (/job/src/${word(random, 12)}.ts:${line})`
      : `${time} [INFO] ${component}: ${word(random, 12)} took ${
        random() & 1023
      } ms, hash ${random().toString(16)}, ${line} of 90000 done`;
    text += end;
  }
  return new TextEncoder().encode(withHits(text, hits).slice(0, PART_BYTES));
}

function withHits(text: string, hits?: Hits): string {
  if (hits === undefined) return text;
  const { secrets, everyBytes } = hits;
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += everyBytes) {
    pieces.push(
      text.slice(at, at + everyBytes),
      secrets[pieces.length / 2 % secrets.length],
    );
  }
  return pieces.join("");
}

function word(random: () => number, length: number): string {
  let text = "";
  while (text.length < length) text += random().toString(36);
  return text.slice(0, length);
}

/** Marsaglia's xorshift: 32-bit numbers, the same ones in each run. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
