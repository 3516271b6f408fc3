/** Size of the part that is repeated to fill a log, in bytes. */
const PART_BYTES = 8 * 1024 * 1024;

const COMPONENTS = ["compile", "link", "test", "package", "fetch"];

/** A log file that is deleted when disposed. */
export interface LogFile extends AsyncDisposable {
  /** File name; needs no quotes in a shell. */
  readonly name: string;
}

/** Options for {@linkcode makeLog}. */
export interface MakeLogOptions {
  /** Directory that receives the file. */
  directory: string;
  /** Size, rounded up to whole parts, in bytes. */
  sizeBytes: number;
  /**
   * Whether the log has lines; without them, it is one endless line.
   *
   * @default {true}
   */
  hasLines?: boolean;
  /**
   * Secrets to insert into the log.
   *
   * @default {none}
   */
  hits?: Hits;
}

/** Secrets that occur in a log at regular intervals. */
export interface Hits {
  /** Secrets, inserted in turn. */
  secrets: readonly string[];
  /** Number of other bytes between two secrets. */
  everyBytes: number;
}

/**
 * Writes a file that looks like a build log.
 *
 * @returns The file, which is deleted when disposed.
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
 * Generates secrets that look like tokens: 8 to 64 bytes, many with a well-known
 * prefix.
 *
 * @param count Number of secrets.
 * @returns Secrets, the same ones each time.
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
 * Generates the part that is repeated to fill a log.
 *
 * @param options Text after each line, and secrets to insert.
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

/** Returns a generator of the same 32-bit numbers in each run: Marsaglia's xorshift. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
