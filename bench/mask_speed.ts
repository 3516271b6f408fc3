import { Masker } from "../src/secrets/masker.ts";
import { logPart, makeSecrets } from "./log_file.ts";
import { aligned } from "./measure.ts";

const COUNTS = [0, 1, 10, 100, 1_000, 10_000];

/** Distance between secrets in the text, in bytes. */
const HITS = { "no": Infinity, "sparse": 100_000, "dense": 200 };

/** Size of a window that is masked at once, as read from a pipe under load. */
const WINDOW_BYTES = 128 * 1024;

/** Time limit per measurement, in milliseconds; slow programs process only a part of the text. */
const LIMIT_MS = 300;

/** Processes a window, which is at the start of its buffer. */
type Mover = (window: Uint8Array<ArrayBuffer>) => void;

/**
 * Measures how fast secrets are masked in memory, compared with simple
 * replacements.
 *
 * The others search only for the secrets themselves, ours also for their encoded
 * and quoted forms.
 *
 * @returns A table, in MB/s.
 */
export function maskSpeed(): string {
  const rows = COUNTS.flatMap((count) => {
    const secrets = makeSecrets(count);
    return Object.entries(HITS).map(([name, everyBytes]) => {
      const isHit = count > 0 && everyBytes < Infinity;
      const text = logPart({
        hits: isHit ? { secrets, everyBytes } : undefined,
      });
      const movers = [
        maskWindows(secrets),
        () => {},
        replaceByRegExp(secrets),
        replaceOneByOne(secrets),
      ];
      const speeds = movers.map((mover) => speedOf(text, mover).toFixed(0));
      return [`${count} secrets`, `${name} hits`, ...speeds];
    });
  });
  return [
    `Masking in memory (MB/s)`,
    ...aligned([
      ["", "", "ours", "pass-through", "one RegExp", "replaceAll"],
      ...rows,
    ]),
  ].join("\n");
}

/**
 * Returns a function that masks a text window by window.
 *
 * @param secrets Secrets.
 * @returns The function.
 */
export function throughMask(
  secrets: readonly string[],
): (text: Uint8Array) => void {
  const mover = maskWindows(secrets);
  const room = new Uint8Array(WINDOW_BYTES);
  return (text) => void move(text, mover, room, Infinity);
}

function maskWindows(secrets: readonly string[]): Mover {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  const stream = masker.stream();
  return (window) => void stream.mask(window, false);
}

function replaceByRegExp(secrets: readonly string[]): Mover {
  if (secrets.length === 0) return () => {};
  const rule = new RegExp(secrets.map(RegExp.escape).join("|"), "g");
  return onText((text) => text.replace(rule, "[REDACTED]"));
}

function replaceOneByOne(secrets: readonly string[]): Mover {
  if (secrets.length === 0) return () => {};
  return onText((text) => {
    for (const secret of secrets) text = text.replaceAll(secret, "[REDACTED]");
    return text;
  });
}

function onText(replace: (text: string) => string): Mover {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  return (window) => void encoder.encode(replace(decoder.decode(window)));
}

/** Returns the highest speed of several runs, in MB/s. */
function speedOf(text: Uint8Array, mover: Mover): number {
  const room = new Uint8Array(WINDOW_BYTES);
  const speeds = Array.from(
    { length: 4 },
    () => move(text, mover, room, LIMIT_MS),
  );
  return Math.max(...speeds);
}

function move(
  text: Uint8Array,
  mover: Mover,
  room: Uint8Array<ArrayBuffer>,
  limitMs: number,
): number {
  const start = performance.now();
  let at = 0;
  for (; at < text.length; at += room.length) {
    const chunk = text.subarray(at, at + room.length);
    room.set(chunk);
    mover(room.subarray(0, chunk.length));
    if (performance.now() - start > limitMs) break;
  }
  const bytes = Math.min(text.length, at + room.length);
  return bytes / (performance.now() - start) / 1e3;
}
