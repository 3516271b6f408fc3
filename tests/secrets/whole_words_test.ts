import { assert, assertEquals } from "@std/assert";
import { isOrdinary } from "../../src/secrets/mask/ranges.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { Random } from "../helpers/random.ts";

Deno.test("Masker masks ordinary values as whole words only", () => {
  const masker = new Masker();
  for (const value of ["test", "20.11", "production", "/job/src"]) {
    assert(masker.addGuess(value));
  }
  for (
    const [text, expected] of [
      [
        "running tests in test mode, latest attestation on node 20.11",
        "running tests in [REDACTED] mode, latest attestation on node [REDACTED]",
      ],
      ["test", "[REDACTED]"],
      ["(test) test_a atest testé 120.11 20.110", null],
      ["production-db", "[REDACTED]-db"],
      ["cd /job/src && ls", "cd [REDACTED] && ls"],
      ["cHJvZHVjdGlvbg==", "[REDACTED]g=="],
      ["70726f64756374696f6e", "[REDACTED]"],
      ["a latest cHJvZA== of 7072 parts", "a latest cHJvZA== of 7072 parts"],
    ] as const
  ) {
    assertEquals(
      masker.maskText(text),
      expected ?? text.replace("(test)", "([REDACTED])"),
    );
  }
});

Deno.test("Masker counts neither escapes nor symbols as part of an ordinary word", () => {
  const masker = new Masker();
  masker.addGuess("production");
  for (
    const text of [
      ...["\x1b[32m#\x1b[0m", "\x1b[38;2;255;100;0;48;5;12m#", "\x1b(B#"],
      ...["\x1b]0;#\x07", "\x1b]8;;#\x1b\\", "\x9b1m #"],
      ...[
        '{"env":"a\\n#\\t"}',
        "\\x1b[0m#",
        "\\u003d#",
        "\\u{3d}#",
        "\\033[1m#",
        "^[[32m#^[[0m",
        "\\u001b[1;31m#",
      ],
      ...["a%20#%0A", "a=3D#", "a&equals;#&lt;"],
      ...["‘#’", "“#”", "»#«", "│#│", "→#", "•#", "🔑#🔑", "\u00a0#\u00a0"],
      ...["環境:#失敗", "環境：#。", "값#값"],
    ]
  ) {
    assertEquals(
      masker.maskText(text.replace("#", "production")),
      text.replace("#", "[REDACTED]"),
    );
  }
  for (
    const text of [
      ...["reproduction", "productions", "éproduction", "productioné"],
      ...["производproduction", "\x1b[32mreproduction", "a\\nreproduction"],
      ...["ẤproductionẤ", "_production", "production_db", "[32mproduction"],
    ]
  ) assertEquals(masker.maskText(text), text);
});

Deno.test("Masker masks an unusual value everywhere, even if it is a guess", () => {
  const masker = new Masker();
  masker.addGuess("s3cr3t-t0k3n");
  masker.addGuess("test");
  masker.add("test");
  assertEquals(
    masker.maskText("xs3cr3t-t0k3nx attestation"),
    "x[REDACTED]x at[REDACTED]ation",
  );
});

Deno.test("Masker ignores guesses that are too short", () => {
  const masker = new Masker();
  assertEquals(masker.addGuess("ab"), false);
  masker.minBytes = 6;
  assertEquals(masker.addGuess("test"), false);
  assertEquals(masker.maskText("ab test"), "ab test");
});

Deno.test("isOrdinary() accepts words, numbers and plain paths", () => {
  for (
    const value of [
      ...["test", "production", "Debug", "ON", "8080", "20.11", "v1.2.3"],
      ...["1.2.3-4", "./dist", "/usr/local/bin", "~/src", "../lib/"],
      ...["a".repeat(12), "1".repeat(12)],
    ]
  ) assert(isOrdinary(value), value);
  for (
    const value of [
      ...["", "hunter2", "correct horse", "verylongpasswordx", "a1b2c3d4"],
      ...[
        "s3cr3t-t0k3n",
        "/services/T00/B00",
        "https://host/x",
        "1234567890123",
      ],
      ...["AKIAIOSFODNN7EXAMPLE", "p@ssword", "pässword", "a_b", "x\ny"],
      ...["a".repeat(13), "1".repeat(13)],
    ]
  ) assert(!isOrdinary(value), value);
});

Deno.test("MaskStream masks whole words however the stream is cut", () => {
  const random = new Random();
  const encoder = new TextEncoder();
  const words = ["test", "tes", "20.11", "/a/b", "testing"];
  const parts = [...words, "te", "st", "t", " ", "-", ".", "/", "s", "é", "\n"];
  parts.push("\x1b[32m", "\\n", "\\", "n", "%20", "“", "”", "環", "=3D");
  const masker = new Masker();
  for (const word of words) masker.addGuess(word);
  masker.add("long-secret-value");
  for (let round = 0; round < 2_000; round++) {
    const text = Array.from(
      { length: random.below(12) },
      () => random.pick([...parts, "long-secret-value"]),
    ).join("");
    const whole = masker.maskText(text);
    const stream = masker.stream();
    let held = new Uint8Array();
    let output = "";
    const bytes = encoder.encode(text);
    const decoder = new TextDecoder();
    for (let at = 0; at <= bytes.length;) {
      const size = 1 + random.below(5);
      const isLast = at + size > bytes.length;
      const window = new Uint8Array([
        ...held,
        ...bytes.subarray(at, at + size),
      ]);
      const result = stream.mask(window, isLast);
      output += decoder.decode(result.output, { stream: true });
      held = window.slice(result.heldFrom);
      at += size;
    }
    assertEquals(output, whole, `seed ${random.seed}: ${JSON.stringify(text)}`);
  }
});
