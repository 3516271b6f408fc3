/**
 * The code of the scanner in `src/secrets/mask/scanner.ts`, for WebAssembly.
 *
 * @module
 */

import {
  add,
  again,
  and,
  assemble,
  byteAt,
  bytes,
  choose,
  type Code,
  either,
  get,
  I32,
  i32,
  I64,
  i64,
  isBelow,
  isNotBelow,
  isSame,
  isZero,
  long,
  loop,
  multiply,
  or,
  pairAt,
  set,
  shiftLeft,
  shiftRight,
  storeWord,
  subtract,
  tee,
  trailingZeros,
  V128,
  when,
  wordAt,
  xor,
} from "./assembler.ts";
import {
  FILTER,
  HEX_PAIRS,
  KEEPS_CODES,
  LIST,
  ROWS,
  RUNS,
  SEARCHES,
  SHARED_BYTES,
  STEP_BYTES,
} from "../../src/secrets/mask/scanner.ts";
import { MULTIPLIER } from "../../src/secrets/mask/word_index.ts";

const [LF, CR, BLANK, COLON, X] = [0x0a, 0x0d, 0x20, 0x3a, 0x78];
const [ESC, BRACKET, EQUALS] = [0x1b, 0x5b, 0x3d];

/** Maximum length of terminal codes that are checked together: less than the margin of a block. */
const MAX_CODES_BYTES = 32;

/** Maximum length of a terminal code of another kind, and of nested escapes. */
const [MAX_CODE_BYTES, MAX_ESCAPE_BYTES] = [1100, 512];

/** Maximum number of bytes after a line break that are checked here: less than the margin of a block. */
const MAX_BEGIN_BYTES = 24;

/** A class of bytes: all combinations of some upper and some lower halves. */
type Halves = readonly [uppers: readonly number[], lowers: readonly number[]];

/** Bytes that begin a mark: ESC, line breaks, NUL, a few bytes that no text has, `%`, `&`, backslash, `=`. */
const MARKS: readonly Halves[] = [
  [[0, 1], [0, 0xa, 0xb, 0xd]],
  [[2], [5, 6]],
  [[5], [0xc]],
  [[3], [0xd]],
];

/** Decimal and hexadecimal digits, and some other bytes. */
const DIGITS: Halves = [[3, 4, 6], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]];

/** Separators of the numbers of a list, backslash, `x` as in `0x2f`, and some other bytes. */
const SEPARATORS: readonly Halves[] = [
  [[2, 3], [0xa, 0xb, 0xc, 0xd, 0xe, 0xf]],
  [[0, 2], [0, 2, 7, 9, 0xa, 0xd]],
  [[5, 7], [8, 0xc, 0xf]],
];

/** Leaves the lower bits of tables empty, so that only the bits that set the highest one are used. */
const NOTHING: readonly Halves[] = new Array(4).fill([[], []]);

/** Bits of all classes, in this order; the highest bit is that of digits. */
const TABLES = halfTables([...MARKS, ...SEPARATORS, DIGITS]);

/** The lowest bits, and the number that carries all other bits into the highest one. */
const [MARK_BITS, TO_HIGH_BIT] = [0x0f, 0x70];

/** Bytes that change where lines are joined: control characters, quotes, blanks, and those that begin marks. */
const SPECIAL_TABLES = halfTables([
  [[2], [0, 2, 4, 5, 6, 7]],
  [[0], [0, 9, 0xa, 0xb, 0xc, 0xd]],
  [[1], [0xb]],
  [[5], [0xc]],
  [[6], [0]],
]);

/** Letters and digits. */
const ALPHANUMERIC_TABLES = halfTables([
  ...[...NOTHING],
  [[3], range(0, 9)],
  [[4, 6], range(1, 0xf)],
  [[5, 7], range(0, 0xa)],
]);

/** Letters and digits that may be the first, second or third of four base64 digits that encode ASCII. */
const FIRST_TABLES = halfTables([
  ...[...NOTHING],
  [[4], [3, 4, ...range(9, 0xf)]],
  [[5], range(0, 0xa)],
  [[6], range(1, 6)],
]);
const SECOND_TABLES = halfTables([
  ...[...NOTHING],
  [[4, 5], range(1, 8)],
  [[6, 7], range(7, 0xe)],
  [[3], range(0, 3)],
]);
const THIRD_TABLES = halfTables([
  ...[...NOTHING],
  [[4, 5], [1, 2, 5, 6, 9, 0xa, 0xd, 0xe]],
  [[6, 7], [0, 3, 4, 7, 8, 0xb, 0xc, 0xf]],
  [[3], [0, 1, 4, 5, 8, 9]],
]);

/** The upper half of a character in hexadecimal digits. */
const UPPER_TABLES = halfTables([...NOTHING, [[3], [0, ...range(2, 7)]]]);

/** Assembles the code: a module with the function `scan`, and one for each search. */
export function assembleScan(): Uint8Array<ArrayBuffer> {
  const body = scanBody();
  return assemble([
    {
      name: "scan",
      parameterCount: 4,
      locals: [
        ...[I32, I32, I32, I32, I32, I32],
        ...[V128, V128, V128, V128],
        ...[I64, I64, I64, I64, I64, I64, I64, I64, I64, I32, I32, I32],
        ...[I64, I64, I64, V128, V128, I32, I32],
        ...constants.map(() => V128),
      ],
      body: [
        ...constants.flatMap((values, at) =>
          set(FIRST_CONSTANT + at, bytes.of(values))
        ),
        ...body,
      ],
    },
    ...SEARCHES.map(({ name, samples, contexts }) => ({
      name,
      parameterCount: 5,
      locals: [I32, I32, I32],
      body: searchBody(samples, contexts),
    })),
  ]);
}

/** Further parameter of a search, and its variables. */
const [CONTEXT_SHIFT, SAMPLE_PLACE, SAMPLE_WORD, SAMPLE_HASH] = [4, 5, 6, 7];

/** Distance between words that are looked up, and how many of them at once. */
const [STRIDE, PROBES] = [8, 4];

/**
 * Looks up every second word. Several are looked up before the code branches, with one
 * bit each: a branch that is hard to predict takes as long as all of them.
 */
function searchBody(samples: number, contexts: number): Code {
  const bitAt = (word: Code) => {
    const hash = tee(SAMPLE_HASH, multiply(word, i32(MULTIPLIER)));
    const bits = wordAt(shiftRight(hash, get(SHIFT)), samples);
    return shiftRight(bits, get(SAMPLE_HASH));
  };
  const probes = Array.from({ length: PROBES }, (_, probe) => STRIDE * probe);
  const isAny = probes.map((offset) => bitAt(wordAt(get(AT), offset)))
    .reduce(or);
  const word = wordAt(get(SAMPLE_PLACE));
  const withNext = xor(
    word,
    multiply(wordAt(get(SAMPLE_PLACE), 4), i32(MULTIPLIER)),
  );
  const mayMatch = (context: Code) =>
    mayHave(context, contexts, CONTEXT_SHIFT, SAMPLE_HASH, SAMPLE_WORD);
  return [
    ...loop(
      when(
        and(isAny, i32(1)),
        ...probes.flatMap((offset) => [
          set(SAMPLE_PLACE, add(get(AT), i32(offset))),
          when(
            and(bitAt(word), i32(1)),
            when(
              or(mayMatch(word), mayMatch(withNext)),
              recordPlace(get(SAMPLE_PLACE)),
            ),
          ),
        ]),
      ),
      again(
        isBelow(tee(AT, add(get(AT), i32(STRIDE * PROBES))), get(END)),
      ),
    ),
    ...get(OUT),
  ];
}

/** Parameters and variables of the function. */
const [AT, END, OUT, SHIFT] = [0, 1, 2, 3];
const [BITS, PLACE, BYTE, HASH, LAST_NUMBER, WORD] = [4, 5, 6, 7, 8, 9];
const [CLASS_0, BLOCK] = [10, 13];
const [BOTH, DIGIT, SEPARATOR] = [14, 15, 16];
const [ONE, TWO, THREE, NUMBERS] = [17, 18, 19, 20];
const [WORDS, WORD_ENDS] = [21, 22];
/** End of the terminal codes that are checked, and the position up to which marks are known not to matter. */
const [CODES, CLEAR_TO] = [23, 24];
/** Position after which no text belongs to an escape that was found. */
const PLAIN_FROM = 25;
/** Letters and digits, starts of runs of them, and first digits of base64 text. */
const [ALPHANUMERIC, RUN, FIRST] = [26, 27, 28];

/** The lower and the upper halves of the bytes of a block. */
const [LOWER, UPPER] = [29, 30];
/** First letters and digits of a line, and the number of their bits. */
const [BEGIN, BEGIN_BITS] = [31, 32];
const FIRST_CONSTANT = 33;

/** Vectors that are set at the start, so that they stay in registers. */
const constants: (readonly number[])[] = [];

function constant(values: readonly number[]): Code {
  let at = constants.findIndex((known) => known.join() === values.join());
  if (at < 0) at = constants.push(values) - 1;
  return get(FIRST_CONSTANT + at);
}

function all(value: number): Code {
  return constant(new Array(16).fill(value));
}

function scanBody(): Code {
  const blocks = [0, 1, 2];
  const isAnyMark = bytes.isAny(
    bytes.and(
      blocks.map((block) => get(CLASS_0 + block)).reduce(bytes.or),
      all(MARK_BITS),
    ),
  );
  return [
    // An escape may start before the block.
    ...set(PLAIN_FROM, add(get(AT), i32(MAX_CODE_BYTES))),
    ...loop(
      set(ALPHANUMERIC, after(ALPHANUMERIC, STEP_BYTES)),
      ...blocks.map(classify),
      when(isAnyMark, ...blocks.map(processMarks)),
      findNumbers(),
      findRuns(),
      again(isBelow(tee(AT, add(get(AT), i32(STEP_BYTES))), get(END))),
    ),
    ...get(OUT),
  ];
}

/** Finds the classes of each byte of a block, and its letters and digits. */
function classify(block: number): Code {
  const { and, lookUp } = bytes;
  const classes = ([uppers, lowers]: HalfTables) =>
    and(
      lookUp(constant(lowers), get(LOWER)),
      lookUp(constant(uppers), get(UPPER)),
    );
  const alphanumeric = bytes.highBits(
    bytes.add(classes(ALPHANUMERIC_TABLES), all(TO_HIGH_BIT)),
  );
  return [
    ...set(LOWER, and(tee(UPPER, bytesOf(block)), all(0x0f))),
    ...set(UPPER, upperHalves(UPPER)),
    ...set(CLASS_0 + block, classes(TABLES)),
    ...set(
      ALPHANUMERIC,
      long.or(
        get(ALPHANUMERIC),
        long.shiftLeft(
          long.of(alphanumeric),
          i64(SHARED_BYTES + 16 * block),
        ),
      ),
    ),
  ];
}

function upperHalves(vector: number): Code {
  return bytes.and(bytes.shiftPairsRight(get(vector), i32(4)), all(0x0f));
}

function bytesOf(block: number): Code {
  return bytes.at(get(AT), 16 * block);
}

/** Looks up both halves of each byte; the byte is in the classes that both halves are in. */
function classesIn(vector: Code, [uppers, lowers]: HalfTables): Code {
  return bytes.and(
    bytes.lookUp(
      constant(lowers),
      bytes.and(tee(BLOCK, vector), all(0x0f)),
    ),
    bytes.lookUp(constant(uppers), upperHalves(BLOCK)),
  );
}

function processMarks(block: number): Code {
  const areMarks = bytes.isOther(
    bytes.and(get(CLASS_0 + block), all(MARK_BITS)),
    all(0),
  );
  const next = add(
    add(get(AT), i32(16 * block)),
    trailingZeros(get(BITS)),
  );
  return when(
    tee(BITS, bytes.highBits(areMarks)),
    loop(
      set(BYTE, byteAt(tee(PLACE, next))),
      when(
        isNotBelow(get(PLACE), get(CLEAR_TO)),
        either(
          isSame(get(BYTE), i32(EQUALS)),
          when(isSoft(), recordPlace(get(PLACE))),
          either(
            isLineBreak(get(BYTE)),
            either(
              isSame(byteAt(get(PLACE), 1), i32(ESC)),
              processCodes(),
              processLineBreak(),
            ),
            either(
              isSame(get(BYTE), i32(ESC)),
              processCodes(),
              [
                ...recordPlace(get(PLACE)),
                ...set(PLAIN_FROM, add(get(PLACE), i32(MAX_ESCAPE_BYTES))),
              ],
            ),
          ),
        ),
      ),
      again(tee(BITS, and(get(BITS), subtract(get(BITS), i32(1))))),
    ),
  );
}

/**
 * Records terminal codes, and a line break between them, unless there are four plain
 * bytes on each side that are not part of a needle. With fewer bytes on each side,
 * a needle would be too short.
 */
function processCodes(): Code {
  const before = wordAt(subtract(get(PLACE), i32(4)));
  const after = wordAt(get(CODES));
  const isInside = isBelow(
    subtract(get(CODES), get(PLACE)),
    i32(MAX_CODES_BYTES),
  );
  const followsEscape = isBelow(
    get(PLACE),
    add(get(PLAIN_FROM), i32(4)),
  );
  const isRelevant = or(
    or(followsEscape, or(mayHave(before), mayHave(after))),
    or(
      or(wordAt(i32(KEEPS_CODES)), isZero(isInside)),
      or(
        bytes.isAny(classesIn(bytes.ofWords(before, after), SPECIAL_TABLES)),
        mayStartRow(CODES),
      ),
    ),
  );
  return [
    ...set(CODES, get(PLACE)),
    ...set(BYTE, i32(0)),
    ...loop(
      when(
        isLineBreak(byteAt(get(CODES))),
        // A second line break is not skipped.
        set(CODES, add(get(CODES), isZero(get(BYTE)))),
        set(BYTE, i32(1)),
      ),
      again(and(isInside, skipCode())),
    ),
    ...either(
      isRelevant,
      recordPlace(get(PLACE)),
      set(CLEAR_TO, get(CODES)),
    ),
    // Other codes may be long, such as a title, and are read elsewhere.
    ...set(
      CODES,
      choose(
        isSame(get(CODES), get(PLACE)),
        add(get(PLACE), i32(MAX_CODE_BYTES)),
        get(CODES),
      ),
    ),
    ...when(
      isBelow(get(PLAIN_FROM), get(CODES)),
      set(PLAIN_FROM, get(CODES)),
    ),
  ];
}

/** Skips a code that sets a color or style, and returns whether there was one. */
function skipCode(): Code {
  const isCode = isSame(pairAt(get(CODES)), i32(ESC | BRACKET << 8));
  const isParameter = isBelow(
    subtract(byteAt(get(WORD)), i32(0x30)),
    i32(0x10),
  );
  const isFinal = isBelow(
    subtract(byteAt(get(WORD)), i32(0x40)),
    i32(0x3f),
  );
  return [
    ...set(WORD, add(get(CODES), i32(1))),
    ...loop(
      set(WORD, add(get(WORD), i32(1))),
      again(isParameter),
    ),
    ...set(HASH, and(isCode, isFinal)),
    ...set(
      CODES,
      choose(get(HASH), add(get(WORD), i32(1)), get(CODES)),
    ),
    ...get(HASH),
  ];
}

/** Whether an equals sign begins a quoted-printable escape. */
function isSoft(): Code {
  const isDigit = (offset: number) =>
    or(
      isBelow(subtract(byteAt(get(PLACE), offset), i32(0x30)), i32(10)),
      isBelow(subtract(byteAt(get(PLACE), offset), i32(0x41)), i32(6)),
    );
  return or(and(isDigit(1), isDigit(2)), isLineBreak(byteAt(get(PLACE), 1)));
}

function isLineBreak(byte: Code): Code {
  return or(isSame(byte, i32(LF)), isSame(byte, i32(CR)));
}

function processLineBreak(): Code {
  const toNextByte = tee(BYTE, add(get(BYTE), i32(1)));
  const before = wordAt(subtract(get(PLACE), i32(4)));
  const hasSpecial = (first: Code, other: Code) =>
    bytes.isAny(classesIn(bytes.ofWords(first, other), SPECIAL_TABLES));
  return [
    ...set(BYTE, get(PLACE)),
    ...loop(again(isSame(byteAt(toNextByte), i32(BLANK)))),
    ...either(
      or(mayHave(before), mayHave(wordAt(get(BYTE)))),
      recordPlace(get(PLACE)),
      either(
        hasSpecial(before, wordAt(get(BYTE))),
        either(
          or(hasSpecial(before, before), mayBeginRow()),
          recordPlace(get(PLACE)),
          when(mayContinue(), recordPlace(get(PLACE))),
        ),
        when(
          // Most lines that begin with digits begin with a date.
          or(
            isNotBelow(byteAt(get(BYTE), 4), i32(0x30)),
            isNotBelow(i32(BLANK), byteAt(get(BYTE), 4)),
          ),
          when(mayStartRow(BYTE), recordPlace(get(PLACE))),
        ),
      ),
    ),
  ];
}

/** Whether a line may be a row of a hex dump: it has a cell, or its first word may be digits. */
function mayBeginRow(): Code {
  const isOther = (offset: number) =>
    isBelow(
      subtract(or(byteAt(get(BYTE), offset), i32(0x20)), i32(0x67)),
      i32(20),
    );
  return or(
    isNotBelow(i32(BLANK), byteAt(get(PLACE), 1 + 4)),
    isZero(or(isOther(0), isOther(1))),
  );
}

/**
 * Whether the first four letters and digits of the next line, without the blanks
 * between them, may be part of a needle. Other text has to be read elsewhere.
 */
function mayContinue(): Code {
  const byte = byteAt(get(BYTE));
  const isLetter = isBelow(
    subtract(or(byte, i32(0x20)), i32(0x61)),
    i32(26),
  );
  const isDigit = isBelow(subtract(byte, i32(0x30)), i32(10));
  const isNear = isBelow(subtract(get(BYTE), get(PLACE)), i32(MAX_BEGIN_BYTES));
  return [
    ...set(BEGIN, i32(0)),
    ...set(BEGIN_BITS, i32(0)),
    ...loop(
      when(
        isZero(isSame(byte, i32(BLANK))),
        set(BEGIN, or(get(BEGIN), shiftLeft(byte, get(BEGIN_BITS)))),
        set(
          BEGIN_BITS,
          choose(or(isLetter, isDigit), add(get(BEGIN_BITS), i32(8)), i32(64)),
        ),
      ),
      set(BYTE, add(get(BYTE), i32(1))),
      again(and(isBelow(get(BEGIN_BITS), i32(32)), isNear)),
    ),
    ...or(xor(get(BEGIN_BITS), i32(32)), mayHave(get(BEGIN))),
  ];
}

/** Whether a line begins with a number of at least four digits, like rows of hex dumps. */
function mayStartRow(start: number): Code {
  const isDigit = bytes.highBits(classesIn(bytes.at(get(start)), TABLES));
  const count = trailingZeros(xor(isDigit, i32(-1)));
  const next = byteAt(add(get(start), get(WORD)));
  return and(
    isNotBelow(tee(WORD, count), i32(4)),
    or(
      isNotBelow(get(WORD), i32(16)),
      or(isNotBelow(i32(BLANK), next), isSame(next, i32(COLON))),
    ),
  );
}

/** Whether a word passes a filter. */
function mayHave(
  word: Code,
  filter = FILTER,
  shift = SHIFT,
  hashOfWord = HASH,
  number = WORD,
): Code {
  const hash = tee(hashOfWord, multiply(word, i32(MULTIPLIER)));
  const index = shiftLeft(shiftRight(hash, get(shift)), i32(2));
  const first = shiftRight(
    tee(number, wordAt(index, filter)),
    get(hashOfWord),
  );
  const second = shiftRight(
    get(number),
    shiftRight(get(hashOfWord), i32(5)),
  );
  return and(and(first, second), i32(1));
}

/**
 * Finds numbers of up to three digits that follow one another, all at once:
 * each byte of the block, and of some before it, is one bit.
 */
function findNumbers(): Code {
  const { add, and, or, shiftLeft, shiftRight, xor } = long;
  const bits = (previous: number, block: (block: number) => Code) =>
    [0, 1, 2].reduce(
      (all, number) =>
        or(
          all,
          shiftLeft(
            long.of(bytes.highBits(block(number))),
            i64(SHARED_BYTES + 16 * number),
          ),
        ),
      shiftRight(get(previous), i64(STEP_BYTES)),
    );
  const isAnyButMark = (block: number) =>
    bytes.add(get(CLASS_0 + block), all(TO_HIGH_BIT));
  const at = (variable: number, place: number) =>
    place === 0 ? get(variable) : shiftRight(get(variable), i64(place));
  const numbers = or(get(ONE), or(get(TWO), get(THREE)));
  const ends = or(
    shiftLeft(get(ONE), i64(2)),
    or(shiftLeft(get(TWO), i64(3)), shiftLeft(get(THREE), i64(4))),
  );
  // Adding a bit to a row of separators carries it to the position after them.
  const afterSeparators = and(
    add(get(SEPARATOR), ends),
    xor(get(SEPARATOR), i64(-1)),
  );
  return [
    ...set(BOTH, bits(BOTH, isAnyButMark)),
    ...set(DIGIT, bits(DIGIT, (block) => get(CLASS_0 + block))),
    ...set(SEPARATOR, xor(get(BOTH), get(DIGIT))),
    // A separator, digits, and another separator.
    ...set(ONE, and(get(SEPARATOR), at(DIGIT, 1))),
    ...set(TWO, and(get(ONE), at(DIGIT, 2))),
    ...set(THREE, and(get(TWO), at(DIGIT, 3))),
    ...set(ONE, and(get(ONE), at(SEPARATOR, 2))),
    ...set(TWO, and(get(TWO), at(SEPARATOR, 3))),
    ...set(THREE, and(get(THREE), at(SEPARATOR, 4))),
    ...set(NUMBERS, and(afterSeparators, shiftLeft(numbers, i64(1)))),
    ...when(isZero(long.isZero(get(NUMBERS))), ...processNumbers()),
    ...findRows(),
  ];
}

/** Finds six digits before two more digits or three blanks, as at the start of rows of hex dumps after a prefix. */
function findRows(): Code {
  const at = (variable: number, place: number) =>
    long.shiftRight(get(variable), i64(place));
  const threeSeparators = long.and(
    get(WORD_ENDS),
    long.and(at(SEPARATOR, 1), at(SEPARATOR, 2)),
  );
  return [
    ...set(WORDS, long.and(get(DIGIT), at(DIGIT, 1))),
    ...set(
      WORD_ENDS,
      long.and(get(WORDS), long.and(at(WORDS, 2), at(WORDS, 4))),
    ),
    ...set(
      WORD_ENDS,
      long.and(long.shiftLeft(get(WORD_ENDS), i64(6)), get(SEPARATOR)),
    ),
    // Most texts have few words that end with six digits.
    ...when(
      isZero(long.isZero(get(WORD_ENDS))),
      when(
        isZero(long.isZero(
          long.or(
            long.and(positionAfter(WORD_ENDS, SEPARATOR), get(WORDS)),
            threeSeparators,
          ),
        )),
        processRows(),
      ),
    ),
  ];
}

/** Finds runs of letters and digits that may encode text, in base64 or hexadecimal. */
function findRuns(): Code {
  const runOf = (run: number, step: number) =>
    set(run, long.and(get(run), after(run, step)));
  const isAny = (run: number) => isZero(long.isZero(get(run)));
  return [
    // Eleven of them in a row: eight, and eight that start three bytes later.
    ...set(RUN, long.and(get(ALPHANUMERIC), after(ALPHANUMERIC, 1))),
    ...runOf(RUN, 2),
    ...runOf(RUN, 4),
    ...when(
      isZero(long.isZero(long.and(get(RUN), after(RUN, 3)))),
      set(FIRST, bitsOf(FIRST_TABLES)),
      set(RUN, long.and(get(RUN), long.and(get(FIRST), after(FIRST, 4)))),
      when(
        isAny(RUN),
        set(FIRST, bitsOf(SECOND_TABLES)),
        set(
          RUN,
          long.and(get(RUN), long.and(after(FIRST, 1), after(FIRST, 5))),
        ),
        set(FIRST, bitsOf(THIRD_TABLES)),
        set(
          RUN,
          long.and(get(RUN), long.and(after(FIRST, 2), after(FIRST, 6))),
        ),
        recordRuns(),
      ),
      set(RUN, long.and(get(DIGIT), after(DIGIT, 1))),
      ...[2, 4, 8].map((step) => runOf(RUN, step)),
      when(
        isAny(RUN),
        set(FIRST, bitsOf(UPPER_TABLES)),
        ...[2, 4, 8].map((step) => runOf(FIRST, step)),
        set(RUN, long.and(get(RUN), get(FIRST))),
        recordRuns(),
      ),
    ),
  ];
}

function after(variable: number, count: number): Code {
  return long.shiftRight(get(variable), i64(count));
}

/** Bytes of a class in the block and in the bytes before it, as bits. */
function bitsOf(tables: HalfTables): Code {
  return [0, 1, 2, 3].map((block) =>
    long.shiftLeft(
      long.of(
        highBits(
          bytes.at(subtract(get(AT), i32(SHARED_BYTES)), 16 * block),
          tables,
        ),
      ),
      i64(16 * block),
    )
  ).reduce(long.or);
}

function highBits(vector: Code, tables: HalfTables): Code {
  return bytes.highBits(
    bytes.add(classesIn(vector, tables), all(TO_HIGH_BIT)),
  );
}

/** Records where the runs start. */
function recordRuns(): Code {
  const place = subtract(
    add(get(AT), long.toInt(long.trailingZeros(get(RUN)))),
    i32(SHARED_BYTES),
  );
  return when(
    isZero(long.isZero(get(RUN))),
    loop(
      recordPlace(or(place, i32(RUNS))),
      set(RUN, long.and(get(RUN), long.subtract(get(RUN), i64(1)))),
      again(isZero(long.isZero(get(RUN)))),
    ),
  );
}

/** Adding a bit to a row of separators carries it to the position after them. */
function positionAfter(ends: number, separators: number): Code {
  return long.and(
    long.add(get(separators), get(ends)),
    long.xor(get(separators), i64(-1)),
  );
}

/** Records the ends of six digits that are followed by a blank, or by a colon and a blank. */
function processRows(): Code {
  const place = subtract(
    add(get(AT), long.toInt(long.trailingZeros(get(WORD_ENDS)))),
    i32(SHARED_BYTES),
  );
  const isColon = and(
    isSame(get(BYTE), i32(COLON)),
    isSame(byteAt(get(PLACE), 1), i32(BLANK)),
  );
  return loop(
    set(BYTE, byteAt(tee(PLACE, place))),
    when(
      or(isSame(get(BYTE), i32(BLANK)), isColon),
      recordPlace(or(get(PLACE), i32(ROWS))),
    ),
    set(
      WORD_ENDS,
      long.and(get(WORD_ENDS), long.subtract(get(WORD_ENDS), i64(1))),
    ),
    again(isZero(long.isZero(get(WORD_ENDS)))),
  );
}

/**
 * Records each number that is likely to be part of a text, like the next number.
 * Numbers of dates and times rarely are.
 */
function processNumbers(): Code[] {
  const place = subtract(
    add(get(AT), long.toInt(long.trailingZeros(get(NUMBERS)))),
    i32(SHARED_BYTES),
  );
  return [
    set(LAST_NUMBER, i32(0)),
    loop(
      set(PLACE, place),
      either(
        isLikely(),
        [
          ...when(
            get(LAST_NUMBER),
            ...[when(mayFollow(), recordPlace(numberAt(get(LAST_NUMBER))))],
          ),
          ...set(LAST_NUMBER, get(PLACE)),
        ],
        set(LAST_NUMBER, i32(0)),
      ),
      set(
        NUMBERS,
        long.and(get(NUMBERS), long.subtract(get(NUMBERS), i64(1))),
      ),
      again(isZero(long.isZero(get(NUMBERS)))),
    ),
  ];
}

/** Whether a number may be part of a text: neither 00 to 08 nor 10 to 18. */
function isLikely(): Code {
  const byte = (offset: number) => byteAt(get(PLACE), offset);
  const isCharacter = or(
    isNotBelow(byte(0), i32(0x32)),
    isSame(byte(1), i32(0x39)),
  );
  return or(
    isLetter(PLACE, 1),
    and(isDecimal(PLACE, 1), or(isCharacter, isDecimal(PLACE, 2))),
  );
}

/** Whether a number and the previous one encode two bytes of a needle. */
function mayFollow(): Code {
  const inOrder = (value: (number: number) => Code) =>
    or(value(LAST_NUMBER), shiftLeft(value(PLACE), i32(16)));
  const isPrefix = (number: number) => isSame(letterAt(number, 1), i32(X));
  // Capital digits become small; others do not change.
  const hexadecimal = or(
    inOrder((number) => pairAt(get(number))),
    i32(0x20202020),
  );
  const octal = (number: number) => digitsOf(number, [64, 8, 1]);
  const decimal = (number: number) =>
    choose(
      isDecimal(number, 1),
      choose(
        isDecimal(number, 2),
        digitsOf(number, [100, 10, 1]),
        digitsOf(number, [10, 1]),
      ),
      digitsOf(number, [1]),
    );
  return [
    mayHave(hexadecimal),
    mayHave(inOrder(decimal)),
    mayHave(inOrder(octal)),
    isPrefix(LAST_NUMBER),
    isPrefix(PLACE),
  ].reduce(or);
}

/** Hexadecimal digits of a number, whose digits have the given weights. */
function digitsOf(number: number, weights: readonly number[]): Code {
  const value = weights.map((weight, at) =>
    multiply(subtract(byteAt(get(number), at), i32(0x30)), i32(weight))
  ).reduce(add);
  return pairAt(shiftLeft(and(value, i32(0x3ff)), i32(1)), HEX_PAIRS);
}

function isDecimal(number: number, place: number): Code {
  return isBelow(subtract(byteAt(get(number), place), i32(0x30)), i32(10));
}

function letterAt(number: number, place: number): Code {
  return or(byteAt(get(number), place), i32(0x20));
}

function isLetter(number: number, place: number): Code {
  return isNotBelow(byteAt(get(number), place), i32(0x40));
}

function numberAt(place: Code): Code {
  return or(place, i32(LIST));
}

function recordPlace(place: Code): Code {
  return [
    ...storeWord(get(OUT), place),
    ...set(OUT, add(get(OUT), i32(4))),
  ];
}

/** The classes of each half of a byte, as bits. */
type HalfTables = readonly [uppers: number[], lowers: number[]];

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function halfTables(classes: readonly Halves[]): HalfTables {
  const tables: HalfTables = [new Array(16).fill(0), new Array(16).fill(0)];
  classes.forEach((halves, bit) => {
    for (const side of [0, 1]) {
      for (const half of halves[side]) tables[side][half] |= 1 << bit;
    }
  });
  return tables;
}
