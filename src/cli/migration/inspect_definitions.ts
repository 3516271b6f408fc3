import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
} from "yaml";
import { RunnerError } from "../../errors.ts";
import { OWN_DIRECTORY } from "../../job_path.ts";
import type { JobDefinition } from "../../workflow/definition/definition.ts";
import {
  jobDefinition,
  readBaseJobFile,
  type ReadDefinitionOptions,
  readJobDefinition,
} from "../../workflow/definition/job_definition.ts";
import { readWorkflow } from "../../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import {
  describeJobs,
  type Inspection,
  isDefinition,
  type MigrationFinding,
} from "./inspection.ts";
import { isOldImage } from "./python_runner.ts";
import { findShellCommands } from "./shell_commands.ts";
import { checkCommands } from "./text_rules.ts";
import type { TreeFile, UntrustedTree } from "./untrusted_tree.ts";

/** Definition files of a repository. */
export interface Definitions {
  /** Contents of job and workflow files, by path. */
  readonly texts: ReadonlyMap<string, DefinitionText>;
  /** Job files outside the CI folder. */
  readonly otherFiles: readonly TreeFile[];
}

/**
 * Reads job and workflow files, and other job files that they refer to.
 *
 * @param files Files of the CI folder of the tree.
 */
export async function readDefinitions(
  tree: UntrustedTree,
  files: readonly TreeFile[],
): Promise<Definitions> {
  const texts = new Map<string, DefinitionText>();
  const otherFiles: TreeFile[] = [];
  for (const { path, text } of files) {
    if (isDefinition(path)) texts.set(path, readDefinitionText(text));
  }
  for (const { jobFiles } of [...texts.values()]) {
    for (const jobFile of jobFiles) {
      const path = jobFile.split("/").filter((part) =>
        part !== "" && part !== "."
      ).join("/");
      if (jobFile.startsWith("/") || !await tree.hasFile(path)) continue;
      if (path.startsWith(`${OWN_DIRECTORY}/`) || texts.has(path)) continue;
      const file = await tree.read(path);
      if (file === undefined) continue;
      otherFiles.push(file);
      texts.set(path, readDefinitionText(file.text));
    }
  }
  return { texts, otherFiles };
}

/**
 * Reads the definitions as for an event.
 *
 * @param root Absolute path of a copy without links.
 * @param findings Receives the problems of invalid definitions.
 * @returns The jobs, with all overrides applied.
 */
export async function loadJobs(
  root: string,
  findings: MigrationFinding[],
): Promise<JobDefinition[]> {
  const { workflows, jobs: jobFiles } = await findDefinitions(root);
  const jobs: JobDefinition[] = [];
  const reported = new Set<string>();
  const add = (
    file: string,
    message: string,
    state: MigrationFinding["state"],
  ) => {
    for (const finding of splitProblems(file, message, state)) {
      const { file, line, change } = finding;
      const key = JSON.stringify([file, line, change]);
      if (!reported.has(key)) findings.push(finding);
      reported.add(key);
    }
  };
  const attempt = async (
    file: string,
    read: (options: ReadDefinitionOptions) => Promise<unknown>,
  ) => {
    try {
      await read({ onWarning: (warning) => add(file, warning, "note") });
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      add(file, error.message, "needed");
    }
  };
  for (const file of workflows) {
    await attempt(file, async (options) => {
      jobs.push(...(await readWorkflow(root, file, options)).jobs);
    });
  }
  for (const file of jobFiles) {
    await attempt(file, async (options) => {
      if (workflows.length === 0) {
        jobs.push((await readJobDefinition(root, file, options)).job);
        return;
      }
      const { name = "", job } = await readBaseJobFile(root, file, options);
      const isUsed = jobs.some(({ body }) => body.command === job.command);
      if (!isUsed) jobs.push(jobDefinition(name, job));
    });
  }
  return jobs;
}

/** Splits an error by position; one without a position is about the whole file. */
function splitProblems(
  file: string,
  message: string,
  state: MigrationFinding["state"],
): MigrationFinding[] {
  const places = message.split("\n").flatMap((line): MigrationFinding[] => {
    const [, path, number, problem] = /^(.+?):(\d+):\d+: (.*)$/.exec(line) ??
      [];
    if (path === undefined) return [];
    return [{
      file: path,
      line: Number(number),
      kind: "definition",
      state,
      change: problem,
    }];
  });
  if (places.length > 0) return places;
  const [first] = message.split("\n");
  return [{ file, kind: "definition", state, change: first }];
}

/** Checks the contents of a definition. */
export async function inspectDefinition(
  context: Inspection,
  file: string,
  { commands, values, images }: DefinitionText,
): Promise<void> {
  const { findings } = context;
  for (const { key, line, before, after, fix } of values) {
    findings.push({
      file,
      line,
      kind: "value",
      state: "needed",
      change: `${key} is now ${JSON.stringify(after)} instead of ${
        JSON.stringify(before)
      }. To keep the old value, write:`,
      fix,
    });
  }
  for (const { text, line } of images) {
    if (!isOldImage(text)) continue;
    findings.push({
      file,
      line,
      kind: "image",
      state: "note",
      change:
        `the job runs in "${text}": push the new image under this name, or change the name`,
    });
  }
  for (const { text, line } of commands) {
    const check = {
      file,
      commands: findShellCommands(text, line),
      traits: describeJobs(context, text),
      isDefinition: true,
    };
    findings.push(...await checkCommands(check, context));
  }
}

/** A shell command in a definition. */
export interface DefinedCommand {
  /** Text of the command. */
  readonly text: string;
  /** Number of its first line. */
  readonly line: number;
}

/** A value that YAML 1.1 and the runner parse differently. */
export interface DefinedValue {
  /** Key of the value, or of the list that contains it. */
  readonly key: string;
  /** Number of the line. */
  readonly line: number;
  /** Value in the Python runner. */
  readonly before: string;
  /** Value in this runner. */
  readonly after: string;
  /** Line that restores the old value. */
  readonly fix: string;
}

/** Contents of a job or workflow file that matter for a migration. */
export interface DefinitionText {
  /** Shell commands. */
  readonly commands: readonly DefinedCommand[];
  /** Values that change. */
  readonly values: readonly DefinedValue[];
  /** Images of jobs. */
  readonly images: readonly DefinedCommand[];
  /** Paths of job files that entries refer to. */
  readonly jobFiles: readonly string[];
  /** Variables that contain a secret from the store. */
  readonly secretNames: readonly string[];
}

/** Keys that contain shell commands. */
const COMMAND_KEYS = new Set(["command", "job_command", "run"]);

/**
 * Extracts the contents of a job or workflow file that matter for a migration.
 * Invalid YAML is skipped: it is reported when definitions are read.
 */
function readDefinitionText(text: string): DefinitionText {
  const found = {
    commands: [] as DefinedCommand[],
    values: [] as DefinedValue[],
    images: [] as DefinedCommand[],
    jobFiles: [] as string[],
    secretNames: [] as string[],
  };
  const lineCounter = new LineCounter();
  let document: Document;
  try {
    document = parseDocument(text, { lineCounter, uniqueKeys: false });
  } catch {
    // The nesting is too deep for the parser.
    return found;
  }
  const getLine = (node: Node) =>
    lineCounter.linePos(node.range?.[0] ?? 0).line;
  const stack: unknown[] = [document.contents];
  while (stack.length > 0) {
    const node = stack.pop();
    if (isSeq(node)) stack.push(...node.items.toReversed());
    if (!isMap(node)) continue;
    for (const { key, value } of node.items as Pair[]) {
      const name = isScalar(key) ? String(key.value) : "";
      if (name === "environment" || name === "env") {
        readEnvironment(value, { document, found, getLine });
        continue;
      }
      if (name === "vars") readJson(value, name, found.values, getLine, "vars");
      if (name === "for_each") {
        readJson(value, name, found.values, getLine, "item");
      }
      if (isScalar(value) && typeof value.value === "string") {
        if (COMMAND_KEYS.has(name)) {
          found.commands.push(createCommand(value, getLine(value)));
        } else if (name === "image" || name === "container_image") {
          found.images.push({ text: value.value, line: getLine(value) });
        } else if (name === "job_file") {
          found.jobFiles.push(value.value);
        }
      }
      stack.push(value);
    }
  }
  return found;
}

/** The text of a block scalar begins on the line after its header. */
function createCommand(node: Scalar, line: number): DefinedCommand {
  const isBlock = node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED";
  return { text: String(node.value), line: isBlock ? line + 1 : line };
}

function readEnvironment(
  node: unknown,
  context: {
    readonly document: Document;
    readonly found: { values: DefinedValue[]; secretNames: string[] };
    readonly getLine: (node: Node) => number;
  },
  visited: Set<unknown> = new Set(),
): void {
  const { document, found, getLine } = context;
  const mapping = isAlias(node) ? node.resolve(document) : node;
  if (visited.has(mapping)) return;
  visited.add(mapping);
  if (isSeq(mapping)) {
    for (const item of mapping.items) readEnvironment(item, context, visited);
  }
  if (!isMap(mapping)) return;
  for (const { key, value: node } of mapping.items as Pair[]) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    if (name === "<<") {
      readEnvironment(node, context, visited);
      continue;
    }
    const value = isAlias(node) ? node.resolve(document) : node;
    if (value === null || !isScalar(value)) continue;
    if (/\$\{secret:/.test(String(value.value))) found.secretNames.push(name);
    if (!isPlain(value)) continue;
    const source = getScalarSource(value);
    const old = parseYaml11(source);
    const after = /^(?:~|null|Null|NULL)$/.test(source) ? "" : source;
    if (old === undefined || old.text === after) continue;
    found.values.push({
      key: name,
      line: getLine(key as Node),
      before: old.text,
      after,
      fix: `${name}: ${JSON.stringify(old.text)}`,
    });
  }
}

/** Reads JSON values: variables of a workflow, or items of `for_each`. */
function readJson(
  node: unknown,
  key: string,
  values: DefinedValue[],
  getLine: (node: Node) => number,
  kind: "vars" | "item",
): void {
  const stack: { key: string; node: unknown }[] = [{ key, node }];
  while (stack.length > 0) {
    const { key, node } = stack.pop()!;
    if (isSeq(node)) {
      stack.push(
        ...node.items.map((item) => ({ key, node: item })).toReversed(),
      );
    } else if (isMap(node)) {
      stack.push(
        ...(node.items as Pair[]).map((pair) => ({
          key: String(isScalar(pair.key) ? pair.key.value : key),
          node: pair.value,
        })).toReversed(),
      );
    } else if (isScalar(node) && isPlain(node)) {
      const difference = compareJson(node, kind);
      if (difference === undefined) continue;
      values.push({
        key,
        line: getLine(node),
        ...difference,
        fix: kind === "item"
          ? `- ${JSON.stringify(difference.before)}`
          : `${key}: ${difference.before}`,
      });
    }
  }
}

function compareJson(
  node: Scalar,
  kind: "vars" | "item",
): { before: string; after: string } | undefined {
  const source = getScalarSource(node);
  const old = parseYaml11(source);
  if (old === undefined || old.json === undefined) return undefined;
  if (kind === "item") {
    const before = formatGoNumber(old.json);
    const after = source === "" || source === "~" ? "null" : source;
    return before.toLowerCase() === after.toLowerCase()
      ? undefined
      : { before, after };
  }
  const now = node.value;
  const isSame = typeof now === "number"
    ? now === Number(old.json)
    : JSON.stringify(now ?? null) === old.json;
  return isSame
    ? undefined
    : { before: old.json, after: JSON.stringify(now ?? null) };
}

/** Formats a number as the coordinator does in variables. */
function formatGoNumber(json: string): string {
  const value = Number(json);
  if (json === "true" || json === "false" || json === "null") return json;
  const [mantissa, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6 || value === 0) return `${value}`;
  const digits = `${Math.abs(power)}`.padStart(2, "0");
  return `${mantissa}e${power < 0 ? "-" : "+"}${digits}`;
}

function isPlain(node: Scalar): boolean {
  return (node.type === "PLAIN" || node.type === undefined) &&
    node.tag === undefined;
}

function getScalarSource(node: Scalar): string {
  return node.source ?? (node.value === null ? "" : String(node.value));
}

/**
 * A scalar as the Python runner parses it: as YAML 1.1, with the value formatted
 * as Python does.
 */
interface Yaml11Value {
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
export function parseYaml11(source: string): Yaml11Value | undefined {
  if (source.length > MAX_LENGTH) return undefined;
  if (BOOLEAN.test(source)) {
    const isTrue = BOOLEAN.exec(source)![1] !== undefined;
    return { text: isTrue ? "True" : "False", json: `${isTrue}` };
  }
  if (NULL.test(source)) return { text: "None", json: "null" };
  if (INTEGER.test(source)) {
    const text = parseYaml11Integer(source);
    return { text, json: text };
  }
  if (FLOAT.test(source)) {
    const value = parseYaml11Float(source);
    return { text: formatPythonFloat(value), json: formatPythonFloat(value) };
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
    : { text: formatPythonTime(time), json: undefined };
}

function parseYaml11Integer(source: string): string {
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

function parseYaml11Float(source: string): number {
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
function formatPythonFloat(value: number): string {
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

function formatPythonTime(match: RegExpExecArray): string {
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
