/**
 * Passes on the output of a command like `bare_loop.ts`, and does the least that a
 * masker must do with each byte: it looks up words of secrets, and scans the text
 * for bytes that may hide a secret. It knows no other form of a secret, decodes
 * nothing and masks nothing.
 *
 * The first argument is the number of secrets.
 *
 * @module
 */
import { Scanner } from "../src/secrets/mask/scanner.ts";
import {
  nextWord,
  STRIDE,
  wordAt,
  WordFilter,
} from "../src/secrets/mask/word_index.ts";
import { passOn } from "./bare_loop.ts";
import { makeSecrets } from "./log_file.ts";

/** Sizes of the filters of words and of parts of secrets, as powers of two. */
const [WORD_BITS, GRAM_BITS] = [14, 16];

const [count, ...argv] = Deno.args;
const words = new WordFilter(WORD_BITS);
const scanner = new Scanner();
const grams = new WordFilter(GRAM_BITS, scanner.allocateFilter(GRAM_BITS));
for (const secret of makeSecrets(Number(count))) {
  const bytes = new TextEncoder().encode(secret);
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (at < STRIDE) words.add(wordAt(bytes, at, 4));
    grams.add(wordAt(bytes, at, 4));
  }
}
let foundCount = 0;

await passOn(argv, (text) => {
  const step = STRIDE / 4;
  const view = new Int32Array(text.buffer, 0, text.length >>> 2);
  for (
    let at = nextWord(view, 0, step, words);
    at < view.length;
    at = nextWord(view, at + step, step, words)
  ) foundCount++;
  for (let from = 0; from < text.length; from = scanner.end) {
    scanner.scan(text, from);
    foundCount += scanner.count;
  }
});
