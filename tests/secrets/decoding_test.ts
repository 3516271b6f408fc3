import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Masker } from "../../src/secrets/masker.ts";
import { cut, maskPieces, splitBytes } from "../helpers/masking.ts";
import { decodeBytes, encodeText, naiveMask } from "../helpers/naive_mask.ts";
import { maskRounds, Random } from "../helpers/random.ts";

const encoder = new TextEncoder();

const ALPHABETS = [
  ...["ab", "ab'\"", "ab\\", "ab n", "a%41", "ab\n", "&;am", "ab c+"],
  ...["abcdefghijklmnop/+", "aé", "abm[3", "a\\u04{}", "aà\t"],
];

/** Complete and incomplete escapes, and parts of them. */
const NOISE = [
  ...["%", "\\", "\\\\", "\\n", '\\"', '"', "''", "$'", "'$'", "=", "&", ";"],
  ...[
    "&amp;",
    "&amp",
    "&#39;",
    "&#39",
    "&#x61;",
    "=3D",
    "=\n",
    "=6",
    "\r",
    "%61",
    "%5C",
    "%2561",
    "%26",
    "&quot;",
  ],
  ...["\\u0061", "\\x61", "\\141", "\\u0026quot;", "\\u00e9", "\\u{61}"],
  ...["\\ud83d\\ude00", "%c3%a9", "\\\n  ", "\n", "\r\n", "  ", "61 62 "],
  ...[
    "\0",
    "\0\0\0",
    "\x1b[31m",
    "\x1b[m",
    "\x1b[",
    "\x1b",
    "\x1b]0;a\x07",
    "\x1b(B",
    "m",
  ],
];

type Encoder = (text: string, random: Random) => string;

/** Encodes random characters of a text, and leaves the others. */
function some(text: string, random: Random, f: (char: string) => string) {
  return [...text].map((char) => random.below(3) ? char : f(char)).join("");
}

function hex(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, "0");
}

const ENCODERS: Encoder[] = [
  (text, random) => some(text, random, encodeURIComponent),
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => [...encodeText(text)].map((byte) => `%${hex(byte, 2)}`).join(""),
  (text, random) => some(text, random, (char) => `\\u${hex(char, 4)}`),
  (text) => text.replaceAll("'", "'\\''"),
  (text, random) => {
    const end = random.pick([";", ""]);
    return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)}${end}`);
  },
  (text, random) => some(text, random, (char) => `&#x${hex(char, 2)}`),
  (text, random) => quotedPrintable(text, random),
  (text, random) => {
    const end = random.pick(["\n", "\r\n", "\r", "\n   "]);
    const width = 2 + random.below(20);
    return text.replace(new RegExp(`.{${width}}`, "gu"), `$&${end}`);
  },
  (text, random) => some(text, random, (char) => `${char}\x1b[0m`),
  (text, random) => {
    const base64 = btoa("u:".slice(random.below(3)) + encodeText(text));
    const end = random.pick(["\n", "\r\n", "\n   ", "\\n"]);
    return base64.replace(
      new RegExp(`.{${1 + random.below(20)}}`, "g"),
      `$&${end}`,
    );
  },
  (text, random) =>
    [...encodeText(text)].map((byte) => hex(byte, 2))
      .join(random.pick(["", " "])),
  (text, random) => numbers(text, random.pick(NUMBERS), random.pick(BETWEEN)),
  (text, random) => prefixed(text, random),
  (text) => [...text].join("\0"),
  (text) => text,
];

/** Encodes all or some bytes of a text as quoted-printable, in lines of any length. */
function quotedPrintable(text: string, random: Random): string {
  const isPlain = random.below(2) ? /[!-<>-~]/ : /[^=\x80-\xff]/;
  const end = random.pick(["=\n", "=\r\n"]);
  const width = 3 + random.below(20);
  return [...encodeText(text)]
    .map((byte) => isPlain.test(byte) ? byte : `=${hex(byte, 2).toUpperCase()}`)
    .join("").replace(new RegExp(`.{${width}}`, "g"), `$&${end}`);
}

/** Prefixes of lines. */
const PREFIXES = [
  ...[
    "# ",
    "> ",
    "+ ",
    "+",
    "remote: ",
    "[build] ",
    "\t",
    "web-1  | ",
    "#8 0.51 ",
  ],
  ...["2026-11-28T20:44:10.123Z ", "2026-11-28 20:44:10,123 INFO "],
];

/** Writes base64 or hexadecimal digits in lines with a prefix. */
function prefixed(text: string, random: Random): string {
  const bytes = "u: ".slice(random.below(3)) + encodeText(text);
  const encoded = random.below(2)
    ? btoa(bytes)
    : [...bytes].map((byte) => hex(byte, 2)).join("");
  const prefix = random.pick(PREFIXES);
  const end = random.pick(["\n", "\r\n", "  \n"]);
  const lines = encoded.match(new RegExp(`.{1,${6 + random.below(40)}}`, "g"));
  return (lines ?? []).map((line) => prefix + line + end).join("");
}

/** Ways to write a byte as a number. */
const NUMBERS: ((byte: number) => string)[] = [
  (byte) => byte.toString(16).padStart(2, "0"),
  (byte) => byte.toString(16).padStart(2, "0").toUpperCase(),
  (byte) => `0x${byte.toString(16).padStart(2, "0")}`,
  (byte) => `0X${byte.toString(16).padStart(2, "0").toUpperCase()}`,
  (byte) => `\\x${byte.toString(16).padStart(2, "0")}`,
  // Numbers below 32 also occur in dates, and are only found among others.
  (byte) => byte.toString().padStart(byte < 32 ? 3 : 0, "0"),
  (byte) => byte.toString().padStart(3, byte < 32 ? "0" : " "),
  (byte) => byte.toString(8).padStart(3, "0"),
];

/** Separators of numbers. */
const BETWEEN = [
  "|",
  "_",
  ":",
  "-",
  " ",
  ", ",
  ",",
  ";",
  "\n",
  ",\n  ",
  '", "',
  ",\r\n\t",
];

function numbers(
  text: string,
  number: (byte: number) => string,
  between: string,
): string {
  return Array.from(encodeText(text), (char) => number(char.charCodeAt(0)))
    .join(between);
}

function randomText(random: Random, secrets: readonly string[]): string {
  let text = "";
  for (let piece = random.below(8); piece > 0; piece--) {
    let part = random.below(3)
      ? random.pick(secrets)
      : random.text(random.below(9), random.pick(ALPHABETS));
    for (let layer = random.below(3); layer > 0; layer--) {
      part = random.pick(ENCODERS)(part, random);
    }
    text += random.below(2) ? part : part.slice(random.below(3));
    if (random.below(2)) text += random.pick(NOISE);
  }
  return text;
}

function randomSecrets(random: Random): string[] {
  const lengths = random.pick([5, 14, 40]);
  return Array.from(
    { length: 1 + random.below(3) },
    () => random.text(4 + random.below(lengths), random.pick(ALPHABETS)),
  ).filter((secret) => secret.trim().length >= 4);
}

function maskerOf(...secrets: string[]): Masker {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  return masker;
}

/** Joins pieces of text, which the helper reads as single bytes. */
function masked(masker: Masker, pieces: readonly Uint8Array[]): string {
  const { outputs } = maskPieces(masker, pieces);
  return decodeBytes(outputs.join(""));
}

Deno.test("Masker masks an encoded secret after an incomplete escape, cut between the bytes of a line break", () => {
  const secret = "correct-horse-battery";
  const digits = [...encodeText(secret)].map((byte) => hex(byte, 2)).join("");
  for (const encoded of [digits, btoa(secret)]) {
    for (const start of ["%", "\\", "\x1b"]) {
      const text = `${start}${encoded.slice(0, 20)}\r\n${
        encoded.slice(20)
      }\r\n`;
      for (const pieces of [cut(text, []), splitBytes(text)]) {
        const output = masked(maskerOf(secret), pieces);
        assertEquals(output, `${start}[REDACTED]\r\n`);
      }
    }
  }
});

describe("Masker prints the same wherever a text is cut", () => {
  const secret = "correct-horse-battery";
  const base64 = btoa(secret);
  const digits = bytesHex(secret);
  const texts: [name: string, text: string, expected: string][] = [
    [
      "when a word that ends a secret is not the last one of its line",
      `# ${base64.slice(0, 12)}\n# ${base64.slice(12)} more\n`,
      `# ${base64.slice(0, 12)}\n# ${base64.slice(12)} more\n`,
    ],
    [
      "when a prefix is too long",
      `# ${base64.slice(0, 12)}\n${"x".repeat(70)} ${base64.slice(12)}\n`,
      `# ${base64.slice(0, 12)}\n${"x".repeat(70)} ${base64.slice(12)}\n`,
    ],
    [
      "when spaces follow half a secret after an incomplete escape",
      `\x1b${digits.slice(0, 20)}  \n${digits.slice(20)}\n`,
      "\x1b[REDACTED]\n",
    ],
    [
      "when a word is not a row of a dump, but encoded twice",
      `${bytesHex(btoa("hunter2hu"))} more\n`,
      "61485[REDACTED] more\n",
    ],
  ];
  for (const [name, text, expected] of texts) {
    it(name, () => {
      const masker = maskerOf(secret, "hunter2hu");
      for (let at = 0; at <= text.length; at++) {
        assertEquals(masked(masker, cut(text, [at])), expected, `${at}`);
      }
      assertEquals(masked(masker, splitBytes(text)), expected);
    });
  }
});

Deno.test("Masker prints a carriage return that does not follow a part of a secret", () => {
  const stream = maskerOf("correct-horse-battery").stream();
  const { output, heldFrom } = stream.mask(
    encoder.encode("10 of 20 low\r"),
    false,
  );
  assertEquals([output.length, heldFrom], [13, 13]);
});

Deno.test("Masker undoes escapes and line breaks like a naive model, for random texts, secrets and cuts", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(300); round++) {
    const secrets = randomSecrets(random);
    if (secrets.length === 0) continue;
    const text = randomText(random, secrets);
    const expected = decodeBytes(naiveMask(encodeText(text), secrets));
    const { length } = encoder.encode(text);
    const places = Array.from(
      { length: random.below(6) },
      () => random.below(length + 1),
    );
    const masker = maskerOf(...secrets);
    for (const pieces of [cut(text, []), splitBytes(text), cut(text, places)]) {
      assertEquals(
        masked(masker, pieces),
        expected,
        `seed ${random.seed}, round ${round}`,
      );
    }
  }
});

function base32(bytes: string): string {
  const bits = [...bytes].map((byte) =>
    byte.charCodeAt(0).toString(2).padStart(8, "0")
  ).join("");
  const digits = (bits.match(/.{1,5}/g) ?? []).map((five) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five.padEnd(5, "0"), 2)]
  ).join("");
  return digits.padEnd(Math.ceil(digits.length / 8) * 8, "=");
}

/** Encoders that can be applied to the output of one another. */
const NESTED: Encoder[] = [
  (text) => btoa(encodeText(text)),
  (text) => btoa(encodeText(text)).replace(/=+$/, ""),
  (text) => btoa(`user:${encodeText(text)}`).replace(/.{20}/g, "$&\n"),
  (text, random) => {
    const width = 1 + random.below(30);
    return btoa(encodeText(text)).replace(
      new RegExp(`.{${width}}`, "g"),
      "$&\r\n  ",
    );
  },
  (text) => bytesHex(encodeText(text)),
  (text) => bytesHex(encodeText(text)).toUpperCase(),
  (text) => base32(encodeText(text)),
  (text) => base32(encodeText(text)).toLowerCase(),
  (text) => JSON.stringify({ key: text }),
  (text, random) => some(text, random, encodeURIComponent),
];

Deno.test("Masker decodes base64 and hexadecimal digits that were encoded again up to four times", () => {
  const masker = maskerOf("s3cr3t-t0k3n-0f-t0day");
  for (const encode of [btoa, (text: string) => bytesHex(encodeText(text))]) {
    let text = "s3cr3t-t0k3n-0f-t0day";
    for (let layers = 1; layers <= 5; layers++) {
      text = encode(text);
      const shown = masker.maskText(`a ${text} b`);
      assert(shown.includes("[REDACTED]"), `${layers} layers: ${shown}`);
    }
  }
});

Deno.test("Masker decodes text that was encoded several times like a naive model, for random secrets and cuts", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(100); round++) {
    const secrets = randomSecrets(random);
    if (secrets.length === 0) continue;
    let text = random.text(random.below(9), "ab 1/") + random.pick(secrets);
    for (let layer = 1 + random.below(3); layer > 0; layer--) {
      text = random.pick(NESTED)(text, random);
      if (random.below(4) === 0) text = `x${text}`;
    }
    text = `${random.pick(["", "a ", "1", "\n"])}${text}${
      random.pick(["", ".", " a", "\nb"])
    }`;
    const expected = decodeBytes(naiveMask(encodeText(text), secrets));
    const { length } = encoder.encode(text);
    const places = Array.from(
      { length: random.below(6) },
      () => random.below(length + 1),
    );
    const masker = maskerOf(...secrets);
    for (const pieces of [cut(text, []), splitBytes(text), cut(text, places)]) {
      assertEquals(
        masked(masker, pieces),
        expected,
        `seed ${random.seed}, round ${round}`,
      );
    }
  }
});

Deno.test("Masker reads hex dumps like a naive model, for random secrets and cuts", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(100); round++) {
    const secrets = randomSecrets(random);
    if (secrets.length === 0) continue;
    const parts = Array.from(
      { length: 1 + random.below(4) },
      () =>
        random.below(4)
          ? dumped(random.pick(secrets), random)
          : random.pick(["\n", "*\n", "Fix the start\n", "0000010\n"]),
    );
    const text = parts.join("");
    const expected = inRows(decodeBytes(naiveMask(encodeText(text), secrets)));
    const { length } = encoder.encode(text);
    const places = Array.from(
      { length: random.below(6) },
      () => random.below(length + 1),
    );
    const masker = maskerOf(...secrets);
    for (const pieces of [cut(text, []), splitBytes(text), cut(text, places)]) {
      assertEquals(
        inRows(masked(masker, pieces)),
        expected,
        `seed ${random.seed}, round ${round}`,
      );
    }
  }
});

/** Joins adjacent placeholders: spaces between two words reveal nothing. */
function inRows(text: string): string {
  return text.replace(/\[REDACTED\](?: *\[REDACTED\])+/g, "[REDACTED]");
}

/** Writes a hex dump with offsets, words of a random size, and a column of text. */
function dumped(text: string, random: Random): string {
  const bytes = encodeText(`${random.text(random.below(9), "xyz")}${text}`);
  const width = 4 * (1 + random.below(3));
  const size = random.pick([1, 2, 4]);
  const end = random.pick(["", "|", " "]);
  const prefix = random.pick(["", "", ...PREFIXES]);
  const color = random.pick(["", "", "\x1b[32m", "\x1b[1;31m"]);
  let rows = "\n";
  for (let at = 0; at < bytes.length; at += width) {
    const row = bytes.slice(at, at + width);
    const digits = [...row].map((byte) => hex(byte, 2)).join("");
    const words = digits.replace(new RegExp(`.{${2 * size}}`, "g"), "$& ");
    const shown = row.replace(/[^ -~]/g, ".");
    // The text of an incomplete row is in the same column.
    const blanks = width / size * (2 * size + 1) - 1 - words.trimEnd().length;
    rows += `${prefix}${color}` +
      `${at.toString(16).padStart(7, "0")} ${words.trimEnd()}` +
      (end === ""
        ? ""
        : `${" ".repeat(blanks)}  ${end.trim()}${shown}${end.trim()}`) +
      "\n";
  }
  return rows;
}

const found: [name: string, secret: string, text: string, masked: string][] = [
  ["JSON", `pa"ss\\word`, `"pa\\"ss\\\\word"`, `"[REDACTED]"`],
  ["JSON in JSON", `pa"ss-word`, `"pa\\\\\\"ss-word"`, `"[REDACTED]"`],
  ["an address", "p@ss/word", "x=p%40ss%2Fword&y", "x=[REDACTED]&y"],
  ["an address twice", "p@ss/word", "p%2540ss%252Fword", "[REDACTED]"],
  ["HTML", "p<ss>word", "p&lt;ss&#62;word", "[REDACTED]"],
  ["HTML in Go's JSON", "p<ss>word", "p\\u0026lt;ss\\u003eword", "[REDACTED]"],
  [
    "HTML in an address",
    "p<ss>word",
    "p%26lt%3Bss%26%2362%3Bword",
    "[REDACTED]",
  ],
  ["a shell", "it's-a-secret", `'it'\\''s-a-secret'`, `'[REDACTED]'`],
  [
    "a shell twice",
    "it's-a-secret",
    `'it'\\''\\'\\'''\\''s-a-secret'`,
    `'[REDACTED]'`,
  ],
  ["Properties of Java", "pä:ss=word", "p\\u00e4\\:ss\\=word", "[REDACTED]"],
  ["PowerShell", 'pa"ss$word', '"pa`"ss`$word"', '"[REDACTED]"'],
  ["cmd", "pa&ss|word", "pa^&ss^|word", "[REDACTED]"],
  ["PHP", "pa/ss/word", '"pa\\/ss\\/word"', '"[REDACTED]"'],
  ["Ruby", "pa\x1bss🔑word", `"pa\\ess\\u{1F511}word"`, `"[REDACTED]"`],
  ["Go", "pä\x07ss🔑word", `"p\\u00e4\\ass\\U0001f511word"`, `"[REDACTED]"`],
  ["a continued line", "first-second", '"first-\\\n   second"', '"[REDACTED]"'],
  [
    "terminal codes",
    "hunter2",
    "x\x1b[1mhunt\x1b[m\x1b[Ker2",
    "x\x1b[1m[REDACTED]",
  ],
  ["codes of tput", "hunter2", "hun\x1b(B\x1b[mter2", "[REDACTED]"],
  ["links", "hunter2", "hun\x1b]8;;http://x\x1b\\ter2", "[REDACTED]"],
  ["codes in JSON", "hunter2", '"hun\\u001b[31mter2"', '"[REDACTED]"'],
  ["UTF-16", "hunter2", "xhunter2.".split("").join("\0"), "x\0[REDACTED]\0."],
  ["UTF-32", "hunter2", [..."hunter2"].join("\0\0\0"), "[REDACTED]"],
  ["codes in base64", "hunter2", "aHVud\x1b[0mGVyM", "[REDACTED]"],
  [
    "a row that starts with a longer word",
    "hunter2",
    "ab68 75 6e 74 65 72 32\n",
    "ab[REDACTED]\n",
  ],
  ["bytes with colons", "hunter2", "68:75:6E:74:65:72:32.", "68:[REDACTED]."],
  [
    "an array of C",
    "hunter2",
    "{0x68, 0x75, 0x6e,\n  0x74, 0x65, 0x72, 0x32};",
    "{0x68, [REDACTED]};",
  ],
  [
    "escapes with commas",
    "hunter2",
    '["\\\\x68", "\\\\x75", "\\\\x6e", "\\\\x74", "\\\\x65", "\\\\x72", "\\\\x32"]',
    '["\\\\x68", "[REDACTED]"]',
  ],
  [
    "a list of bytes",
    "hunter2",
    "[104, 117, 110, 116, 101, 114, 50]",
    "[104, [REDACTED]]",
  ],
  [
    "octal numbers",
    "hunter2",
    " 150 165 156 164 145 162 062\n",
    " [REDACTED]\n",
  ],
  [
    "numbers without semicolons",
    "p<s>wd",
    "&#112&#x3cs&#62;wd&#10",
    "[REDACTED]&#10",
  ],
  [
    "old entities without semicolons",
    "p<s>w&d!",
    "p&lts&gtw&d!",
    "p&lts&gtw&d!",
  ],
  [
    "old entities before punctuation",
    "p<=>w&-d",
    "p&lt&#61&gt;w&amp-d",
    "[REDACTED]",
  ],
  ["quoted-printable", "pä=ss/word", "p=C3=A4=3D=\r\nss=2Fword", "[REDACTED]"],
  [
    "each byte in quoted-printable",
    "hunter2",
    "=68=75=6E=\n=74=65=72=32",
    "[REDACTED]",
  ],
  [
    "lines of a column",
    "correct-horse",
    "corr\nect-\r\n  hors\re.",
    "[REDACTED].",
  ],
  [
    "percent-encoded base64",
    "hunter2?>>",
    "aHVudGVyMj8%2BPg%3D%3D",
    "[REDACTED]g%3D%3D",
  ],
];

describe("Masker finds a secret in", () => {
  it("every character escaped, with any number of backslashes", () => {
    for (
      const secret of ["ab\\rcd-efgh\\", "k6\\29Hm=x\\\\", "\\a\\b\\new\\"]
    ) {
      const text = [...secret].map((char) => `\\x${hex(char, 2)}`).join("");
      const shown = maskerOf(secret).maskText(`|${text}|`);
      // A backslash at the end may remain.
      assertEquals(shown.replaceAll("\\x5c", ""), "|[REDACTED]|");
    }
  });

  for (const [name, secret, text, expected] of found) {
    it(name, () => {
      assertEquals(maskerOf(secret).maskText(text), expected);
      assertEquals(masked(maskerOf(secret), splitBytes(text)), expected);
    });
  }

  it("base64 and hexadecimal digits in lines of any length", () => {
    const secret = "correct-horse-battery-staple-01234567890123456789";
    const texts = [btoa(`user:${secret}`), bytesHex(`x${secret}`)];
    const masker = maskerOf(secret);
    for (const text of texts) {
      for (let width = 1; width < text.length; width++) {
        const lines = text.replace(new RegExp(`.{${width}}`, "g"), "$&\r\n  ");
        const rest = masker.maskText(lines).replace("[REDACTED]", "");
        assertEquals(masked(masker, splitBytes(lines)), masker.maskText(lines));
        assert(rest.replace(/\s/g, "").length <= 16, `${width}: ${rest}`);
      }
    }
  });
});

for (const [end, start] of [['"\n', '"'], ["'\r\n    ", "'"], [" \n", ""]]) {
  Deno.test(`Masker finds base64 in lines with ${JSON.stringify(end + start)} between them`, () => {
    const secret = "correct-horse-battery-staple-01234567890123456789";
    const line = "2026-01-02 [INFO] nothing that is secret is in here\n";
    const encoded = btoa(`user:${secret}`);
    const masker = maskerOf(secret);
    for (let width = 2; width < 20; width++) {
      const lines = encoded.replace(
        new RegExp(`.{${width}}`, "g"),
        `$&${end}${start}`,
      );
      const text = `${line}${start}${lines}${end}${line}`;
      const expected = decodeBytes(naiveMask(encodeText(text), [secret]));
      assertEquals(masker.maskText(text), expected);
      for (let at = 0; at < text.length; at += 7) {
        assertEquals(
          masked(masker, cut(text, [at])),
          expected,
          `${width} ${at}`,
        );
      }
    }
  });
}

function bytesHex(text: string): string {
  return [...text].map((char) => hex(char, 2)).join("");
}

const PEM = `-----BEGIN TEST KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END TEST KEY-----
`;

describe("Masker finds a multi-line secret", () => {
  const shapes: [name: string, text: string][] = [
    ["with other line breaks", PEM.trim().replaceAll("\n", "\r\n")],
    ["indented", PEM.trim().replaceAll("\n", "\n    ")],
    ["on one line", PEM.trim().replaceAll("\n", " ")],
    ["in JSON", PEM.trim().replaceAll("\n", "\\n")],
    ["in JSON in JSON", PEM.trim().replaceAll("\n", "\\\\r\\\\n")],
    ["with empty lines", PEM.trim().replaceAll("\n", "\n\n")],
    ["broken elsewhere", PEM.trim().replace(/(?<=^M.{30})/gm, "\n")],
    ["with colors", PEM.trim().replaceAll("\n", "\x1b[0m\n\x1b[32m")],
  ];
  for (const [name, text] of shapes) {
    it(name, () => {
      const pieces = splitBytes(`key: ${text}.\n`);
      assertEquals(masked(maskerOf(PEM), pieces), "key: [REDACTED].\n");
    });
  }

  it("without its first and last line, in lines of any length", () => {
    const body = PEM.split("\n").slice(1, -2).join("");
    const lines = body.replace(/.{40}/g, "$&\n");
    assertEquals(maskerOf(PEM).maskText(`<${lines}>`), "<[REDACTED]>");
  });
});

/** Creates a log that is full of text that the masker has to decode. */
function escapedLines(random: Random): string[] {
  const word = () =>
    random.text(3 + random.below(9), "abcdefghijklmnopqrstuvwxyz");
  return Array.from({ length: 400 }, () => {
    const words =
      `${word()} "${word()}" <${word()}>/C:\\${word()}\\n ${word()}`;
    return random.pick([
      (text: string) => JSON.stringify(JSON.stringify({ text })),
      encodeURIComponent,
      (text: string) =>
        text.replace(/[<>"]/g, (item) => `&#${item.charCodeAt(0)};`),
      (text: string) => `\x1b[31m${text}\x1b[0m`,
      (text: string) => btoa(text).replace(/.{20}/g, "$&\n"),
      (text: string) => bytesHex(text).replace(/../g, "$& "),
      (text: string) => `'${text.replaceAll("'", "'\\''")}' ''x'' ""y""`,
    ])(words);
  });
}

Deno.test("Masker does not change a log without secrets, even if it is full of escapes", () => {
  const random = new Random(5);
  const text = `${escapedLines(random).join("\n")}\n100%\\`;
  const secrets = Array.from(
    { length: 50 },
    () =>
      random.text(8 + random.below(30), "ABCDEFGHIJKLM0123456789'\"\\%&;+/ "),
  ).filter((secret) => secret.trim().length >= 8);
  const places = Array.from({ length: 200 }, () => random.below(text.length));
  const masker = maskerOf(...secrets);
  assertEquals(masker.maskText(text), text, `seed ${random.seed}`);
  assertEquals(masked(masker, cut(text, places)), text, `seed ${random.seed}`);
});

const words: [secret: string, text: string][] = [
  [`pass"word`, `{\\"password\\": \\"pass-word\\"}`],
  ["to+the/moon", "to%20go to\\nthe\\nmoon, tothemoon"],
  ["correct horse", "correct%2Dhorse correct\\thorse\\n"],
  ["hunter2-", "hu\x1b[m-nter2 \x1b[31mhunter\x1b[0m"],
  ["abcdefg", "abcd\nefg \x1b[1mabcd efg"],
  ["abcdefgh", "abcd efgh, abcd\tefgh"],
  ["ab=cdefgh", "ab=3D-cdefgh ab=CDefgh"],
  ["hunter2-", "68:75:6e:74:65:72:32 687:56:e7 104.117"],
  ['"1CPY"', "2023-11-14 22:31:43,503 10.34.49.67 1, 34, 49, 67"],
];

Deno.test("Masker does not mask words that only resemble a secret", () => {
  for (const [secret, text] of words) {
    assertEquals(maskerOf(secret).maskText(text), text);
    assertEquals(masked(maskerOf(secret), splitBytes(text)), text);
  }
});

describe("Masker holds back", () => {
  const heldBytes = (masker: Masker, text: string) => {
    const window = encoder.encode(text);
    return window.length - masker.stream().mask(window, false).heldFrom;
  };

  it("nothing before a line break, unless most of the line belongs to a secret", () => {
    const masker = maskerOf("correct-horse-battery-staple");
    const line = "Building everything with code 100% \\o/ & more\n";
    assertEquals(heldBytes(masker, line), 0);
    for (const end of ["x", "Y", "Z", "bzZ"]) {
      assertEquals(heldBytes(masker, `done ${end}\n`), 0, end);
    }
    assertEquals(heldBytes(masker, "Y29ycmVjd\n"), 10);
  });

  it("an incomplete escape, and no more", () => {
    const masker = maskerOf(`pa"ss-word`);
    for (const end of ["%", "%4", "\\", "\\u00", "&quo", "\x1b[3", "\\\\"]) {
      assertEquals(heldBytes(masker, `x${end}`), end.length, end);
      assertEquals(heldBytes(masker, `-pa${end}`), end.length + 2, end);
    }
  });

  it("at most the maximum length of a secret, however it is escaped", () => {
    const random = new Random(5);
    const secret = random.text(40, `abc"'\\% &\n`).trim() + `x"y"z`;
    const masker = maskerOf(secret);
    const max = 12 * encoder.encode(secret).length;
    for (let round = 0; round < 300; round++) {
      const text = Array.from(
        { length: 400 },
        () => random.below(3) ? random.pick(NOISE) : random.pick(secret),
      ).join("");
      const count = heldBytes(masker, text.replaceAll("\x1b", ""));
      assert(count <= max, `seed ${random.seed}: ${count}`);
    }
  });

  it("no more than a piece of a long secret", () => {
    const secret = new Random(5).text(20_000, "abcdefghij");
    const masker = maskerOf(secret);
    assert(heldBytes(masker, `-${secret.slice(0, 10_000)}`) < 128);
    assert(
      heldBytes(masker, `-${JSON.stringify(secret).slice(0, 9_000)}`) < 256,
    );
  });

  it("no endless terminal codes", () => {
    const masker = maskerOf("hunter2");
    const near = `hun${"\x1b[m".repeat(340)}ter2`;
    assertEquals(masker.maskText(near), "[REDACTED]");
    const far = `hun${"\x1b[m".repeat(1_000)}`;
    assertEquals(masker.maskText(`${far}ter2`), `${far}ter2`);
    assertEquals(heldBytes(masker, far), 0);
  });
});

Deno.test("Masker masks a value with several quotes at an edge, one of which is escaped", () => {
  for (const secret of [`hfuF3vDGzHi'"`, `"'hfuF3vDGzHi`, `'"hfuF3vDGzHi"'`]) {
    const masker = new Masker();
    masker.add(secret);
    for (
      const text of [
        JSON.stringify({ secret }),
        encodeURIComponent(secret),
        `'${secret.replaceAll("'", `'\\''`)}'`,
      ]
    ) assertEquals(masker.maskText(text).includes("hfuF3v"), false, text);
  }
});

Deno.test("Masker masks the same in encoded text with quotes, however the output is cut", () => {
  const masker = maskerOf(`a""ab'bab'bbb'`);
  const quoted = `""ab'\\''bab'\\''bbb'\\''`;
  for (const text of [bytesHex(quoted), btoa(quoted), `1${bytesHex(quoted)}`]) {
    const expected = masked(masker, cut(text, []));
    assert(expected.includes("[REDACTED]"), text);
    assertEquals(masked(masker, splitBytes(text)), expected);
  }
});
