import { booleanProblem, isNearlyBoolean, parseBoolean } from "../boolean.ts";
import { VARIABLE_NAME } from "../environment/variables.ts";
import { jobPathProblem, normalizeJobPath } from "../job_path.ts";
import type { Option } from "../options/option.ts";
import {
  findOption,
  type OptionName,
  type OptionValue,
} from "../options/options.ts";
import { SOURCE_TYPE, SOURCE_TYPES } from "../options/source_options.ts";
import {
  durationProblem,
  parseDuration,
  timeLimitProblem,
} from "../schema/duration.ts";
import { oneOf } from "../suggest.ts";
import type { ConfigProblem, SourceConfig } from "./job_config.ts";
import { type Setting, Settings } from "./settings.ts";
import {
  parseJobEnv,
  parseList,
  readValue,
  splitTrimmed,
  splitWords,
} from "./text_values.ts";

/** Options for {@linkcode OptionReader}. */
export interface OptionReaderOptions {
  /** Absolute path against which relative paths are resolved. */
  cwd: string;
  /**
   * Registered source types; `any` while plugins may still register some.
   *
   * @default {none}
   */
  sourceTypes?: readonly string[] | "any";
}

/** Reads the values of single options, and collects their problems. */
export class OptionReader {
  /** Problems found so far. */
  readonly problems: ConfigProblem[] = [];
  /** Warnings about valid but unusual values. */
  readonly warnings: string[] = [];
  readonly #settings: Settings;
  readonly #cwd: string;
  readonly #sourceTypes: readonly string[] | "any";

  /** @param settings Settings of all layers. */
  constructor(
    settings: Settings,
    { cwd, sourceTypes = [] }: OptionReaderOptions,
  ) {
    this.#settings = settings;
    this.#cwd = cwd;
    this.#sourceTypes = sourceTypes;
  }

  /**
   * Reads and validates the value of an option.
   *
   * @returns The value; the default if a problem was reported.
   */
  read<Name extends OptionName>(name: Name): OptionValue<Name> {
    const option = findOption(name) as Option & { name: OptionName };
    const problemCount = this.problems.length;
    const value = this.#read(option);
    const { default: fallback } = option;
    if (this.problems.length === problemCount || fallback === undefined) {
      return value as OptionValue<Name>;
    }
    // Masking of the message about an invalid value must not depend on that
    // value.
    const defaults = new Settings();
    defaults.set(name, { value: fallback, origin: "the default" });
    return new OptionReader(defaults, { cwd: this.#cwd }).read(name);
  }

  /** Reads the command. */
  readCommand(isRequired: boolean): string | readonly string[] | undefined {
    const command = this.read("job_command");
    if (command === undefined && isRequired) {
      this.#report("job_command", "is required, unless the job has steps");
    }
    return command;
  }

  /**
   * Reads the type and location of a source.
   *
   * @param prefix Prefix of the option names: empty, or `ci_`.
   */
  readSource(prefix: "" | "ci_"): SourceConfig {
    const type = this.read(`${prefix}source_type`);
    if (type === "none") return { type };
    const url = this.#text(`${prefix}source_url`);
    if (url === "" && isBuiltIn(type)) {
      this.#report(
        `${prefix}source_url`,
        `is required for ${prefix}source_type "${type}"`,
      );
    }
    const ref = this.read(`${prefix}source_ref`);
    return { type, url, ...ref === undefined ? {} : { ref } };
  }

  #read(option: Option & { name: OptionName }): unknown {
    const { name, type } = option;
    if (typeof type === "object") {
      return "choices" in type
        ? this.#choice(name, type.choices)
        : this.#integer(option, type.minimum, type.maximum);
    }
    switch (type) {
      case "text":
      case "secretProviders":
        return this.#text(name) || undefined;
      case "command":
        return this.#command(name);
      case "shell":
        return splitWords(this.#command(name));
      case "jobDirectory":
      case "jobFile":
        return this.#jobPath(option);
      case "boolean":
        return this.#boolean(option);
      case "duration":
        return this.#duration(name);
      case "timeLimit":
        return this.#duration(name, timeLimitProblem);
      case "list":
        return option.isUnion ? this.#union(name) : this.#list(option);
      case "variables":
        return this.#variables(name);
      case "secretValues":
        return this.#secretValues(name);
      case "inheritance":
        return this.#inheritance(name);
      case "sourceType":
        return this.#sourceType(name);
      default:
        return this.#settings.lines(name);
    }
  }

  /** Workers set a variable without a value to an empty string. */
  #text(name: OptionName): string {
    const { value = "", origin } = this.#settings.get(name) ?? {};
    if (typeof value !== "string") return Object.values(value).join(",");
    const { env, default: fallback = "" } = findOption(name)!;
    return value === "" && origin === env?.name ? fallback : value;
  }

  #command(name: OptionName): string | readonly string[] | undefined {
    const value = this.#settings.get(name)?.value;
    if (value === undefined) return undefined;
    const isEmpty = typeof value === "string"
      ? value.trim() === ""
      : !Object.values(value)[0];
    if (isEmpty) this.#report(name, "must not be empty");
    else if ([value].flat().some((part) => String(part).includes("\0"))) {
      this.#report(name, "must not contain a NUL character");
    }
    return value as string | readonly string[];
  }

  #jobPath({ name, default: fallback }: Option & { name: OptionName }) {
    const path = this.#text(name);
    if (path === "" && fallback === undefined) return undefined;
    const problem = jobPathProblem(path);
    if (path === "") this.#report(name, "must not be empty");
    else if (problem === undefined) return normalizeJobPath(path);
    else this.#report(name, `${problem}, not ${JSON.stringify(path)}`);
    return path;
  }

  #choice(name: OptionName, choices: readonly string[]): string {
    const text = this.#text(name);
    if (!choices.includes(text)) {
      this.#report(
        name,
        `must be ${oneOf(choices)}, not ${JSON.stringify(text)}`,
      );
    }
    return text;
  }

  #sourceType(name: OptionName): string {
    const type = this.#text(name);
    if (type === "") return "none";
    const isRegistered = this.#sourceTypes === "any"
      ? SOURCE_TYPE.test(type) && !isBuiltIn(type)
      : this.#sourceTypes.includes(type);
    return isRegistered ? type : this.#choice(name, SOURCE_TYPES);
  }

  #integer(
    { name, default: fallback }: Option & { name: OptionName },
    minimum: number,
    maximum: number,
  ): number | undefined {
    const text = this.#text(name) || fallback;
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= minimum && value <= maximum) return value;
    this.#report(
      name,
      `must be a whole number from ${minimum} to ${maximum}, not ${
        JSON.stringify(text)
      }`,
    );
    return undefined;
  }

  #boolean({ name, default: fallback }: Option & { name: OptionName }) {
    const text = this.#text(name) || fallback;
    if (text === undefined) return false;
    const isOn = parseBoolean(text);
    if (isOn === undefined) this.#report(name, booleanProblem(text));
    return isOn ?? false;
  }

  #duration(
    name: OptionName,
    findProblem: (text: string) => string | undefined = durationProblem,
  ): number | undefined {
    if (this.#settings.get(name) === undefined) return undefined;
    const text = this.#text(name);
    const ms = parseDuration(text);
    const problem = findProblem(text);
    if (problem === undefined) return ms;
    this.#report(name, problem);
    return undefined;
  }

  #list({ name, default: fallback, members }: Option & { name: OptionName }) {
    const setting = this.#settings.get(name);
    const items = setting ? this.#items(name, setting) : [];
    for (const item of items) {
      if (members === undefined || members.pattern.test(item)) continue;
      this.#report(name, `must ${members.words}, not ${JSON.stringify(item)}`);
    }
    return items.length === 0 && fallback === undefined ? undefined : items;
  }

  /** No layer can remove a name from the list of another layer. */
  #union(name: OptionName): string[] | undefined {
    const settings = this.#settings.all(name);
    const names = settings.flatMap((setting) => this.#items(name, setting));
    // An empty list means that nothing is secret; commas alone are not enough.
    const isGiven = names.length > 0 ||
      settings.some(({ value }) => value.length === 0);
    return isGiven ? [...new Set(names)] : undefined;
  }

  #variables(name: OptionName): Record<string, string> {
    const merged: Record<string, string> = Object.create(null);
    for (const setting of this.#settings.all(name)) {
      const { env, problems } = parseJobEnv(setting, this.#cwd);
      for (const message of problems) {
        this.problems.push({ key: name, message, origin: setting.origin });
      }
      Object.assign(merged, env);
    }
    return merged;
  }

  #inheritance(name: OptionName): boolean | readonly string[] {
    const value = this.#settings.get(name)?.value ?? "true";
    const isInherited = typeof value === "string"
      ? parseBoolean(value)
      : undefined;
    if (isInherited !== undefined) return isInherited;
    const names = this.#items(name, { value, origin: "" });
    const isWrong = value === "" || isNearlyBoolean(String(value)) ||
      names.some((name) => !VARIABLE_NAME.test(name));
    if (isWrong) {
      this.#report(
        name,
        `must be true, false or names of variables, not ${
          JSON.stringify(value)
        }`,
      );
    }
    return names;
  }

  #secretValues(name: OptionName): string[] | undefined {
    const setting = this.#settings.get(name);
    if (setting === undefined) return undefined;
    if (setting.value.length === 0) return [];
    const values = this.#valuesOrFile(name, setting);
    if (values?.length !== 0) return values;
    this.warnings.push(`${name}: contains no values and has no effect`);
    return undefined;
  }

  #valuesOrFile(name: OptionName, setting: Setting): string[] | undefined {
    const { value } = setting;
    const read = typeof value === "string"
      ? readValue(value, this.#cwd)
      : undefined;
    if (!read?.isFile) return this.#items(name, setting);
    if ("text" in read) {
      return splitTrimmed(read.text, "\n")
        .filter((line) => !line.startsWith("#"));
    }
    this.#report(name, read.problem);
    return undefined;
  }

  /** Items of a list are kept; a string is split at commas. */
  #items(name: OptionName, { value }: Setting): string[] {
    if (typeof value !== "string") {
      return Object.values(value).filter((item) => item !== "");
    }
    const items = parseList(value);
    if (items !== undefined) return items.filter((item) => item !== "");
    this.#report(
      name,
      "must be a comma-separated list or a JSON list of strings",
    );
    return [];
  }

  #report(key: OptionName, message: string): void {
    const origin = this.#settings.get(key)?.origin;
    this.problems.push({ key, message, origin });
  }
}

function isBuiltIn(type: string): boolean {
  const names: readonly string[] = SOURCE_TYPES;
  return names.includes(type);
}
