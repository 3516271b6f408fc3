/**
 * Converts plain scalars like the Python runner, which parses YAML 1.1 and
 * formats values as Python does.
 */

/** A scalar as the Python runner parses it. */
export interface Yaml11Value {
  /** Value of an environment variable. */
  readonly text: string;
  /** Value as JSON; `undefined` if JSON cannot represent it. */
  readonly json: string | undefined;
}

/** Maximum length of a scalar to parse; real numbers are shorter. */
const MAX_LENGTH = 100;

const BOOLEAN =
  /^(?:(yes|Yes|YES|true|True|TRUE|on|On|ON)|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const INTEGER =
  /^[-+]?(?:0b[01_]+|0[0-7_]+|0x[\da-fA-F_]+|0|[1-9][\d_]*(?::[0-5]?\d)*)$/;
const FLOAT =
  /^[-+]?(?:\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|\d[\d_]*(?::[0-5]?\d)+\.[\d_]*)$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d\d?)(?::?(\d\d))?))?$/;

/**
 * Converts a plain scalar as the Python runner does.
 *
 * @param source The scalar as written, without quotes.
 * @returns The value; `undefined` if it is a string.
 */
export function yaml11Value(source: string): Yaml11Value | undefined {
  if (source.length > MAX_LENGTH) return undefined;
  if (BOOLEAN.test(source)) {
    const isTrue = BOOLEAN.exec(source)![1] !== undefined;
    return { text: isTrue ? "True" : "False", json: `${isTrue}` };
  }
  if (NULL.test(source)) return { text: "None", json: "null" };
  if (INTEGER.test(source)) {
    const text = integer(source);
    return { text, json: text };
  }
  if (FLOAT.test(source)) {
    const value = float(source);
    return { text: pythonFloat(value), json: pythonFloat(value) };
  }
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(source)) {
    const text = source.startsWith("-") ? "-inf" : "inf";
    return { text, json: undefined };
  }
  if (/^\.(?:nan|NaN|NAN)$/.test(source)) {
    return { text: "nan", json: undefined };
  }
  if (DATE.test(source)) return { text: source, json: undefined };
  const time = TIME.exec(source);
  return time === null
    ? undefined
    : { text: pythonTime(time), json: undefined };
}

function integer(source: string): string {
  const digits = source.replaceAll("_", "").replace(/^\+/, "");
  const [, minus, size] = /^(-?)(.*)$/.exec(digits)!;
  const parts = size.split(":");
  const value = parts.length > 1
    ? parts.reduce((sum, part) => sum * 60n + BigInt(part), 0n)
    : /^0[0-7]+$/.test(size)
    ? BigInt(`0o${size.slice(1)}`)
    : BigInt(size);
  return minus === "" || value === 0n ? `${value}` : `-${value}`;
}

function float(source: string): number {
  const digits = source.replaceAll("_", "");
  const [, sign, size] = /^([-+]?)(.*)$/.exec(digits)!;
  const value = size.split(":")
    .reduce((sum, part) => sum * 60 + Number(part), 0);
  return sign === "-" ? -value : value;
}

/**
 * Formats a number like Python's `repr(float)`.
 *
 * @param value Any finite number.
 */
function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const digits = `${Math.abs(power)}`.padStart(2, "0");
    return `${mantissa}e${power < 0 ? "-" : "+"}${digits}`;
  }
  const digits = mantissa.replace(/^-|\./g, "");
  const sign = value < 0 ? "-" : "";
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${digits.slice(power + 1) || "0"}`;
}

function pythonTime(match: RegExpExecArray): string {
  const [, year, month, day, hour, minute, second] = match;
  const [fraction, zone, sign, hours, minutes] = match.slice(7);
  const two = (digits: string) => digits.padStart(2, "0");
  const micros = (fraction ?? "").slice(0, 6).padEnd(6, "0");
  const date = `${year}-${two(month)}-${two(day)}`;
  const time = `${two(hour)}:${minute}:${second}${
    micros === "000000" ? "" : `.${micros}`
  }`;
  const offset = zone === undefined
    ? ""
    : zone === "Z"
    ? "+00:00"
    : `${sign}${two(hours)}:${minutes ?? "00"}`;
  return `${date} ${time}${offset}`;
}
