import { type StepConfig, stepNameProblem } from "../../config/step_config.ts";
import { messageOf } from "../../errors.ts";
import { jobPathProblem } from "../../job_path.ts";
import { parseCondition } from "../../schema/condition.ts";
import type { PluginContext } from "../plugin.ts";
import {
  DeniedError,
  mayUse,
  type PluginPermissions,
  type RightKind,
} from "../rights/rights.ts";

/** Settings that no plugin changes: they say what plugins are and may do. */
const FIXED: ReadonlySet<string> = new Set([
  "plugin_dir",
  "plugins",
  "plugin_permissions",
  "trust_plugins",
]);

/** A name that a variable can have. */
const VARIABLE = /^[^=\0]+$/;

type Fields = Readonly<Record<string, unknown>>;

/** Whose changes are checked, and against what. */
export interface ChangesOptions {
  /** Name under which rights are granted to the plugin. */
  readonly name: string;
  /** Rights of the plugin. */
  readonly rights: PluginPermissions;
}

/**
 * Creates the changes that a plugin asks for, all of them or none.
 *
 * @param changes What came from its process.
 * @param context What is changed.
 * @param options Whose changes they are.
 * @throws {TypeError} If it may not change that, or it is not what it should be.
 */
export function applyChanges(
  changes: unknown,
  context: PluginContext,
  options: ChangesOptions,
): void {
  const { env, config, shared, unshared, steps } = (changes ?? {}) as Fields;
  const variables = checkFields("env", env, options);
  const settings = checkFields("config", config, options);
  const added = checkSteps(steps, options);
  // What can still be refused goes first.
  for (const [name, value] of settings) context.config.set(name, String(value));
  for (const step of added) context.addStep(step);
  for (const [name, value] of variables) {
    if (value === null) delete context.env[name];
    else context.env[name] = String(value);
  }
  for (const [key, value] of entriesOf("shared", shared)) {
    context.shared.set(key, value);
  }
  for (const key of listOf("unshared", unshared)) {
    context.shared.delete(String(key));
  }
}

function checkFields(
  kind: "env" | "config",
  fields: unknown,
  options: ChangesOptions,
): [string, unknown][] {
  const entries = entriesOf(kind, fields);
  for (const [name, value] of entries) {
    requireRight(kind, name, options);
    const isText = typeof value === "string" && !value.includes("\0");
    const isRemoved = value === null && kind === "env";
    if (!VARIABLE.test(name) || FIXED.has(name) || !(isText || isRemoved)) {
      throw new TypeError(
        `it cannot set ${kind} "${name}" to what it asks for`,
      );
    }
  }
  return entries;
}

function checkSteps(steps: unknown, options: ChangesOptions): StepConfig[] {
  return listOf("steps", steps).map((step) => {
    const problem = stepProblem(step);
    if (problem !== undefined) {
      throw new TypeError(`it cannot add a step: ${problem}`);
    }
    requireRight("steps", (step as StepConfig).name, options);
    return step as StepConfig;
  });
}

function requireRight(
  kind: RightKind,
  value: string,
  { name, rights }: ChangesOptions,
): void {
  if (mayUse(rights, kind, value)) return;
  throw new DeniedError(name, { kind, value });
}

function entriesOf(what: string, fields: unknown): [string, unknown][] {
  if (fields === undefined) return [];
  const isObject = typeof fields === "object" && fields !== null &&
    !Array.isArray(fields);
  if (isObject) return Object.entries(fields);
  throw new TypeError(`it sent changes of "${what}" that are no object`);
}

function listOf(what: string, list: unknown): unknown[] {
  if (list === undefined) return [];
  if (Array.isArray(list)) return list;
  throw new TypeError(`it sent changes of "${what}" that are no list`);
}

/** Settings that may hold secrets before anybody knows which. */
const HIDDEN: ReadonlySet<string> = new Set([
  "job_env",
  "secret_values_list",
  "secrets_file",
]);

/** What a plugin in its own process gets: data, and only what it may know. */
export interface ContextData {
  /** Settings by name, with secrets masked. */
  readonly config: Readonly<Record<string, string>>;
  /** Variables of the job that it may see. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the workspace. */
  readonly jobPath: string;
  /** Absolute path of the source, once it is there. */
  readonly sourcePath: string | undefined;
  /** Absolute path of the trusted CI code, once it is there. */
  readonly ciSourcePath: string | undefined;
  /** Exit code of the job's command, `null` before it ended. */
  readonly exitCode: number | null;
  /** What went wrong first, with secrets masked. */
  readonly error: { readonly name: string; readonly message: string } | null;
  /** What plugins left for one another, as far as JSON can represent it. */
  readonly shared: Readonly<Record<string, unknown>>;
}

/** Options for {@linkcode contextData}. */
export interface ContextDataOptions {
  /** Checks whether the plugin sees a variable of the job. */
  readonly sees: (variable: string) => boolean;
  /** Takes secrets out of a text. */
  readonly maskText: (text: string) => string;
}

/**
 * Takes out of a context what a plugin may know.
 *
 * @param context Context of plugins in this process.
 * @param options What the plugin may know.
 * @returns Data.
 */
export function contextData(
  context: PluginContext,
  { sees, maskText }: ContextDataOptions,
): ContextData {
  const { config, env, error, shared } = context;
  const { jobPath, sourcePath, ciSourcePath, exitCode } = context;
  const settings = config.keys().filter((key) => !HIDDEN.has(key))
    .map((key) => [key, maskText(withoutLogin(config.get(key) ?? ""))]);
  const variables = Object.entries(env)
    .filter(([name]) => sees(name));
  return {
    config: Object.fromEntries(settings),
    env: Object.fromEntries(variables),
    jobPath,
    sourcePath,
    ciSourcePath,
    exitCode,
    error: error === undefined ? null : {
      name: error instanceof Error ? error.name : "Error",
      message: maskText(messageOf(error)),
    },
    shared: Object.fromEntries([...shared].filter(isJson)),
  };
}

/** Masks a password in a URL, which may not be registered yet. */
function withoutLogin(text: string): string {
  return text.replace(/:\/\/[^/@\s]*@/g, "://");
}

function isJson([, value]: [string, unknown]): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    // A cycle, say: it stays among the plugins of this process.
    return false;
  }
}

/** What the fields of a step may be, as far as a plugin may set them. */
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: isText,
  run: (value) => isText(value) && value !== "" || isWords(value),
  dependsOn: isTexts,
  condition: (value) => parseCondition(value) !== undefined,
  env: (value) =>
    typeof value === "object" && value !== null &&
    Object.values(value).every(isText),
  workingDir: (value) =>
    isText(value) &&
    !(value.startsWith("/") && jobPathProblem(value) !== undefined),
  shell: isWords,
  timeoutMs: (value) => Number.isSafeInteger(value) && Number(value) > 0,
  continueOnError: isFlag,
  required: isFlag,
  untrusted: isFlag,
};

/**
 * Returns what is wrong with a step that came from another process.
 *
 * @param step What claims to be a step.
 * @returns The problem; `undefined` if there is none.
 */
export function stepProblem(step: unknown): string | undefined {
  if (typeof step !== "object" || step === null) return "it is no object";
  const { name } = step as Readonly<Record<string, unknown>>;
  if (!isText(name)) return "it has no name";
  const problem = stepNameProblem(name);
  if (problem !== undefined) return `its name ${problem}`;
  if (!("run" in step)) return `step "${name}" has nothing to run`;
  for (const [field, value] of Object.entries(step)) {
    if (!Object.hasOwn(FIELDS, field)) {
      return `step "${name}" has "${field}", which a plugin cannot set`;
    }
    if (!FIELDS[field](value)) {
      return `"${field}" of step "${name}" is not what it should be`;
    }
  }
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isWords(value: unknown): boolean {
  return isTexts(value) && value.length > 0 && value[0] !== "";
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}
