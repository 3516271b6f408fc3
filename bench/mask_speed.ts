import { Masker } from "../src/secrets/masker.ts";
import { logPart, makeSecrets } from "./log_file.ts";
import { alignColumns } from "./measure.ts";

const COUNTS = [0, 1, 10, 100, 1_000, 10_000];

/** Distance between secrets in the text, in bytes. */
const HITS = { "no": Infinity, "sparse": 100_000, "dense": 200 };

/** Size of a window that is masked at once, as read from a pipe under load. */
const WINDOW_BYTES = 128 * 1024;

/** Time limit per measurement, in milliseconds; slow programs process only a part of the text. */
const LIMIT_MS = 300;

/** Processes a window, which is at the start of its buffer. */
type WindowFunction = (window: Uint8Array<ArrayBuffer>) => void;

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
      const functions = [
        maskWindows(secrets),
        () => {},
        replaceByRegExp(secrets),
        replaceOneByOne(secrets),
      ];
      const speeds = functions.map((processWindow) =>
        measureSpeed(text, processWindow).toFixed(0)
      );
      return [`${count} secrets`, `${name} hits`, ...speeds];
    });
  });
  return [
    `Masking in memory (MB/s)`,
    ...alignColumns([
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
export function maskInWindows(
  secrets: readonly string[],
): (text: Uint8Array) => void {
  return inWindows(maskWindows(secrets));
}

/** Returns a function that processes a text window by window. */
export function inWindows(
  processWindow: WindowFunction,
): (text: Uint8Array) => void {
  const buffer = new Uint8Array(WINDOW_BYTES);
  return (text) => void measurePass(text, processWindow, buffer, Infinity);
}

function maskWindows(secrets: readonly string[]): WindowFunction {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  const stream = masker.stream();
  return (window) => void stream.mask(window, false);
}

function replaceByRegExp(secrets: readonly string[]): WindowFunction {
  if (secrets.length === 0) return () => {};
  const rule = new RegExp(secrets.map(RegExp.escape).join("|"), "g");
  return onText((text) => text.replace(rule, "[REDACTED]"));
}

function replaceOneByOne(secrets: readonly string[]): WindowFunction {
  if (secrets.length === 0) return () => {};
  return onText((text) => {
    for (const secret of secrets) text = text.replaceAll(secret, "[REDACTED]");
    return text;
  });
}

function onText(replace: (text: string) => string): WindowFunction {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  return (window) => void encoder.encode(replace(decoder.decode(window)));
}

/** Returns the highest speed of several runs, in MB/s. */
function measureSpeed(text: Uint8Array, processWindow: WindowFunction): number {
  const buffer = new Uint8Array(WINDOW_BYTES);
  const speeds = Array.from(
    { length: 4 },
    () => measurePass(text, processWindow, buffer, LIMIT_MS),
  );
  return Math.max(...speeds);
}

function measurePass(
  text: Uint8Array,
  processWindow: WindowFunction,
  buffer: Uint8Array<ArrayBuffer>,
  limitMs: number,
): number {
  const start = performance.now();
  let offset = 0;
  for (; offset < text.length; offset += buffer.length) {
    const chunk = text.subarray(offset, offset + buffer.length);
    buffer.set(chunk);
    processWindow(buffer.subarray(0, chunk.length));
    if (performance.now() - start > limitMs) break;
  }
  const bytes = Math.min(text.length, offset + buffer.length);
  return bytes / (performance.now() - start) / 1e3;
}
