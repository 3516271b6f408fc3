import { assert, assertEquals } from "@std/assert";
import { Masker } from "../../src/secrets/masker.ts";
import {
  cut,
  maskPieces,
  naiveHeldCount,
  naiveMaskLate,
  splitBytes,
} from "../helpers/masking.ts";
import { naiveMask } from "../helpers/naive_mask.ts";
import { maskRounds, Random } from "../helpers/random.ts";

function maskerOf(...secrets: string[]): Masker {
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  return masker;
}

Deno.test("Masker agrees with a naive model for random texts, secrets and cuts", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(200); round++) {
    const alphabet = random.pick(["ab", "abc", "ab c\n", "0123456789"]);
    const secrets = Array.from(
      { length: 1 + random.below(5) },
      () => random.text(3 + random.below(random.pick([3, 9, 30])), alphabet),
    ).map((secret) => secret.trim()).filter((secret) => secret.length >= 3);
    let text = random.text(random.below(300), alphabet);
    for (const secret of secrets) {
      if (random.below(2)) {
        text += secret + random.text(random.below(9), alphabet);
      }
    }
    const cuts = Array.from(
      { length: random.below(20) },
      () => random.below(text.length + 1),
    );
    const { text: masked } = maskPieces(maskerOf(...secrets), cut(text, cuts));
    assertEquals(
      masked,
      naiveMask(text, secrets),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("Masker agrees with a naive model for secrets that are added late", () => {
  const random = new Random();
  const encoder = new TextEncoder();
  for (let round = 0; round < maskRounds(200); round++) {
    const alphabet = random.pick(["ab", "abc", "abcdef"]);
    const events = Array.from({ length: 2 + random.below(20) }, () => {
      // The end of a longer one is also held back if its start was printed before
      // it was known, because it could be wrapped.
      const secret = random.text(3 + random.below(5), alphabet);
      return random.below(3)
        ? random.text(random.below(9), alphabet)
        : { secret };
    });
    const { text } = maskPieces(
      new Masker(),
      events.map((event) =>
        typeof event === "string" ? encoder.encode(event) : event
      ),
    );
    assertEquals(
      text,
      naiveMaskLate(events),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("Masker holds back exactly what may still become a secret", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(100); round++) {
    const secrets = Array.from(
      { length: 1 + random.below(3) },
      () => random.text(3 + random.below(9), "ab"),
    );
    const masker = maskerOf(...secrets);
    const stream = masker.stream();
    let held = new Uint8Array();
    let text = "";
    for (let i = 0; i < 60; i++) {
      const byte = random.text(1, "abc");
      text += byte;
      const window = Uint8Array.from([...held, byte.charCodeAt(0)]);
      held = window.slice(stream.mask(window, false).heldFrom);
      const expected = naiveHeldCount(text, secrets);
      assertEquals(
        held.length,
        expected,
        `seed ${random.seed}, round ${round}`,
      );
    }
  }
});

const traps: [name: string, secrets: string[], text: string, masked: string][] =
  [
    ["a prefix that overlaps itself", ["aab!"], "aaaab!", "aa[REDACTED]"],
    [
      "a false start inside itself",
      ["tok_tok-9"],
      "tok_tok_tok-9",
      "tok_[REDACTED]",
    ],
    ["secrets that overlap", ["abcd", "cdef"], "abcdef", "[REDACTED]"],
    [
      "a secret inside a partial match",
      ["bcde", "abcdeZ"],
      "abcdeY",
      "a[REDACTED]Y",
    ],
    [
      "a secret inside another",
      ["cdef", "abcdefgh"],
      "xabcdefghx",
      "x[REDACTED]x",
    ],
    ["secrets that touch", ["abcd", "efgh"], "abcdefgh", "[REDACTED]"],
    ["a run of one byte", ["aaaa"], "baaaaaaaab", "b[REDACTED]b"],
    ["a secret with a line break", ["ab\ncd"], "ab\ncd", "[REDACTED]"],
  ];

for (const [name, secrets, text, masked] of traps) {
  Deno.test(`Masker masks ${name}`, () => {
    assertEquals(
      maskPieces(maskerOf(...secrets), splitBytes(text)).text,
      masked,
    );
    assertEquals(maskerOf(...secrets).maskText(text), masked);
  });
}

Deno.test("Masker masks secrets of three bytes when configured to", () => {
  const shortest = (...secrets: string[]) => {
    const masker = new Masker();
    masker.minBytes = 3;
    for (const secret of secrets) masker.add(secret);
    return masker;
  };
  const { text: overlapping } = maskPieces(shortest("aab"), [
    ...cut("aaab", [2]),
  ]);
  assertEquals(overlapping, "a[REDACTED]");
  const { text: inside } = maskPieces(
    shortest("bcd", "abcdeZ"),
    splitBytes("abcdeY"),
  );
  assertEquals(inside, "a[REDACTED]eY");
});

Deno.test("Masker masks a secret of 16,000 bytes that is cut anywhere", () => {
  const random = new Random(7);
  const secret = random.text(16_000, "abcdefghijklmnopqrstuvwxyz");
  const masker = maskerOf(secret);
  for (let round = 0; round < 40; round++) {
    const { text } = maskPieces(
      masker,
      cut(`>${secret}<`, [random.below(16_000), random.below(16_000)]),
    );
    assertEquals(text, ">[REDACTED]<");
  }
});

Deno.test("Masker finds secrets that contain runs of a byte, like a naive model", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(200); round++) {
    const run = (max: number) => "a".repeat(random.below(max));
    const piece = () => random.text(random.below(3), "ab") + run(40);
    const secrets = Array.from(
      { length: 1 + random.below(3) },
      () => (piece() + piece()).padEnd(4, "a"),
    );
    const text = Array.from(
      { length: random.below(9) },
      () => random.below(2) ? piece() + run(90) : random.pick(secrets),
    )
      .join(random.pick(["", "b"]));
    const cuts = Array.from(
      { length: random.below(4) },
      () => random.below(text.length + 1),
    );
    assertEquals(
      maskPieces(maskerOf(...secrets), cut(text, cuts)).text,
      naiveMask(text, secrets),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("Masker finds secrets in long repetitions, like a naive model", () => {
  const random = new Random();
  for (let round = 0; round < maskRounds(60); round++) {
    const unit = random.text(1 + random.below(8), "ab");
    const piece = (max: number) =>
      random.text(random.below(3), "abc") +
      unit.repeat(random.below(max / unit.length + 1)) +
      random.text(random.below(3), "abc");
    const secrets = Array.from(
      { length: 1 + random.below(4) },
      () => piece(random.pick([8, 30, 300])).padEnd(4, "a"),
    );
    const text = Array.from(
      { length: 1 + random.below(3) },
      () => piece(1_500),
    ).join(random.pick(["", "-", "b"]));
    const cuts = Array.from(
      { length: random.below(3) },
      () => random.below(text.length + 1),
    );
    assertEquals(
      maskPieces(maskerOf(...secrets), cut(text, cuts)).text,
      naiveMask(text, secrets),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("Masker holds back no more for a run that overlaps itself", () => {
  const stream = maskerOf("aaaa").stream();
  const window = new TextEncoder().encode("a".repeat(1_000));
  assertEquals(window.length - stream.mask(window, false).heldFrom, 3);
});

Deno.test("Masker prints a placeholder that contains no secret", () => {
  const masker = maskerOf("ACTED");
  assertEquals(masker.maskText("xACTEDx"), "x***x");
  masker.add("****");
  assertEquals(masker.maskText("xACTEDx"), "x***x");
});

Deno.test("Masker masks a late secret in bytes that are held back", () => {
  const masker = maskerOf("abcdefgh");
  const { text } = maskPieces(masker, [
    ...cut("..abcd", []),
    { secret: "bcdX" },
    ...cut("X.abcdefgh", []),
  ]);
  assertEquals(text, "..a[REDACTED].[REDACTED]");
});

Deno.test("Masker does not change bytes that are not UTF-8", () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0x80, 0x0a, 0xc3, 0x28, 0x00);
  const { text } = maskPieces(maskerOf("secret"), [bytes]);
  assertEquals(
    text,
    String.fromCharCode(...new Uint8Array(bytes)).replace(
      /[\x80-\x9f]/g,
      (c) => new TextDecoder("latin1").decode(Uint8Array.of(c.charCodeAt(0))),
    ),
  );
});

Deno.test("Masker.maskText() keeps a byte order mark", () => {
  const text = "\ufeffa \ufeff";
  assertEquals(maskerOf("hunter2").maskText(text), text);
});

Deno.test("Masker can be turned off and on again without forgetting secrets", () => {
  const masker = maskerOf("hunter2");
  masker.setEnabled(false);
  assertEquals(masker.maskText("hunter2"), "hunter2");
  assertEquals(maskPieces(masker, splitBytes("hunter2")).text, "hunter2");
  assert(masker.containsSecret("a hunter2"));
  assert(!masker.containsSecret("a hunter"));
  masker.setEnabled(true);
  assertEquals(masker.maskText("hunter2"), "[REDACTED]");
});

Deno.test("Masker reports values that are too short", () => {
  const masker = new Masker();
  assertEquals(masker.add("ab"), false);
  assertEquals(masker.add(" ab "), false);
  assertEquals(masker.maskText("ab-ab ab  ab "), "ab-ab[REDACTED]");
  assert(masker.add("日"));
});

Deno.test("Masker masks values of 3 bytes only in their plain form", () => {
  const masker = maskerOf("Zx9", '{"stage":"dev","token":"s3cr3t"}');
  assertEquals(
    masker.maskText("aZx9b dev s3cr3t"),
    "a[REDACTED]b dev [REDACTED]",
  );
  // The middle of base64 with the value in the middle of three bytes.
  const fragment = btoa("-Zx9-").slice(2, 5);
  assertEquals(masker.maskText(fragment), fragment);
});

Deno.test("Masker finds each of 3,000 secrets of all lengths", () => {
  const random = new Random();
  const secrets = Array.from(
    { length: 3_000 },
    () =>
      random.text(3 + random.below(60), "abcdefghijklmnopqrstuvwxyz0123456789"),
  );
  const masker = maskerOf(...secrets);
  for (const secret of secrets) {
    assertEquals(
      masker.maskText(`--${secret}--`),
      "--[REDACTED]--",
      `seed ${random.seed}`,
    );
  }
});

Deno.test("Masker finds each of 1,500 secrets in a long text", () => {
  const random = new Random();
  const secrets = Array.from(
    { length: 1_500 },
    () =>
      random.text(8 + random.below(60), "abcdefghijklmnopqrstuvwxyz0123456789"),
  );
  const gaps = secrets.map(() => "-".repeat(1 + random.below(40)));
  const masker = maskerOf(...secrets);
  assertEquals(
    masker.maskText(secrets.map((secret, at) => secret + gaps[at]).join("")),
    gaps.map((gap) => `[REDACTED]${gap}`).join(""),
    `seed ${random.seed}`,
  );
});

Deno.test("Masker finds secrets of each length anywhere in a long text", () => {
  const random = new Random();
  const block = 64 * 1024;
  for (let length = 4; length < 40; length++) {
    const secret = random.text(length, "abcdefghijklmnopqrstuvwxyz");
    const masker = maskerOf(secret);
    const starts = Array.from({ length: 20 }, (_, at) => 101 * at);
    starts.push(block - 1 - random.below(length), 2 * block - length);
    let text = "";
    let expected = "";
    for (const start of starts) {
      const gap = "-".repeat(start - text.length);
      text += gap + secret;
      expected += `${gap}[REDACTED]`;
    }
    assertEquals(
      masker.maskText(`${text}-`),
      `${expected}-`,
      `seed ${random.seed}, length ${length}`,
    );
  }
});

Deno.test("Masker finds secrets of each length at any position", () => {
  const random = new Random();
  const letters = "abcdefghijklmnopqrstuvwxyz";
  for (let length = 4; length < 40; length++) {
    const masker = maskerOf(random.text(12, letters));
    const secret = random.text(length, letters);
    masker.add(secret);
    for (let offset = 0; offset < 16; offset++) {
      for (const end of ["", "-", "-".repeat(9)]) {
        const before = "-".repeat(offset);
        assertEquals(
          masker.maskText(before + secret + end),
          `${before}[REDACTED]${end}`,
          `seed ${random.seed}, length ${length}, offset ${offset}`,
        );
      }
    }
  }
});

Deno.test("Masker distinguishes secrets that share all but a few bytes", () => {
  const random = new Random();
  const shared = random.text(48, "0123456789abcdef");
  const secrets = Array.from(
    { length: 200 },
    (_, at) => {
      const middle = at.toString(16).padStart(4, "g");
      return shared.slice(0, 24) + middle + shared.slice(24);
    },
  );
  const masker = maskerOf(...secrets.slice(1));
  const text = secrets.join("\n");
  assertEquals(
    masker.maskText(text),
    [secrets[0], ...secrets.slice(1).map(() => "[REDACTED]")].join("\n"),
    `seed ${random.seed}`,
  );
});
