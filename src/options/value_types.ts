import type { OptionType } from "./option.ts";
import type { OPTION_GROUPS, OptionName, OptionRow } from "./options.ts";

/** Value of an option of a type. */
type ValueOf<Type extends OptionType> = Type extends
  { readonly choices: readonly (infer Word)[] } ? Word
  : Type extends { readonly minimum: number } | "duration" | "timeLimit"
    ? number
  : Type extends "boolean" ? boolean
  : Type extends "variables" ? Readonly<Record<string, string>>
  : Type extends "command" ? string | readonly string[]
  : Type extends "shell" ? readonly string[]
  : Type extends "inheritance" ? boolean | readonly string[]
  : Type extends "text" | "jobDirectory" | "jobFile" | "sourceType" ? string
  : readonly string[];

/** Value of an option; `undefined` if it may be unset and has no default. */
export type OptionValue<Name extends OptionName> = RowValue<
  Extract<OptionRow, { name: Name }>
>;

type RowValue<Row extends OptionRow> = Row extends
  { default: string } | { type: "boolean" | "variables" } ? ValueOf<Row["type"]>
  : ValueOf<Row["type"]> | undefined;

type LibraryRow = Extract<OptionRow, { option: string }>;

/** Values of all options, in the structure of the options of `runJob`. */
export type OptionValues =
  & {
    readonly [
      Row in LibraryRow as Row["option"] extends `${string}.${string}` ? never
        : Row["option"]
    ]: RowValue<Row>;
  }
  & {
    readonly [Group in keyof typeof OPTION_GROUPS]: {
      readonly [
        Row in LibraryRow as Row["option"] extends `${Group}.${infer Key}` ? Key
          : never
      ]: RowValue<Row>;
    };
  };
