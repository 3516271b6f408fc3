import { parseDuration } from "../../src/schema/duration.ts";
import type { Option, OptionType } from "../../src/options/option.ts";
import { OPTION_GROUPS, OPTIONS } from "../../src/options/options.ts";

/** TypeScript types of options. */
const TYPES: Readonly<Record<OptionType & string, string>> = {
  text: "string",
  command: "string | readonly string[]",
  shell: "readonly string[]",
  jobDirectory: "string",
  jobFile: "string",
  boolean: "boolean",
  duration: "number",
  timeLimit: "number",
  list: "readonly string[]",
  variables: "Readonly<Record<string, string>>",
  secretValues: "readonly string[]",
  secretProviders: "string | SecretProviderOptions",
  inheritance: "boolean | readonly string[]",
  plugins: "readonly string[]",
  pluginPermissions: "PluginGrants",
  pipelinePermissions: "readonly string[]",
  sourceType: "SourceType",
};

const HEAD =
  `// Written by \`deno task docs\` from the table of options in src/options/.
import type { SourceType } from "../options/source_options.ts";
import type { SecretProviderOptions } from "./secret_providers.ts";
import type { PluginGrants } from "./text_values.ts";
`;

/**
 * Writes the interfaces of the options that `runJob` takes, with their
 * documentation, from the table of options.
 *
 * @returns Source text.
 */
export function jobOptionsSource(): string {
  const groups = Object.entries(OPTION_GROUPS);
  const top = OPTIONS.filter((option) =>
    "option" in option && !option.option.includes(".")
  );
  return [
    HEAD,
    ...groups.map(([group, doc]) =>
      [
        comment([sentence(doc)]),
        `export interface ${interfaceName(group)} {`,
        ...groupOptions(group).map(([key, option]) => property(key, option)),
        "}\n",
      ].join("\n")
    ),
    comment(["Options of a job."]),
    "export interface JobOptions {",
    ...top.map((option: Option) => property(option.option!, option)),
    ...groups.map(([group, doc]) =>
      `${comment([sentence(doc)])}\n${group}?: ${interfaceName(group)};`
    ),
    "}\n",
  ].join("\n");
}

function groupOptions(group: string): [key: string, option: Option][] {
  const options: readonly Option[] = OPTIONS;
  return options.flatMap((option): [string, Option][] => {
    const [first, key] = option.option?.split(".") ?? [];
    return first === group && key !== undefined ? [[key, option]] : [];
  });
}

function interfaceName(group: string): string {
  return `Job${group[0].toUpperCase()}${group.slice(1)}Options`;
}

function property(key: string, option: Option): string {
  const { type, doc, details } = option;
  const unit = type === "duration" || type === "timeLimit"
    ? ", in milliseconds"
    : "";
  const value = formatDefault(option);
  return comment([
    [sentence(doc + unit), ...details === undefined ? [] : [details]].join(" "),
    ...value === undefined ? [] : [`@default {${value}}`],
  ]) + `\n${key}?: ${formatType(type)};`;
}

function formatType(type: OptionType): string {
  if (typeof type === "string") return TYPES[type];
  return "choices" in type
    ? type.choices.map((word) => JSON.stringify(word)).join(" | ")
    : "number";
}

function formatDefault(option: Option): string | undefined {
  const { type, default: value, defaultText } = option;
  if (defaultText !== undefined) return defaultText;
  if (type === "boolean") return value ?? "false";
  if (value === undefined) return undefined;
  if (type === "inheritance") return value;
  if (type === "duration" || type === "timeLimit") {
    return groupDigits(parseDuration(value)!);
  }
  if (type === "list") {
    return JSON.stringify(value === "" ? [] : value.split(","));
  }
  return typeof type === "object" && "minimum" in type
    ? groupDigits(Number(value))
    : JSON.stringify(value);
}

function groupDigits(value: number): string {
  return value.toLocaleString("en").replaceAll(",", "_");
}

/** Formats literal values as code, as in the rest of the documentation. */
function sentence(text: string): string {
  return `${text}.`.replaceAll(
    /(?<![`\w/.*])(?:\/job(?:\/\w+)*|\.gitignore|plugin_\*\.\w+|sha256:HEX|blob:none)(?![\w/*])/g,
    "`$&`",
  );
}

/** Wraps a text at 80 characters, because the formatter does not wrap comments. */
function comment(paragraphs: readonly string[]): string {
  const [only] = paragraphs;
  if (paragraphs.length === 1 && only.length <= 70) return `/** ${only} */`;
  const lines = paragraphs.flatMap((paragraph, at) => [
    ...at > 0 ? [""] : [],
    ...paragraph.startsWith("@") ? [paragraph] : wrapText(paragraph),
  ]);
  return ["/**", ...lines.map((line) => ` * ${line}`.trimEnd()), " */"].join(
    "\n",
  );
}

function wrapText(text: string): string[] {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + word.length > 73) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
