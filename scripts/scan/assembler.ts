/**
 * A minimal assembler for WebAssembly: each function returns the code of one
 * expression, so that code reads like `add(get(0), i32(1))`.
 *
 * It has only the instructions that the text scanner needs. Opcodes are those of
 * the specification, https://webassembly.github.io/spec/core/binary/.
 *
 * @module
 */

/** Bytes of code: an expression, or a statement. */
export type Code = readonly number[];

/** A function of a module; all parameters are 32-bit integers, and so is the result. */
export interface WasmFunction {
  readonly name: string;
  readonly parameterCount: number;
  /** Types of the local variables, which follow the parameters. */
  readonly locals: readonly (typeof I32 | typeof I64 | typeof V128)[];
  readonly body: Code;
}

/** Types of variables. */
export const [I32, I64, V128] = [0x7f, 0x7e, 0x7b];

const VECTOR = 0xfd;

/**
 * Assembles a module that imports its memory as `env.memory`.
 *
 * @param functions Functions that it exports, by name.
 */
export function assemble(
  functions: readonly WasmFunction[],
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameterCount }) => [
    ...[0x60, ...unsigned(parameterCount)],
    ...[...new Array(parameterCount).fill(I32), 1, I32],
  ]);
  const memory = [...name("env"), ...name("memory"), 2, 0, 1];
  const exports = functions.map((exported, at) => [
    ...name(exported.name),
    ...[0, at],
  ]);
  const codes = functions.map(({ locals, body }) => {
    const code = [
      ...vector(locals.map((type) => [1, type])),
      ...body,
      0x0b,
    ];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [memory]),
    ...section(3, functions.map((_, at) => [at])),
    ...section(7, exports),
    ...section(10, codes),
  ]);
}

function section(id: number, entries: readonly Code[]): Code {
  const content = vector(entries);
  return [id, ...unsigned(content.length), ...content];
}

function vector(entries: readonly Code[]): Code {
  return [...unsigned(entries.length), ...entries.flat()];
}

function name(text: string): Code {
  return [text.length, ...Array.from(text, (char) => char.charCodeAt(0))];
}

/** Encodes a number as unsigned LEB128. */
function unsigned(value: number): Code {
  return value < 0x80
    ? [value]
    : [value & 0x7f | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = rest === 0 && low < 0x40 || rest === -1 && low >= 0x40;
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

export const i32 = (value: number): Code => [0x41, ...signed(value | 0)];
export const i64 = (value: number): Code => [0x42, ...signed(value | 0)];

export const get = (local: number): Code => [0x20, local];
/** Assigns, as a statement. */
export const set = (local: number, value: Code): Code => [
  ...value,
  ...[0x21, local],
];
/** Assigns, as an expression. */
export const tee = (local: number, value: Code): Code => [
  ...value,
  ...[0x22, local],
];

/** A loop that repeats when it reaches {@linkcode again}. */
export const loop = (...body: Code[]): Code => [
  ...[0x03, 0x40],
  ...body.flat(),
  0x0b,
];
export const when = (condition: Code, ...body: Code[]): Code => [
  ...condition,
  ...[0x04, 0x40],
  ...body.flat(),
  0x0b,
];
export const either = (condition: Code, then: Code, otherwise: Code): Code => [
  ...condition,
  ...[0x04, 0x40],
  ...then,
  0x05,
  ...otherwise,
  0x0b,
];
/** Starts the innermost loop again if a condition holds. */
export const again = (condition: Code): Code => [...condition, 0x0d, 0];

const unary = (...opcode: number[]) => (value: Code): Code => [
  ...value,
  ...opcode,
];
const binary = (...opcode: number[]) => (one: Code, other: Code): Code => [
  ...one,
  ...other,
  ...opcode,
];

export const isZero = unary(0x45);
export const isSame = binary(0x46);
export const isBelow = binary(0x49);
export const isNotBelow = binary(0x4f);
export const trailingZeros = unary(0x68);
export const add = binary(0x6a);
export const subtract = binary(0x6b);
export const multiply = binary(0x6c);
export const and = binary(0x71);
export const or = binary(0x72);
export const xor = binary(0x73);
export const shiftLeft = binary(0x74);
export const shiftRight = binary(0x76);
export const byteAt = (address: Code, offset = 0): Code => [
  ...address,
  ...[0x2d, 0, ...unsigned(offset)],
];
export const wordAt = (address: Code, offset = 0): Code => [
  ...address,
  ...[0x28, 0, ...unsigned(offset)],
];
export const pairAt = (address: Code, offset = 0): Code => [
  ...address,
  ...[0x2f, 0, ...unsigned(offset)],
];
/** Selects one of two values, both of which are computed. */
export const choose = (condition: Code, one: Code, other: Code): Code => [
  ...one,
  ...other,
  ...condition,
  0x1b,
];
export const storeWord = (address: Code, value: Code): Code => [
  ...address,
  ...value,
  ...[0x36, 2, 0],
];

/** Instructions for 64-bit integers. */
export const long = {
  of: unary(0xad),
  toInt: unary(0xa7),
  isZero: unary(0x50),
  trailingZeros: unary(0x7a),
  add: binary(0x7c),
  subtract: binary(0x7d),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shiftLeft: binary(0x86),
  shiftRight: binary(0x88),
};

/** Instructions for 16 bytes at once. */
export const bytes = {
  at: (address: Code, offset = 0): Code => [
    ...address,
    ...[VECTOR, 0, 0, ...unsigned(offset)],
  ],
  of: (values: readonly number[]): Code => [VECTOR, 12, ...values],
  all: (value: number): Code => bytes.of(new Array(16).fill(value)),
  /** A vector that begins with one word, and has another one three times. */
  ofWords: (first: Code, other: Code): Code => [
    ...other,
    ...[VECTOR, 0x11],
    ...first,
    ...[VECTOR, 0x1c, 0],
  ],
  /** Looks up each byte of the second vector, all of which are below 16, in the first one. */
  lookUp: binary(VECTOR, 0x80, 0x02),
  isSame: binary(VECTOR, 0x23),
  isOther: binary(VECTOR, 0x24),
  and: binary(VECTOR, 0x4e),
  or: binary(VECTOR, 0x50),
  isAny: unary(VECTOR, 0x53),
  add: binary(VECTOR, 0x6e),
  /** The highest bit of each byte, the first byte lowest. */
  highBits: unary(VECTOR, 0x64),
  /** Shifts pairs of bytes; V8 shifts single ones in five instructions. */
  shiftPairsRight: binary(VECTOR, 0x8d, 0x01),
};
