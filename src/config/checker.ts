import { booleanProblem, isNearlyBoolean, parseBoolean } from "../boolean.ts";
import { jobPathProblem, normalizeJobPath } from "../job_path.ts";
import { durationProblem, parseDuration } from "./duration.ts";
import type { ConfigProblem, SourceConfig } from "./job_config.ts";
import { parseJobEnv, VARIABLE_NAME } from "./job_env.ts";
import {
  findOption,
  type OptionName,
  type OptionNameOf,
  type OptionRow,
} from "../options/options.ts";
import { SOURCE_TYPES } from "../options/source_options.ts";
import { parseList, splitTrimmed } from "./list.ts";
import type { Setting, Settings } from "./settings.ts";
import { readValue } from "./value_file.ts";

/** Least and greatest value of a number. */
type Range = { minimum: number; maximum: number };

type Choices = { readonly choices: readonly string[] };

/** The words that an option may hold. */
type ChoiceOf<Name extends OptionName> = Extract<
  OptionRow,
  { name: Name; type: Choices }
>["type"]["choices"][number];

/** Name of any type of sources, also of one that code registers; a worker may set none. */
export const SOURCE_TYPE = /^([a-z][a-z0-9_-]{0,62})?$/;

/** Reads settings one by one and gathers what is wrong with them. */
export class Checker {
  readonly #settings: Settings;
  readonly #problems: ConfigProblem[];
  readonly #sourceTypes: readonly string[] | "any";
  readonly #warnings: string[] = [];

  constructor(
    settings: Settings,
    problems: ConfigProblem[],
    sourceTypes: readonly string[] | "any",
  ) {
    this.#settings = settings;
    this.#problems = problems;
    this.#sourceTypes = sourceTypes;
  }

  /** What is unusual about the settings, though not wrong. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  command(): string | readonly string[] {
    const value = this.#settings.get("job_command")?.value;
    if (value === undefined) this.#report("job_command", "is required");
    else if (
      typeof value === "string" ? value.trim() === "" : !Object.values(value)[0]
    ) {
      this.#report("job_command", "must not be empty");
    } else if ([value].flat().some((part) => String(part).includes("\0"))) {
      this.#report("job_command", "must not contain a NUL character");
    }
    return value as string | readonly string[];
  }

  text(key: OptionName): string {
    const value = this.#settings.get(key)?.value ?? "";
    return typeof value === "string" ? value : Object.values(value).join(",");
  }

  optional(key: OptionName): string | undefined {
    return this.text(key) || undefined;
  }

  jobPath(key: OptionName): string {
    const path = this.text(key);
    const problem = jobPathProblem(path);
    if (path === "") this.#report(key, "must not be empty");
    else if (problem === undefined) return normalizeJobPath(path);
    else this.#report(key, `${problem}, not ${JSON.stringify(path)}`);
    return path;
  }

  choice<Name extends OptionNameOf<Choices>>(key: Name): ChoiceOf<Name> {
    const { choices } = findOption(key)!.type as Choices;
    return this.#oneOf(key, choices) as ChoiceOf<Name>;
  }

  #oneOf(key: OptionName, choices: readonly string[]): string {
    const text = this.text(key);
    if (!choices.includes(text)) {
      const allowed = choices.map((one) => `"${one}"`).join(" or ");
      this.#report(key, `must be ${allowed}, not ${JSON.stringify(text)}`);
    }
    return text;
  }

  integer(key: OptionName): number | undefined {
    const text = this.text(key);
    // A worker sets the variable to nothing when nobody said anything.
    if (text === "") return undefined;
    const { minimum, maximum } = findOption(key)!.type as Range;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= minimum && value <= maximum) return value;
    this.#report(
      key,
      `must be a whole number from ${minimum} to ${maximum}, not ${
        JSON.stringify(text)
      }`,
    );
    return undefined;
  }

  /** A variable that is empty says nothing. */
  isOn(key: OptionNameOf<"boolean">): boolean {
    const text = this.text(key);
    const isOn = parseBoolean(text);
    if (isOn === undefined && text !== "") {
      this.#report(key, booleanProblem(text));
    }
    return isOn ?? false;
  }

  duration(key: OptionName): number {
    const text = this.text(key);
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    this.#report(key, durationProblem(text));
    return 0;
  }

  source(prefix: "" | "ci_"): SourceConfig {
    const key = `${prefix}source_type` as const;
    // A worker sets the variable to nothing when the job has no source.
    if (this.text(key) === "") return { type: "none" };
    const given = this.text(key);
    const isOwn = this.#sourceTypes === "any"
      ? SOURCE_TYPE.test(given) && !isBuiltIn(given)
      : this.#sourceTypes.includes(given);
    const type = isOwn ? given : this.#oneOf(key, SOURCE_TYPES);
    if (type === "none") return { type };
    const url = this.text(`${prefix}source_url`);
    if (url === "" && isBuiltIn(type)) {
      this.#report(`${prefix}source_url`, `is required for ${key} "${type}"`);
    }
    const ref = this.optional(`${prefix}source_ref`);
    return { type, url, ...ref === undefined ? {} : { ref } };
  }

  jobEnv(cwd: string): Record<string, string> {
    const merged: Record<string, string> = Object.create(null);
    for (const setting of this.#settings.all("job_env")) {
      const { env, problems } = parseJobEnv(setting, cwd);
      for (const message of problems) {
        this.#problems.push({
          key: "job_env",
          message,
          origin: setting.origin,
        });
      }
      Object.assign(merged, env);
    }
    return merged;
  }

  list(key: OptionName): string[] | undefined {
    const setting = this.#settings.get(key);
    return setting && this.#items(key, setting);
  }

  /** No source takes a name off the list of another. */
  unitedNames(key: OptionName): string[] | undefined {
    const settings = this.#settings.all(key);
    const names = settings.flatMap((setting) => this.#items(key, setting));
    // To list nothing is to say that nothing is secret; commas alone say less.
    const isSaid = names.length > 0 ||
      settings.some(({ value }) => value.length === 0);
    return isSaid ? [...new Set(names)] : undefined;
  }

  names(key: OptionName): string[] | undefined {
    const names = this.list(key);
    return names?.length ? names : undefined;
  }

  inheritance(): boolean | readonly string[] {
    const value = this.#settings.get("inherit_env")?.value ?? "true";
    const isInherited = typeof value === "string"
      ? parseBoolean(value)
      : undefined;
    if (isInherited !== undefined) return isInherited;
    const names = this.list("inherit_env") ?? [];
    const isWrong = value === "" || isNearlyBoolean(String(value)) ||
      names.some((name) => !VARIABLE_NAME.test(name));
    if (isWrong) {
      this.#report(
        "inherit_env",
        `must be true, false or names of variables, not ${
          JSON.stringify(value)
        }`,
      );
    }
    return names;
  }

  secretValues(cwd: string): string[] | undefined {
    const setting = this.#settings.get("secret_values_list");
    if (setting === undefined) return undefined;
    const { value } = setting;
    if (value.length === 0) return [];
    const values = this.#secretValues(setting, cwd);
    if (values?.length !== 0) return values;
    this.#warnings.push(
      "secret_values_list: holds no value, and so changes nothing",
    );
    return undefined;
  }

  #secretValues(setting: Setting, cwd: string): string[] | undefined {
    const { value } = setting;
    const read = typeof value === "string" ? readValue(value, cwd) : undefined;
    if (!read?.isFile) return this.#items("secret_values_list", setting);
    if ("text" in read) {
      return splitTrimmed(read.text, "\n")
        .filter((line) => !line.startsWith("#"));
    }
    this.#report("secret_values_list", read.problem);
    return undefined;
  }

  /** An item of a list stays one item; a text is divided at its commas. */
  #items(key: OptionName, { value }: Setting): string[] {
    if (typeof value !== "string") {
      return Object.values(value).filter((item) => item !== "");
    }
    const items = parseList(value);
    if (items !== undefined) return items.filter((item) => item !== "");
    this.#report(
      key,
      "must be items with commas between them, or a JSON list of strings",
    );
    return [];
  }

  #report(key: OptionName, message: string): void {
    const origin = this.#settings.get(key)?.origin;
    this.#problems.push({ key, message, origin });
  }
}

function isBuiltIn(type: string): boolean {
  const names: readonly string[] = SOURCE_TYPES;
  return names.includes(type);
}
