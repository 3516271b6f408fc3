import { wordAt } from "./word_filter.ts";
import type { WordIndex } from "./word_index.ts";

/** Most offsets of a needle that are compared when a rare word is chosen. */
const MAX_CHOICES = 64;

/** Finds the rarest word of a needle among those a stride apart that have so many bytes from there on. */
export function rarest(
  needle: Uint8Array,
  first: number,
  stride: number,
  leastBytes: 2 | 4 | 8,
  index: WordIndex,
): number {
  const width = leastBytes === 2 ? 2 : 4;
  const last = Math.min(
    needle.length - leastBytes,
    first + stride * MAX_CHOICES,
  );
  let best = first;
  let bestRarity = -Infinity;
  for (let offset = first; offset <= last; offset += stride) {
    let rarity = rarityOf(needle, offset, width);
    if (rarity <= bestRarity) continue;
    rarity -= index.countOf(wordAt(needle, offset, width));
    if (rarity <= bestRarity) continue;
    best = offset;
    bestRarity = rarity;
  }
  return best;
}

/** Judges how seldom a word is met in logs: by the kinds of its bytes and their variety. */
function rarityOf(bytes: Uint8Array, at: number, width: 2 | 4): number {
  let rarity = 0;
  for (let i = at; i < at + width; i++) {
    rarity += RARITIES[bytes[i]];
    if (i > at && bytes[i] !== bytes[i - 1]) rarity += 4;
  }
  return rarity;
}

/** How seldom each byte is met. */
const RARITIES = Uint8Array.from(
  { length: 256 },
  (_, byte) => byteRarity(byte),
);

/** Numbers, also hexadecimal ones, are what logs are full of. */
function byteRarity(byte: number): number {
  if (byte === 0x20 || byte === 0x0a || byte === 0) return 0;
  if (byte >= 0x30 && byte <= 0x39) return 1;
  if (byte >= 0x61 && byte <= 0x66) return 2;
  if (byte >= 0x61 && byte <= 0x7a) return 3;
  if (byte >= 0x41 && byte <= 0x5a) return 4;
  return byte > 0x20 && byte < 0x7f ? 3 : 6;
}
