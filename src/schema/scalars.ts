import { booleanProblem, parseBoolean } from "../boolean.ts";
import { VARIABLE_NAME } from "../environment/variables.ts";
import { didYouMean, oneOf, suggest } from "../suggest.ts";
import type { Schema } from "./combinators.ts";
import type { DocumentNode } from "./document.ts";
import {
  DURATION,
  durationProblem,
  MAX_DURATION_MS,
  parseDuration,
  timeLimitProblem,
} from "./duration.ts";

/** Rule of every string: programs cannot be passed a NUL character. */
export const ANY_TEXT: TextRule = {
  pattern: /^[^\0]*$/,
  words: "not contain a NUL character",
};

/** Rule of a string that must not be blank. */
export const FILLED_TEXT: TextRule = {
  pattern: /^\s*[^\s\0][^\0]*$/,
  words: "not be empty",
};

/** A rule for strings. */
export interface TextRule {
  /** Regular expression, which must not match a NUL character. */
  readonly pattern: RegExp;
  /** The rule, phrased to follow "must". */
  readonly words: string;
}

/** Options for {@linkcode text}. */
export interface TextOptions {
  /**
   * Rule of the string.
   *
   * @default {any string without a NUL character}
   */
  rule?: TextRule;
  /**
   * Whether numbers match the rule: either all do or none.
   *
   * @default {true}
   */
  allowsNumbers?: boolean;
  /**
   * Checks a string that matches the rule, and returns the problem, phrased to
   * follow the name of the value.
   *
   * @default {no further check}
   */
  findProblem?: (text: string) => string | undefined;
}

/** Creates the schema of a string. */
export function text(options: TextOptions = {}): Schema<string> {
  const { rule = ANY_TEXT, allowsNumbers = true, findProblem } = options;
  return {
    jsonSchema: () => ({
      type: ["string", ...allowsNumbers ? ["number"] : [], "boolean"],
      pattern: rule.pattern.source,
    }),
    parse: scalar((text, node) => {
      const broken = [ANY_TEXT, rule].find((item) => !item.pattern.test(text));
      const problem = broken ? `must ${broken.words}` : findProblem?.(text);
      return problem === undefined ? text : void node.report(problem);
    }),
  };
}

/** Schema of a string that is not blank. */
export const filledText: Schema<string> = text({ rule: FILLED_TEXT });

/** Schema of the name of a variable. */
export const variableName: Schema<string> = text({
  rule: {
    pattern: VARIABLE_NAME,
    words: "be the name of a variable, such as ITEM",
  },
  allowsNumbers: false,
});

/** Schema of `true` and `false`. */
export const flag: Schema<boolean> = {
  jsonSchema: () => ({ enum: [true, false, "true", "false"] }),
  parse: scalar((text, node) => {
    const isOn = parseBoolean(text);
    return isOn ??
      void node.explain(() => `${node.label} ${booleanProblem(text)}`);
  }),
};

/** YAML booleans that Go's decoder accepts in any of its versions. */
const FLAG_WORDS = /^(?:(true|yes|y|on)|false|no|n|off)$/i;

/** Their usual spellings, for a JSON Schema. */
const FLAG_SPELLINGS = ["true", "false", "yes", "no", "y", "n", "on", "off"]
  .flatMap((
    word,
  ) => [word, word[0].toUpperCase() + word.slice(1), word.toUpperCase()])
  .filter((word, at, all) => all.indexOf(word) === at);

/** Schema of a boolean in all spellings that Go's YAML decoder accepts. */
export const yamlFlag: Schema<boolean> = {
  jsonSchema: () => ({ enum: [true, false, ...FLAG_SPELLINGS] }),
  parse(node) {
    const [word, yes] = FLAG_WORDS.exec(node.text ?? "") ?? [];
    return word === undefined
      ? void node.report("must be true or false")
      : yes !== undefined;
  },
};

/** YAML numbers and their bases. */
const NUMBERS: readonly (readonly [RegExp, number])[] = [
  [/^([-+]?)0x([0-9a-f]+)$/i, 16],
  [/^([-+]?)0b([01]+)$/i, 2],
  [/^([-+]?)0o([0-7]+)$/i, 8],
  [/^([-+]?)0([0-7]+)$/, 8],
];

/** All spellings of numbers that may be integers. */
const NUMBER =
  /^[-+]?(0_*[xX][0-9a-fA-F_]+|0_*[bB][01_]+|0_*[oO][0-7_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?)$/;

/**
 * Creates the schema of an optional string; an empty one counts as missing.
 *
 * @param schema Schema of a string that is not empty.
 */
export function optional(schema: Schema<string>): Schema<string> {
  return {
    jsonSchema: () => ({
      anyOf: [schema.jsonSchema(), { type: "string", pattern: "^\\s*$" }],
    }),
    parse: (node) => node.text?.trim() === "" ? undefined : schema.parse(node),
  };
}

/**
 * Creates the schema of an integer in all spellings that Go's YAML decoder
 * accepts: `1_800`, `0x10`, `010` for eight, `18e2`.
 */
export function yamlInteger(minimum: number, maximum: number): Schema<number> {
  return {
    jsonSchema: () => ({
      type: ["integer", "string"],
      minimum,
      maximum,
      pattern: NUMBER.source,
    }),
    parse(node) {
      const value = parseNumber(node.text ?? "");
      if (Number.isInteger(value) && value >= minimum && value <= maximum) {
        return value;
      }
      const shown = node.text === undefined
        ? ""
        : `, not ${JSON.stringify(node.text.slice(0, 100))}`;
      return void node.report(
        `must be a whole number from ${minimum} to ${maximum}${shown}`,
      );
    },
  };
}

function parseNumber(text: string): number {
  if (!NUMBER.test(text)) return NaN;
  const plain = text.replaceAll("_", "");
  for (const [pattern, base] of NUMBERS) {
    const [, sign, digits] = pattern.exec(plain) ?? [];
    if (digits !== undefined) {
      return parseInt(digits, base) * (sign === "-" ? -1 : 1);
    }
  }
  return Number(plain);
}

/** Schema of a duration, which is parsed to milliseconds. */
export const duration: Schema<number> = {
  jsonSchema: () => ({
    type: ["number", "string"],
    minimum: 0,
    maximum: MAX_DURATION_MS / 1_000,
    pattern: DURATION.source,
  }),
  parse: scalar((text, node) =>
    parseDuration(text) ??
      void node.report(durationProblem(text.slice(0, 100))!)
  ),
};

/**
 * Schema of a time limit, which is parsed to milliseconds. A number of seconds
 * may have every spelling that Go's YAML decoder accepts as an integer.
 */
export const positiveDuration: Schema<number> = {
  jsonSchema: () => ({
    type: ["number", "string"],
    exclusiveMinimum: 0,
    maximum: MAX_DURATION_MS / 1_000,
    pattern: `(${DURATION.source})|(${NUMBER.source})`,
    not: { type: "string", pattern: "^[0.]*[a-z]*$" },
  }),
  parse: scalar((text, node) => {
    const shown = text.slice(0, 100);
    const seconds = parseNumber(text);
    const time = Number.isInteger(seconds) && seconds >= 0
      ? `${seconds}s`
      : shown;
    const problem = timeLimitProblem(time);
    if (problem === undefined) return parseDuration(time);
    return void node.report(
      timeLimitProblem(shown) ?? problem,
    );
  }),
};

/** Creates the schema of an integer. */
export function integer(minimum: number, maximum: number): Schema<number> {
  return {
    jsonSchema: () => ({
      type: ["integer", "string"],
      minimum,
      maximum,
      pattern: `^${integerPattern(minimum, maximum)}$`,
    }),
    parse: number(/^\d+$/, minimum, maximum, "a whole number"),
  };
}

/**
 * Creates the schema of a decimal number.
 *
 * @param minimum Minimum, an integer.
 * @param maximum Maximum, an integer.
 */
export function decimal(minimum: number, maximum: number): Schema<number> {
  return {
    jsonSchema: () => ({
      type: ["number", "string"],
      minimum,
      maximum,
      pattern: `^${decimalPattern(minimum, maximum)}$`,
    }),
    parse: number(/^\d+(\.\d+)?$/, minimum, maximum, "a number"),
  };
}

/**
 * Creates the schema of a string with a few allowed values.
 *
 * @param words Allowed values, which messages list.
 * @param more Additional spellings and their values, which messages do not
 * list.
 */
export function choice<T extends string>(
  words: readonly T[],
  more: Readonly<Record<string, T>> = {},
): Schema<T> {
  const meanings = new Map<string, T>([
    ...words.map((word): [string, T] => [word, word]),
    ...Object.entries(more),
  ]);
  const expected = oneOf(words);
  return {
    jsonSchema: () => ({ enum: [...meanings.keys()] }),
    parse: scalar((text, node) => {
      const meaning = meanings.get(text);
      if (meaning !== undefined) return meaning;
      const near = suggest(text, words);
      return reportUnexpected(
        node,
        expected,
        text,
        didYouMean(near),
      );
    }),
  };
}

/**
 * When a step or job runs after all of its dependencies have ended.
 *
 * | condition | runs if |
 * | --- | --- |
 * | `all_success` | all dependencies succeeded; a skipped one counts as not succeeded |
 * | `any_failed` | a dependency failed, was cancelled or timed out; for a step, indirect dependencies count as well |
 * | `always` | all dependencies have ended, with any result |
 *
 * With `any_failed`, a step or job without dependencies never runs.
 */
export type Condition = "all_success" | "any_failed" | "always";

/**
 * All spellings of conditions.
 *
 * The coordinator understands exactly these. It silently skips a job with any
 * other condition.
 */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  all_success: "all_success",
  any_failed: "any_failed",
  always: "always",
  "": "all_success",
  "all_success(needs)": "all_success",
  "any_failed(needs)": "any_failed",
  "always()": "always",
};

/** Source of a regular expression that matches all spellings. */
const CONDITION_PATTERN: string = `^\\s*(${
  Object.keys(CONDITIONS)
    .map((spelling) => spelling.replace(/[()]/g, "\\$&"))
    .join("|")
})\\s*$`;

/** Usual spellings of conditions. */
const CONDITION_NAMES: readonly Condition[] = [
  "all_success",
  "any_failed",
  "always",
];

/** Allowed conditions, for messages. */
export const CONDITION_WORDS: string = oneOf(CONDITION_NAMES);

/**
 * Parses a condition, ignoring white space around it.
 *
 * @returns The condition; `undefined` if the value is not one.
 */
export function parseCondition(value: unknown): Condition | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  return Object.hasOwn(CONDITIONS, text) ? CONDITIONS[text] : undefined;
}

/** Description of the key `condition` of a job or a step. */
export function conditionDescription(subject: "job" | "step"): string {
  return `Condition for running the ${subject}, checked when its dependencies have ended.`;
}

const CHOSEN_CONDITION = choice(CONDITION_NAMES);

/** Schema of a condition in all spellings. */
export const condition: Schema<Condition> = {
  jsonSchema: () => ({
    anyOf: [
      { enum: Object.keys(CONDITIONS) },
      { type: "string", pattern: CONDITION_PATTERN },
    ],
  }),
  parse: (node) => parseCondition(node.text) ?? CHOSEN_CONDITION.parse(node),
};

function number(
  digits: RegExp,
  minimum: number,
  maximum: number,
  what: string,
): (node: DocumentNode) => number | undefined {
  return scalar((text, node) => {
    const value = digits.test(text) ? Number(text) : NaN;
    return value >= minimum && value <= maximum
      ? value
      : reportUnexpected(node, `${what} from ${minimum} to ${maximum}`, text);
  });
}

function scalar<T>(
  parse: (text: string, node: DocumentNode) => T | undefined,
): (node: DocumentNode) => T | undefined {
  return (node) =>
    node.text === undefined
      ? void node.report("must be a single value")
      : parse(node.text, node);
}

function reportUnexpected(
  node: DocumentNode,
  expected: string,
  text: string,
  hint = "",
): undefined {
  const shown = JSON.stringify(text.slice(0, 100));
  node.report(`must be ${expected}, not ${shown}${hint}`);
}

/**
 * Returns the source of a regular expression for the integers of a range, which
 * may have leading zeros.
 *
 * @param minimum Minimum, not negative.
 * @returns Source of the expression, without anchors.
 */
export function integerPattern(minimum: number, maximum: number): string {
  const ranges: string[] = [];
  for (let low = minimum; low <= maximum;) {
    const high = Math.min(maximum, 10 ** `${low}`.length - 1);
    ranges.push(...digitRanges(`${low}`, `${high}`));
    low = high + 1;
  }
  return `0*(?:${ranges.join("|")})`;
}

/**
 * Returns the source of a regular expression for the decimal numbers of a
 * range.
 *
 * @param minimum Minimum, an integer that is not negative.
 * @param maximum Maximum, an integer.
 * @returns Source of the expression, without anchors.
 */
export function decimalPattern(minimum: number, maximum: number): string {
  const below = integerPattern(minimum, maximum - 1);
  return `(?:${below}(?:\\.\\d+)?|0*${maximum}(?:\\.0+)?)`;
}

/**
 * Returns expressions for the numbers between two numbers of the same length.
 */
function digitRanges(low: string, high: string): string[] {
  if (low === "") return [""];
  const [from, to] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (from === to) {
    return digitRanges(low.slice(1), high.slice(1)).map((item) =>
      `${from}${item}`
    );
  }
  const startsLate = !/^0*$/.test(low.slice(1));
  const endsEarly = !/^9*$/.test(high.slice(1));
  const first = startsLate ? from + 1 : from;
  const last = endsEarly ? to - 1 : to;
  return [
    ...startsLate
      ? digitRanges(low.slice(1), "9".repeat(rest)).map((item) =>
        `${from}${item}`
      )
      : [],
    ...first <= last ? [digit(first, last) + "\\d".repeat(rest)] : [],
    ...endsEarly
      ? digitRanges("0".repeat(rest), high.slice(1)).map((item) =>
        `${to}${item}`
      )
      : [],
  ];
}

function digit(first: number, last: number): string {
  return first === last ? `${first}` : `[${first}-${last}]`;
}

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
export const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * CPU: a number of cores with a fraction, or a whole number of millicores. Unlike
 * in Kubernetes, there are no exponents.
 */
export const CPU_PATTERN = /^([0-9]+\.?[0-9]*|\.[0-9]+|[0-9]{1,15}m)$/;

/**
 * Memory: a number, optionally with a unit; only the case of the final `B` is
 * free. Kubernetes is stricter about units, but allows exponents.
 */
export const MEMORY_PATTERN =
  /^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTP]i|[KMGTP][Bb]?)?$/;

/** Allowed CPU amounts, for messages. */
export const CPU_WORDS = 'cores such as 2 or 0.5, or millicores such as "500m"';

/** Allowed memory amounts, for messages. */
export const MEMORY_WORDS =
  'bytes, or a number with one of the units Ki, Mi, Gi, Ti, Pi, K, M, G, T, P, such as "4Gi"';
