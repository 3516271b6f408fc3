/**
 * Reads one escape of a text, in any of the common notations.
 *
 * An escape is everything that represents something else: `%2F` and `%u65e5`,
 * `&amp;`, `&#x27;` and `&#39`, `\n`, `\"`, `\u00fc`, `\u{1f511}`, `\x2f` and `\303`, a
 * backslash at the end of a line, and a terminal code, which has no value, like
 * the NULs of UTF-16. Escapes nest, in one another and in themselves: `%2522`, `\\\"`,
 * `&amp;quot;`, `\u0026quot;` and `%5Cu0022` are each one escape of `"`.
 *
 * The result is in a normal form, which is the same for texts that were quoted in
 * different ways, and any number of times:
 *
 * - quotes and backslashes, in any number and of any kind, are one
 *   {@linkcode QUOTE}: it is unknown whether `\\"` is one or two of them;
 * - a backslash before another punctuation character is nothing;
 * - a blank is a plus sign, which encodes a blank in URLs.
 *
 * @module
 */

import { byteTable } from "../../bytes.ts";

/** Maximum length of a code for a terminal that is read as one, in bytes. */
export const MAX_CODE_BYTES = 1024;

/** Maximum number of backslashes in one escape, and of nested escapes. */
const MAX_DEPTH = 64;

const [LF, CR, ESC, DEL, BEL] = [0x0a, 0x0d, 0x1b, 0x7f, 0x07];
const [BLANK, PERCENT, AMPERSAND, EQUALS] = [0x20, 0x25, 0x26, 0x3d];
const [BACKSLASH, SEMICOLON, HASH] = [0x5c, 0x3b, 0x23];
const [LEFT_BRACE, RIGHT_BRACE, PLUS] = [0x7b, 0x7d, 0x2b];

/** A value that is not a byte, such as past the end of the text. */
const NONE = -1;

/** Represents quotes and backslashes; does not occur in UTF-8. */
export const QUOTE = 0xff;

/** Represents text that is longer than any escape; does not occur in UTF-8. */
export const GAP = 0xfe;

/** Represents the two bytes above in a text that is not UTF-8. */
const OTHER = 0xfd;

/** Returns the normal form of each byte that is not part of an escape. */
export const NORMAL: Uint8Array = createNormalForms();

/** The value of each hexadecimal digit; 255 for other bytes. */
export const HEX: Uint8Array = createHexValues();

/** Value of each letter after a backslash; 0 for other characters. */
const LETTER_ESCAPES: Uint8Array = createLetterEscapes();

/**
 * Value of most characters after a backslash, letters and quotes; 0 for escapes
 * that must be read.
 */
export const SIMPLE_ESCAPES: Uint8Array = createSimpleEscapes();

function createNormalForms(): Uint8Array {
  const forms = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) forms[byte] = byte;
  for (const quote of [0x22, 0x27, 0x60, BACKSLASH]) forms[quote] = QUOTE;
  forms[BLANK] = PLUS;
  forms[QUOTE] = forms[GAP] = OTHER;
  return forms;
}

function createHexValues(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  for (let value = 0; value < 16; value++) {
    const digit = value.toString(16);
    byteTable(digit + digit.toUpperCase(), value, values);
  }
  return values;
}

function createLetterEscapes(): Uint8Array {
  const table = new Uint8Array(0x80);
  const escapes = {
    a: 7,
    b: 8,
    e: 27,
    E: 27,
    f: 12,
    n: 10,
    r: 13,
    t: 9,
    v: 11,
  };
  for (const [letter, value] of Object.entries(escapes)) {
    table[letter.charCodeAt(0)] = value;
  }
  return table;
}

function createSimpleEscapes(): Uint8Array {
  const table = new Uint8Array(256);
  table.set(LETTER_ESCAPES);
  // `\e` starts a terminal code, which is read as a whole.
  table[0x65] = table[0x45] = 0;
  for (const quote of [0x22, 0x27, 0x60]) table[quote] = QUOTE;
  return table;
}

/** Reads escapes. Its fields contain the last result. */
export class EscapeReader {
  /** Where the escape ends. */
  end = 0;
  /** Its value: bytes, the first one in the lowest byte. */
  value = 0;
  /** Number of bytes of the value: 0 to 4. */
  size = 0;
  /** Whether more text could turn it into another escape, or into an escape at all. */
  isOpen = false;
  #bytes: Uint8Array = new Uint8Array();
  #length = 0;
  /** Character, or byte of a character, that an escape has produced so far. */
  #char = 0;
  #isByte = false;
  #next = 0;
  #characterEnd = 0;

  /**
   * Reads an escape.
   *
   * @param bytes The text.
   * @param length Where the text ends.
   * @param at Position of a `%`, `&`, backslash, ESC or NUL.
   * @returns Whether an escape begins there.
   */
  read(bytes: Uint8Array, length: number, at: number): boolean {
    this.#bytes = bytes;
    this.#length = length;
    this.isOpen = false;
    if (bytes[at] === BACKSLASH && at + 1 < length) {
      const plain = SIMPLE_ESCAPES[bytes[at + 1]];
      if (plain !== 0) {
        this.#emit(plain, 1, plain === QUOTE ? at + 1 : at + 2);
        return true;
      }
    }
    if (bytes[at] === 0) return this.#emitNothing(nulsEnd(bytes, length, at));
    if (at + 1 < length && isLiteral(bytes[at], bytes[at + 1])) return false;
    this.#char = bytes[at];
    this.#next = at + 1;
    this.#isByte = true;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (this.#char === ESC) return this.#emitNothing(this.#codeEnd());
      if (this.#char === BACKSLASH) {
        const next = this.#next;
        if (next > at + 1 && this.#at(next) === BACKSLASH) {
          // Where each character is escaped, each escape is one of them.
          this.#emit(QUOTE, 1, next);
          return true;
        }
        if (!this.#readBackslash()) return true;
      } else if (!this.#readReference()) break;
    }
    if (this.#next === at + 1) return false;
    this.#emitCharacter();
    return true;
  }

  #at(at: number): number {
    if (at < this.#length) return this.#bytes[at];
    this.isOpen = true;
    return NONE;
  }

  /** Continues after a `%` or `&`, if it begins an escape. */
  #readReference(): boolean {
    if (this.#char === PERCENT) return this.#readPercent();
    return this.#char === AMPERSAND && this.#readEntity();
  }

  #readPercent(): boolean {
    const at = this.#next;
    const first = this.#at(at);
    if (first === 0x75) {
      const code = this.#hex(at + 1, 4);
      if (code < 0) return false;
      return this.#found(code, at + 5, false);
    }
    if (first < 0 || HEX[first] > 15) return false;
    const second = this.#at(at + 1);
    if (second < 0 || HEX[second] > 15) return false;
    return this.#found(HEX[first] << 4 | HEX[second], at + 2, true);
  }

  #readEntity(): boolean {
    let at = this.#next;
    // The `#` and `;` of an entity may be percent-encoded like the text around it.
    const isPercent = this.#at(at) === PERCENT;
    const first = isPercent ? this.#percentAt(at) : this.#at(at);
    if (first === HASH) return this.#readNumber(at + (isPercent ? 3 : 1));
    if (isPercent) return false;
    let name = "";
    let byte = first;
    while (name.length <= MAX_ENTITY_NAME && isAlphanumeric(byte)) {
      name += String.fromCharCode(byte);
      byte = this.#at(++at);
    }
    const char = name === "" ? undefined : decodeEntity(name);
    if (char === undefined) return false;
    const end = this.#semicolonEnd(at);
    if (end >= 0) return this.#found(char, end, false);
    // Parsers accept some of the older names without a semicolon.
    return byte !== EQUALS && isLegacyEntity(name) &&
      this.#found(char, at, false);
  }

  #readNumber(start: number): boolean {
    let at = start;
    const isHex = (this.#at(at) | 0x20) === 0x78;
    if (isHex) at++;
    let char = 0;
    const first = at;
    for (; at < first + 8; at++) {
      const byte = this.#at(at);
      const digit = byte < 0 ? 255 : HEX[byte];
      if (digit >= (isHex ? 16 : 10)) break;
      char = char * (isHex ? 16 : 10) + digit;
    }
    const isCut = at === first + 8 && HEX[this.#at(at)] < (isHex ? 16 : 10);
    if (at === first || isCut || char > 0x10ffff) return false;
    // Without a semicolon, parsers end a number after its digits.
    const end = this.#semicolonEnd(at);
    return this.#found(char, end < 0 ? at : end, false);
  }

  #semicolonEnd(at: number): number {
    const byte = this.#at(at);
    if (byte === SEMICOLON) return at + 1;
    return byte === PERCENT && this.#percentAt(at) === SEMICOLON ? at + 3 : -1;
  }

  /** Percent-encoded byte at a position; negative if there is none. */
  #percentAt(at: number): number {
    return this.#hex(at + 1, 2);
  }

  /**
   * Reads the text after a backslash.
   *
   * @returns Whether the character that was found may begin another escape;
   * otherwise, all is read.
   */
  #readBackslash(): boolean {
    let end = this.#next;
    let char = this.#characterAt(end);
    for (let count = 1; char === BACKSLASH && count < MAX_DEPTH; count++) {
      end = this.#characterEnd;
      char = this.#characterAt(end);
    }
    const next = this.#characterEnd;
    const isPlain = next === end + 1;
    // The first of two literal backslashes escapes the other.
    if (!isPlain && this.#bytes[end - 1] === BACKSLASH) {
      this.#emitNothing(end);
      return false;
    }
    if (char >= 0 && this.#readEscaped(char, next)) return true;
    if (char === LF || char === CR && this.#at(next) === LF) {
      this.#emitNothing(this.#indentEnd(next + (char === CR ? 1 : 0)));
    } else if (this.#isLiteralBefore(char)) {
      this.#emit(QUOTE, 1, end);
    } else this.#emitNothing(end);
    return false;
  }

  /** Whether a backslash is literal, and does not escape the next character. */
  #isLiteralBefore(char: number): boolean {
    return char < 0 || char === ESC || isAlphanumeric(char) ||
      NORMAL[char] === QUOTE;
  }

  /** Character at a position, with `%` and `&` decoded; sets a field to its end. */
  #characterAt(at: number): number {
    const byte = this.#at(at);
    if (byte !== PERCENT && byte !== AMPERSAND) {
      this.#characterEnd = at + 1;
      return byte;
    }
    const { isOpen } = this;
    this.#char = byte;
    this.#next = at + 1;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (!this.#readReference()) break;
    }
    // An incomplete reference is read separately later.
    if (this.#next === at + 1) this.isOpen ||= isOpen;
    this.#characterEnd = this.#next;
    return this.#char;
  }

  #readEscaped(char: number, next: number): boolean {
    const letter = char < 0x80 ? LETTER_ESCAPES[char] : 0;
    if (letter !== 0) return this.#found(letter, next, true);
    switch (char) {
      case 0x75: // u
        return this.#readUnicode(next, 4);
      case 0x55: // U
        return this.#readUnicode(next, 8);
      case 0x78: // x
        return this.#readBraces(next) || this.#readHexByte(next);
      case 0x4d: // M
      case 0x43: // C
        return this.#readMeta(char, next);
    }
    return char >= 0x30 && char <= 0x37 && this.#readOctal(char, next);
  }

  #readUnicode(next: number, digits: number): boolean {
    if (this.#readBraces(next)) return true;
    const code = this.#hex(next, digits);
    if (code < 0 || code > 0x10ffff) return false;
    if ((code & 0xfffffc00) === 0xd800) {
      const low = this.#lowSurrogate(next + digits);
      if (low > 0) {
        const char = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
        return this.#found(char, this.#next, false);
      }
    }
    return this.#found(code, next + digits, false);
  }

  /** Second half of a character that takes two escapes; 0 if there is none. */
  #lowSurrogate(at: number): number {
    let next = at;
    for (let count = 0; count < MAX_DEPTH; count++) {
      if (this.#characterAt(next) !== BACKSLASH) break;
      next = this.#characterEnd;
    }
    if (next === at) return 0;
    if (this.#at(next) !== 0x75) return 0;
    const code = this.#hex(next + 1, 4);
    if ((code & 0xfffffc00) !== 0xdc00) return 0;
    this.#next = next + 5;
    return code;
  }

  #readBraces(next: number): boolean {
    if (this.#at(next) !== LEFT_BRACE) return false;
    let char = 0;
    let at = next + 1;
    for (; at < next + 9; at++) {
      const byte = this.#at(at);
      if (byte < 0 || HEX[byte] > 15) break;
      char = char * 16 + HEX[byte];
    }
    const isWhole = at > next + 1 && this.#at(at) === RIGHT_BRACE;
    return isWhole && char <= 0x10ffff && this.#found(char, at + 1, false);
  }

  #readHexByte(next: number): boolean {
    const byte = this.#hex(next, 2);
    return byte >= 0 && this.#found(byte, next + 2, true);
  }

  /** Reads up to three octal digits as a byte. */
  #readOctal(first: number, next: number): boolean {
    let value = first - 0x30;
    let at = next;
    for (; at < next + 2; at++) {
      const digit = this.#at(at) - 0x30;
      if (digit < 0 || digit > 7 || value * 8 + digit > 255) break;
      value = value * 8 + digit;
    }
    return this.#found(value, at, true);
  }

  /** Reads `\M-x` and `\C-x`, which zsh writes. */
  #readMeta(letter: number, next: number): boolean {
    if (this.#at(next) !== 0x2d) return false;
    let high = letter === 0x4d ? 0x80 : 0;
    let isControl = letter === 0x43;
    let at = next + 1;
    if (high > 0 && this.#at(at) === BACKSLASH && this.#at(at + 1) === 0x43) {
      isControl = true;
      at += 3;
    } else if (high > 0 && this.#at(at) === 0x5e) {
      isControl = true;
      at++;
    }
    const byte = this.#at(at);
    if (byte < 0x20 || byte > 0x7e) return false;
    if (isControl) high |= byte === 0x3f ? DEL : byte & 0x1f;
    else high |= byte;
    return this.#found(high, at + 1, true);
  }

  #hex(at: number, digits: number): number {
    let value = 0;
    for (let i = 0; i < digits; i++) {
      const byte = this.#at(at + i);
      if (byte < 0 || HEX[byte] > 15) return -1;
      value = value * 16 + HEX[byte];
    }
    return value;
  }

  #indentEnd(at: number): number {
    let end = at;
    while (end < at + MAX_DEPTH) {
      const byte = this.#at(end);
      if (byte !== BLANK && byte !== 9) break;
      end++;
    }
    return end;
  }

  /** Finds the end of a terminal code (ECMA-48) after its ESC. */
  #codeEnd(): number {
    let at = this.#next;
    const last = at + MAX_CODE_BYTES - 1;
    const first = this.#at(at);
    if (first === 0x5d || first === 0x50 || first === 0x5f || first === 0x5e) {
      // A string for the terminal, such as a title or link. Another code may end it.
      at++;
      while (at < last && isPrintable(this.#at(at))) at++;
      return at < last && this.#at(at) === BEL ? at + 1 : at;
    }
    const isControl = first === 0x5b;
    if (isControl) at++;
    const highest = isControl ? 0x3f : 0x2f;
    while (at < last && this.#at(at) >= 0x20 && this.#at(at) <= highest) at++;
    const final = at < last ? this.#at(at) : NONE;
    const lowest = isControl ? 0x40 : 0x30;
    return final >= lowest && final < DEL ? at + 1 : at;
  }

  #found(char: number, next: number, isByte: boolean): true {
    this.#char = char;
    this.#next = next;
    this.#isByte = isByte;
    return true;
  }

  #emitNothing(end: number): true {
    this.#emit(0, 0, end);
    return true;
  }

  #emitCharacter(): void {
    const char = this.#char;
    if (char < 0x80 || this.#isByte) this.#emit(NORMAL[char], 1, this.#next);
    else if (char < 0x800) {
      this.#emit(
        0xc0 | char >> 6 | continuationByte(char, 0) << 8,
        2,
        this.#next,
      );
    } else if (char < 0x10000) {
      // Half a surrogate pair is written as the replacement character.
      const whole = (char & 0xf800) === 0xd800 ? 0xfffd : char;
      const value = 0xe0 | whole >> 12 | continuationByte(whole, 6) << 8 |
        continuationByte(whole, 0) << 16;
      this.#emit(value, 3, this.#next);
    } else {
      const value = 0xf0 | char >> 18 | continuationByte(char, 12) << 8 |
        continuationByte(char, 6) << 16 | continuationByte(char, 0) << 24;
      this.#emit(value, 4, this.#next);
    }
  }

  #emit(value: number, size: number, end: number): void {
    this.value = value;
    this.size = size;
    this.end = end;
  }
}

function nulsEnd(bytes: Uint8Array, length: number, from: number): number {
  let at = from;
  while (at < length && bytes[at] === 0) at++;
  return at;
}

function continuationByte(char: number, shift: number): number {
  return 0x80 | char >> shift & 0x3f;
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte !== DEL;
}

/** Whether a percent sign or an ampersand does not begin an escape, like most. */
function isLiteral(byte: number, next: number): boolean {
  if (byte === PERCENT) return next !== 0x75 && HEX[next] > 15;
  return byte === AMPERSAND && next !== HASH && next !== PERCENT &&
    !isAlphanumeric(next);
}

function isAlphanumeric(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39 || isLetter(byte);
}

function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/** Maximum length of a name of an entity. */
const MAX_ENTITY_NAME = 10;

/** Entities for ASCII characters: of XML and HTML, and those for all punctuation. */
const ASCII_ENTITIES =
  `quot=" QUOT=" amp=& AMP=& apos=' lt=< LT=< gt=> GT=> excl=! num=# dollar=$ percnt=% lpar=( rpar=) ast=* midast=* plus=+ comma=, period=. sol=/ colon=: semi=; equals== quest=? commat=@ lsqb=[ lbrack=[ bsol=\\ rsqb=] rbrack=] Hat=^ lowbar=_ grave=\` lcub={ lbrace={ verbar=| vert=| rcub=} rbrace=} Tab=\t NewLine=\n`;

/** Entities of HTML 4 from U+00A0 to U+00FF in the order of their characters, and the euro sign. */
const LATIN_ENTITIES =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml euro";

/** The character of the last name above. */
const EURO = 0x20ac;

let entities: Map<string, number> | undefined;

/**
 * Returns the character of an entity.
 *
 * @param name Its name.
 * @returns Number of the character; `undefined` for other names.
 */
function decodeEntity(name: string): number | undefined {
  return (entities ??= createEntities()).get(name);
}

/** Whether an entity needs no semicolon. */
function isLegacyEntity(name: string): boolean {
  const char = decodeEntity(name) ?? EURO;
  return char >= 0xa0 ? char < 0x100 : /^(quot|amp|lt|gt)$/i.test(name);
}

function createEntities(): Map<string, number> {
  const latin = LATIN_ENTITIES.split(" ").map((name, at) =>
    [name, name === "euro" ? EURO : 0xa0 + at] as const
  );
  const ascii = ASCII_ENTITIES.split(" ").map((entry) => {
    const name = entry.slice(0, entry.indexOf("="));
    return [name, entry.charCodeAt(name.length + 1)] as const;
  });
  return new Map([...latin, ...ascii]);
}
