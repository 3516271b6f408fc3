import { assert } from "@std/assert";
import { Masker } from "../../src/secrets/masker.ts";

const WINDOW_BYTES = 16 * 1024;

/**
 * Maximum work for each byte of a window: bytes that are searched for secrets, in
 * all views; words that are looked up; bytes that are read to find out where that
 * is necessary.
 */
const MAX_WORK: Work = { searched: 4, lookedUp: 8, read: 80 };

interface Work {
  searched: number;
  lookedUp: number;
  read: number;
}

/** Text that a hostile step repeats: in each view of it, every position looks like a secret. */
const PARTS: Record<string, string> = {
  "a run": "ab",
  "a dump of xxd": `00000010: ${"6162 ".repeat(8)} ${"ab".repeat(8)}\n`,
  "a dump of hexdump -C": `00000010  ${"61 62 ".repeat(8)} |${
    "ab".repeat(8)
  }|\n`,
  "words of digits": "6162 6162\n",
  "columns of bytes": "61\t62\n",
  "lines with a prefix": "# YWJhYmFiYWJhYmFi\n",
  "short lines": "abababab\n",
  "short lines with a prefix": "x 61626162\n",
  "lines and lines without a last word": "61626162\n.\n",
  "base64 in lines": "YWJh\n",
  "base64 of backslashes": "XFxc",
  "lists between words": `${"61 62 ".repeat(4)}aaaaaa `,
  "lists that nearly are one": "61 62 61 zz ",
  "an array of C": "0x61, 0x62,\n",
  "decimal numbers": "97, 98, ",
  "octal numbers": "141 142 ",
  "escapes": "\\x61\\x62",
  "escaped line breaks": "abababab\\n",
  "backslashes": "\\\\\\\\x61%5c",
  "percent-encoding": "%61%62",
  "codes for a terminal": "a\x1b[mb\x1b[m",
  "quotes": `a'"'"'b`,
};

Deno.test("Masker reads a window only a few times, even for hostile text and secrets", () => {
  const masker = new Masker();
  for (let at = 0; at < 1_000; at++) {
    masker.add(`${"ab".repeat(20)}${at}${"ab".repeat(60)}`);
  }
  for (const [name, part] of Object.entries(PARTS)) {
    const text = part.repeat(WINDOW_BYTES / part.length);
    const work = workOf(masker, new TextEncoder().encode(text));
    for (const kind of Object.keys(work) as (keyof Work)[]) {
      const perByte = work[kind] / text.length;
      assert(perByte <= MAX_WORK[kind], `${name}: ${perByte} ${kind}`);
    }
  }
});

function workOf(masker: Masker, bytes: Uint8Array<ArrayBuffer>): Work {
  const work = { searched: 0, lookedUp: 0, read: 0 };
  const { needles } = masker;
  const { filter } = needles.grams;
  const find = needles.find.bind(needles);
  const mayHave = filter.mayHave.bind(filter);
  const window = countReads(bytes, work);
  needles.find = (text, ...rest) => {
    work.searched += text.length;
    find(text === window ? bytes : text, ...rest);
  };
  filter.mayHave = (word) => {
    work.lookedUp++;
    return mayHave(word);
  };
  masker.stream().mask(window, false);
  needles.find = find;
  filter.mayHave = mayHave;
  return work;
}

/** Wraps bytes so that each read is counted. */
function countReads(
  bytes: Uint8Array<ArrayBuffer>,
  work: Work,
): Uint8Array<ArrayBuffer> {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^\d/.test(key)) {
        work.read++;
        return target[Number(key)];
      }
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
