import { BareSearch } from "./bare_search.ts";
import { logPart, makeSecrets, randomNumbers } from "./log_file.ts";
import { inWindows, maskInWindows } from "./mask_speed.ts";
import type { Benchmark, Variant } from "./measure.ts";

const MIB = 1024 * 1024;

/** A secret that could start at every position of a long run of its first letter. */
const RUN_SECRET = "a".repeat(256) + "b";

/**
 * Slowdown of masking with texts that are built to slow it down.
 *
 * @returns The benchmark; its results are the time of 8 MiB in memory.
 */
export function hardCases(): Benchmark {
  const secrets = makeSecrets(100);
  const longSecret = makeSecrets(57).findLast((secret) => secret.length > 60)!;
  const bytes = randomBytes();
  const texts = {
    log: logPart(),
    run: new Uint8Array(8 * MIB).fill("a".charCodeAt(0)),
    misses: new TextEncoder().encode(nearMisses(secrets)),
    colors: logPart({ end: "\x1b[0m\n\x1b[32m" }),
    escapes: new TextEncoder().encode(escapeLines(logPart())),
    base64: wrapLines(bytes.toBase64(), 76),
    hexadecimal: wrapLines(bytes.toHex(), 64),
    encoded: wrapLines(logPart().toBase64(), 76),
    hits: logPart({ hits: { secrets, everyBytes: 200 } }),
  };
  const cases: Record<string, [Uint8Array, readonly string[]]> = {
    "a normal secret": [texts.run, [longSecret.repeat(5).slice(0, 257)]],
    "a secret like a run": [texts.run, [RUN_SECRET]],
    "a log": [texts.log, secrets],
    "near misses": [texts.misses, secrets],
    "hits": [texts.hits, secrets],
    "colored lines": [texts.colors, secrets],
    "escaped lines": [texts.escapes, secrets],
    "base64 of random bytes": [texts.base64, secrets],
    "random hexadecimal digits": [texts.hexadecimal, secrets],
    "base64 of a log": [texts.encoded, secrets],
    "a secret of lines": [texts.log, [
      ...secrets,
      longSecret.match(/.{16}/g)!.join("\n"),
    ]],
  };
  const bare = new BareSearch(secrets);
  return {
    title: "Hard cases of masking",
    unit: "ms",
    variants: [
      ...Object.entries(cases).map(([name, [text, secrets]]) =>
        timed(name, text, maskInWindows(secrets))
      ),
      timed(
        "a log, bare search",
        texts.log,
        inWindows((window) => bare.search(window)),
      ),
      timed(
        "hits, bare search",
        texts.hits,
        inWindows((window) => void bare.replace(window)),
      ),
      timed(
        "escaped lines, bare search",
        texts.escapes,
        inWindows((window) => bare.searchDecoded(window)),
      ),
    ],
    comparisons: [
      {
        subject: "a secret like a run",
        floor: "a normal secret",
        goal: "G8 run",
      },
      { subject: "near misses", floor: "a log", goal: "G8 near" },
      { subject: "colored lines", floor: "a log", goal: "G8 hard" },
      { subject: "escaped lines", floor: "a log", goal: "G8 hard" },
      {
        subject: "base64 of random bytes",
        floor: "a log",
        goal: "G8 digits",
      },
      {
        subject: "random hexadecimal digits",
        floor: "a log",
        goal: "G8 digits",
      },
      { subject: "base64 of a log", floor: "a log" },
      { subject: "hits", floor: "a log" },
      { subject: "hits, bare search", floor: "a log, bare search" },
      { subject: "escaped lines, bare search", floor: "a log, bare search" },
      { subject: "a secret of lines", floor: "a log" },
    ],
  };
}

/** Measures the time in which a text is processed. */
function timed(
  name: string,
  text: Uint8Array,
  process: (text: Uint8Array) => void,
): Variant {
  return {
    name,
    measure() {
      const start = performance.now();
      process(text);
      return Promise.resolve(performance.now() - start);
    },
  };
}

/** Windows that look like the start of each secret everywhere, with as many secrets as clients may register. */
export function floods(): Benchmark {
  const secrets: Record<string, () => string[]> = {
    "secrets that begin alike": () => similarSecrets(400, (at) => `${at}`),
    "secrets that end alike": () =>
      similarSecrets(400, (at) => `${at}`.padStart(9)),
    "one long secret": () => ["ab".repeat(2 * MIB)],
    "near repetitions": () =>
      similarSecrets(180, (at) => (at * 7919).toString(2)),
  };
  const windows: Record<string, string> = {
    "a run": "ab",
    "a hex dump": `00000010: ${"6162 ".repeat(8)} ${"ab".repeat(8)}\n`,
    "lines with a prefix": "# YWJhYmFiYWJhYmFi\n",
    "short lines": "abababab\n",
    "lists between words": `${"61 62 ".repeat(4)}aaaaaa `,
    "columns of bytes": "61\t62\n",
    "base64 of a run": "YWJhYmFi",
    "base64 of a run in lines": `${"YWJhYmFi".repeat(9)}YWJh\n`,
    "hexadecimal digits of a run in lines": `${"6162".repeat(16)}\n`,
    "base64 of backslashes": "XFxc",
  };
  const variants = Object.entries(secrets).flatMap(([flood, make]) => {
    let mask: ((text: Uint8Array) => void) | undefined;
    return Object.entries(windows).map(([shape, part]) => {
      const text = part.repeat(64 * 1024 / part.length | 0);
      const window = new TextEncoder().encode(text);
      return {
        name: `${flood}, ${shape}`,
        measure() {
          mask ??= maskInWindows(make());
          const start = performance.now();
          mask(window);
          return Promise.resolve(performance.now() - start);
        },
      };
    });
  });
  return {
    title: "A window of 64 KiB against floods of 4 MiB of secrets",
    unit: "ms",
    variants,
    comparisons: variants.map(({ name }) => ({ subject: name, goal: "G14" })),
  };
}

/** Returns 4 MiB of secrets of the same length that differ only in one part. */
function similarSecrets(
  length: number,
  part: (at: number) => string,
): string[] {
  return Array.from({ length: 4 * MIB / length | 0 }, (_, at) => {
    const side = "ab".repeat((length - part(at).length) / 4 | 0);
    return side + part(at) + side;
  });
}

/** Encodes the lines of a log as JSON within JSON, as nested loggers do. */
function escapeLines(log: Uint8Array): string {
  const lines = new TextDecoder().decode(log).split("\n");
  return lines.map((line, at) =>
    JSON.stringify(JSON.stringify({ level: "info", msg: line, at }))
  ).join("\n").slice(0, 8 * MIB);
}

/** Returns bytes like those of a compressed file. */
function randomBytes(): Uint8Array {
  const random = randomNumbers(3);
  return Uint8Array.from({ length: 4 * MIB }, () => random() % 256);
}

/** Returns the first 8 MiB of a text, wrapped at a width. */
function wrapLines(text: string, width: number): Uint8Array {
  const lines = text.match(new RegExp(`.{1,${width}}`, "g"))!;
  return new TextEncoder().encode(lines.join("\n")).subarray(0, 8 * MIB);
}

/** Returns lines full of secrets whose last letter is changed. */
function nearMisses(secrets: readonly string[]): string {
  const misses = secrets.map((secret) => `${secret.slice(0, -1)}~`).join(" ");
  return `${misses}\n`.repeat(8 * MIB / misses.length | 0);
}
