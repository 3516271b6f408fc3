import { booleanProblem, parseBoolean } from "../boolean.ts";
import type { DocumentNode } from "./document.ts";
import { suggest } from "../suggest.ts";
import {
  type Condition,
  CONDITION_PATTERN,
  CONDITIONS,
  parseCondition,
} from "./condition.ts";
import {
  DURATION,
  durationProblem,
  MAX_DURATION_MS,
  parseDuration,
} from "./duration.ts";
import type { Schema } from "./schema.ts";

/** What any text must match: a program cannot be given a NUL character. */
const ANY_TEXT: TextRule = {
  pattern: /^[^\0]*$/,
  words: "not contain a NUL character",
};

/** What a text that says something must match. */
export const FILLED_TEXT: TextRule = {
  pattern: /^\s*[^\s\0][^\0]*$/,
  words: "not be empty",
};

/** What a text must match. */
export interface TextRule {
  /** Expression, which matches no NUL character. */
  readonly pattern: RegExp;
  /** The rule, worded to follow "must". */
  readonly words: string;
}

/** Options for {@linkcode text}. */
export interface TextOptions {
  /**
   * What the text must match.
   *
   * @default {any text without a NUL character}
   */
  rule?: TextRule;
  /**
   * Whether numbers match the rule; when they do not, none does.
   *
   * @default {true}
   */
  areNumbersTexts?: boolean;
  /**
   * Returns what is wrong with a text beyond the rule, worded to follow its name.
   *
   * @default {nothing}
   */
  problemOf?: (text: string) => string | undefined;
}

/**
 * Creates the schema of a text.
 *
 * @returns The schema.
 */
export function text(options: TextOptions = {}): Schema<string> {
  const { rule = ANY_TEXT, areNumbersTexts = true, problemOf } = options;
  return {
    jsonSchema: () => ({
      type: ["string", ...areNumbersTexts ? ["number"] : [], "boolean"],
      pattern: rule.pattern.source,
    }),
    parse: scalar((text, node) => {
      const broken = [ANY_TEXT, rule].find((it) => !it.pattern.test(text));
      const problem = broken ? `must ${broken.words}` : problemOf?.(text);
      return problem === undefined ? text : void node.report(problem);
    }),
  };
}

/** Schema of `true` and `false`. */
export const flag: Schema<boolean> = {
  jsonSchema: () => ({ enum: [true, false, "true", "false"] }),
  parse: scalar((text, node) => {
    const isOn = parseBoolean(text);
    return isOn ??
      void node.explain(() => `${node.label} ${booleanProblem(text)}`);
  }),
};

/** Words of YAML for yes and no, which Go takes for flags in any version of it. */
const FLAG_WORDS = /^(?:(true|yes|y|on)|false|no|n|off)$/i;

/** How these words are usually written, for a schema. */
const FLAG_SPELLINGS = ["true", "false", "yes", "no", "y", "n", "on", "off"]
  .flatMap((
    word,
  ) => [word, word[0].toUpperCase() + word.slice(1), word.toUpperCase()])
  .filter((word, at, all) => all.indexOf(word) === at);

/** Schema of a flag, in every spelling that the YAML decoder of Go takes for one. */
export const yamlFlag: Schema<boolean> = {
  jsonSchema: () => ({ enum: [true, false, ...FLAG_SPELLINGS] }),
  parse(node) {
    const [word, yes] = FLAG_WORDS.exec(node.text ?? "") ?? [];
    return word === undefined
      ? void node.report("must be true or false")
      : yes !== undefined;
  },
};

/** Numbers of YAML, each with the base of its digits. */
const NUMBERS: readonly (readonly [RegExp, number])[] = [
  [/^([-+]?)0x([0-9a-f]+)$/i, 16],
  [/^([-+]?)0b([01]+)$/i, 2],
  [/^([-+]?)0o([0-7]+)$/i, 8],
  [/^([-+]?)0([0-7]+)$/, 8],
];

/** Every spelling of a number that may be a whole one. */
const NUMBER =
  /^[-+]?(0_*[xX][0-9a-fA-F_]+|0_*[bB][01_]+|0_*[oO][0-7_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?)$/;

/**
 * Creates the schema of an optional text; an empty one counts as missing.
 *
 * @param schema Schema of what is not empty.
 * @returns The schema.
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
 * Creates the schema of a whole number, in every spelling that the YAML decoder of
 * Go takes for one: `1_800`, `0x10`, `010` for eight, `18e2`.
 *
 * @param minimum Least number.
 * @param maximum Greatest number.
 * @returns The schema.
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
      const value = numberOf(node.text ?? "");
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

function numberOf(text: string): number {
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

/** Schema of a time; gives milliseconds. */
export const duration: Schema<number> = {
  jsonSchema: () => ({
    type: ["number", "string"],
    minimum: 0,
    maximum: MAX_DURATION_MS / 1_000,
    pattern: DURATION.source,
  }),
  parse: scalar((text, node) =>
    parseDuration(text) ??
      void node.report(durationProblem(text.slice(0, 100)))
  ),
};

/**
 * Creates the schema of a whole number.
 *
 * @param minimum Least number.
 * @param maximum Greatest number.
 * @returns The schema.
 */
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
 * Creates the schema of a number that may have a fraction.
 *
 * @param minimum Least number, a whole one.
 * @param maximum Greatest number, a whole one.
 * @returns The schema.
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
 * Creates the schema of one of a few words.
 *
 * @param words What each word means; those that are told first.
 * @param more Other spellings, which are accepted and not told.
 * @returns The schema.
 */
export function choice<T extends string>(
  words: readonly T[],
  more: Readonly<Record<string, T>> = {},
): Schema<T> {
  const meanings = new Map<string, T>([
    ...words.map((word): [string, T] => [word, word]),
    ...Object.entries(more),
  ]);
  const expected = words.map((word) => `"${word}"`).join(" or ");
  return {
    jsonSchema: () => ({ enum: [...meanings.keys()] }),
    parse: scalar((text, node) => {
      const meaning = meanings.get(text);
      if (meaning !== undefined) return meaning;
      const near = suggest(text, words);
      return notThat(
        node,
        expected,
        text,
        near === undefined ? "" : `; did you mean "${near}"?`,
      );
    }),
  };
}

const CHOSEN_CONDITION = choice(["all_success", "any_failed", "always"]);

/** Schema of a condition, in every spelling. */
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
      : notThat(node, `${what} from ${minimum} to ${maximum}`, text);
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

function notThat(
  node: DocumentNode,
  expected: string,
  text: string,
  hint = "",
): undefined {
  const shown = JSON.stringify(text.slice(0, 100));
  node.report(`must be ${expected}, not ${shown}${hint}`);
}

/**
 * Creates a regular expression that matches the digits of the whole numbers of a
 * range; zeros may stand before them.
 *
 * @param minimum Least number, not negative.
 * @param maximum Greatest number.
 * @returns Source of the expression, without anchors.
 */
export function integerPattern(minimum: number, maximum: number): string {
  const ranges: string[] = [];
  for (let low = minimum; low <= maximum;) {
    const high = Math.min(maximum, 10 ** `${low}`.length - 1);
    ranges.push(...between(`${low}`, `${high}`));
    low = high + 1;
  }
  return `0*(?:${ranges.join("|")})`;
}

/**
 * Creates a regular expression that matches the numbers of a range, written with
 * or without a fraction.
 *
 * @param minimum Least number, whole and not negative.
 * @param maximum Greatest number, whole.
 * @returns Source of the expression, without anchors.
 */
export function decimalPattern(minimum: number, maximum: number): string {
  const below = integerPattern(minimum, maximum - 1);
  return `(?:${below}(?:\\.\\d+)?|0*${maximum}(?:\\.0+)?)`;
}

/** The numbers between two of the same length. */
function between(low: string, high: string): string[] {
  if (low === "") return [""];
  const [from, to] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (from === to) {
    return between(low.slice(1), high.slice(1)).map((it) => `${from}${it}`);
  }
  const startsLate = !/^0*$/.test(low.slice(1));
  const endsEarly = !/^9*$/.test(high.slice(1));
  const first = startsLate ? from + 1 : from;
  const last = endsEarly ? to - 1 : to;
  return [
    ...startsLate
      ? between(low.slice(1), "9".repeat(rest)).map((it) => `${from}${it}`)
      : [],
    ...first <= last ? [digit(first, last) + "\\d".repeat(rest)] : [],
    ...endsEarly
      ? between("0".repeat(rest), high.slice(1)).map((it) => `${to}${it}`)
      : [],
  ];
}

function digit(first: number, last: number): string {
  return first === last ? `${first}` : `[${first}-${last}]`;
}
