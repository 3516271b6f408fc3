import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Masker } from "../../src/secrets/masker.ts";
import { MAX_SKIPPED_BYTES } from "../../src/secrets/skipping_view.ts";
import {
  bytewise,
  cut,
  maskPieces,
  naiveHeldCount,
  naiveMask,
} from "../helpers/masking.ts";
import { Random } from "../helpers/random.ts";

/** Codes for a terminal, whole and broken off, and what they are made of. */
const CODES = [
  ...["\x1b[31m", "\x1b[m", "\x1b[1;38;5;9m", "\x1b[K", "\x1b(B", "\x1b7"],
  ...["\x1b]0;ab\x07", "\x1b]8;;a\x1b\\", "\x1b", "\x1b[", "\x1b[3", "\x1b]b"],
  ...["\x1b(", "m", "[", "\x07", "\x1b\x1b[m", "\x1b[3\n", "\x1b\x1b"],
];

/** Characters of secrets with one line, or several. */
const ALPHABETS = ["ab", "abc", "ab\n", "ab \n", "abm[3"];

const PEM = `-----BEGIN TEST KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END TEST KEY-----
`;

function maskerOf(...secrets: string[]): Masker {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  return masker;
}

function randomSecrets(random: Random): string[] {
  const alphabet = random.pick(ALPHABETS);
  return Array.from(
    { length: 1 + random.below(3) },
    () => random.text(4 + random.below(random.pick([5, 14])), alphabet).trim(),
  ).filter((secret) => secret.length >= 4);
}

/** A text in which secrets stand with codes and white space within. */
function randomText(random: Random, secrets: readonly string[]): string {
  let text = "";
  for (let piece = random.below(12); piece > 0; piece--) {
    const part = random.below(2) && secrets.length > 0
      ? random.pick(secrets)
      : random.text(random.below(9), random.pick(ALPHABETS));
    const noise = random.pick([0, 1, 5]);
    for (const char of part) {
      text += char;
      for (let i = 0; i < noise && random.below(2); i++) {
        text += random.pick([...CODES, " ", "\r\n", "\n  "]);
      }
    }
  }
  return text;
}

describe("Masker looks through codes and white space", () => {
  it("as a naive model does, on random texts, secrets and cuts", () => {
    const random = new Random();
    for (let round = 0; round < 3_000; round++) {
      const secrets = randomSecrets(random);
      const text = randomText(random, secrets);
      const cuts = Array.from(
        { length: random.below(random.pick([4, 40])) },
        () => random.below(text.length + 1),
      );
      assertEquals(
        maskPieces(maskerOf(...secrets), cut(text, cuts)).text,
        naiveMask(text, secrets),
        `seed ${random.seed}, round ${round}`,
      );
    }
  });

  it("and holds back exactly what may still become a secret", () => {
    const random = new Random();
    for (let round = 0; round < 300; round++) {
      const secrets = randomSecrets(random);
      const text = randomText(random, secrets).slice(0, 80);
      const stream = maskerOf(...secrets).stream();
      let held = new Uint8Array();
      for (let at = 0; at < text.length; at++) {
        const window = Uint8Array.from([...held, text.charCodeAt(at)]);
        held = window.slice(stream.mask(window, false).heldFrom);
        assertEquals(
          held.length,
          naiveHeldCount(text.slice(0, at + 1), secrets),
          `seed ${random.seed}, round ${round}, place ${at}`,
        );
      }
    }
  });
});

const traps: [name: string, secret: string, text: string, masked: string][] = [
  [
    "behind each letter of a secret",
    "hunter2",
    [..."hunter2"].map((it) => `${it}\x1b[1;31m`).join(""),
    "[REDACTED]\x1b[1;31m",
  ],
  ["in front of a secret", "hunter2", "\x1b[31mhunter2", "\x1b[31m[REDACTED]"],
  [
    "of grep",
    "hunter2",
    "x\x1b[01;31m\x1b[Khunt\x1b[m\x1b[Ker2",
    "x\x1b[01;31m\x1b[K[REDACTED]",
  ],
  ["of tput", "hunter2", "hun\x1b(B\x1b[mter2", "[REDACTED]"],
  ["that link", "hunter2", "hun\x1b]8;;http://x\x1b\\ter2", "[REDACTED]"],
  ["around an encoded secret", "hunter2", "aHVud\x1b[0mGVyM", "[REDACTED]"],
  ["that a secret ends with", "hun\x1b[0m", "-hun\x1b[0m-", "-[REDACTED]-"],
  ["where there is no secret", "hunter2", "hu\x1b[m-nter2", "hu\x1b[m-nter2"],
];

describe("Masker finds a secret in spite of codes", () => {
  for (const [name, secret, text, masked] of traps) {
    it(name, () => {
      assertEquals(maskPieces(maskerOf(secret), bytewise(text)).text, masked);
      assertEquals(maskerOf(secret).maskText(text), masked);
    });
  }

  it("but not for ever, so that little is held back", () => {
    const masker = maskerOf("hunter2");
    const near = `hun${"\x1b[m".repeat(MAX_SKIPPED_BYTES / 3 | 0)}ter2`;
    assertEquals(masker.maskText(near), "[REDACTED]");
    const far = `hun${"\x1b[m".repeat(MAX_SKIPPED_BYTES)}ter2`;
    assertEquals(masker.maskText(far), far);
    const stream = masker.stream();
    const window = new TextEncoder().encode(far.slice(0, -4));
    assertEquals(stream.mask(window, false).heldFrom, window.length);
  });
});

describe("Masker finds a secret of several lines", () => {
  const shapes: [name: string, text: string][] = [
    ["with other line breaks", PEM.trim().replaceAll("\n", "\r\n")],
    ["indented", PEM.trim().replaceAll("\n", "\n    ")],
    ["in one line", PEM.trim().replaceAll("\n", " ")],
    ["with empty lines", PEM.trim().replaceAll("\n", "\n\n")],
    ["broken elsewhere", PEM.trim().replace(/(?<=^M.{30})/gm, "\n")],
    ["with colours", PEM.trim().replaceAll("\n", "\x1b[0m\n\x1b[32m")],
  ];
  for (const [name, text] of shapes) {
    it(name, () => {
      const { text: masked } = maskPieces(
        maskerOf(PEM),
        bytewise(`key: ${text}.\n`),
      );
      assertEquals(masked, "key: [REDACTED].\n");
    });
  }

  it("without its first and last line, in lines of any length", () => {
    const body = PEM.split("\n").slice(1, -2).join("");
    const lines = body.replace(/.{40}/g, "$&\n");
    assertEquals(maskerOf(PEM).maskText(`<${lines}>`), "<[REDACTED]>");
  });

  it("and leaves the rest of its lines' words alone", () => {
    const masker = maskerOf('{\n  "user": "me",\n  "key": "correct-horse"\n}');
    assertEquals(masker.maskText("{ }\nuser: me\n"), "{ }\nuser: me\n");
    assert(
      !masker.maskText(`{"user":"me","key":"correct-horse"}`).includes("h"),
    );
  });
});
