import { type StepConfig, stepNameProblem } from "../../config/step_config.ts";
import { messageOf } from "../../errors.ts";
import { jobPathProblem } from "../../job_path.ts";
import { parseCondition } from "../../schema/scalars.ts";
import { whenProblem } from "../../schema/when.ts";
import {
  DeniedError,
  mayUse,
  type PermissionKind,
  type PluginPermissions,
} from "../permissions/plugin_permissions.ts";
import type { PluginContext } from "../plugin.ts";

/** Settings that plugins cannot change, because they define permissions. */
const FIXED: ReadonlySet<string> = new Set([
  "plugin_dir",
  "plugins",
  "plugin_permissions",
  "trust_plugins",
]);

/** Valid name of a variable. */
const VARIABLE = /^[^=\0]+$/;

type Fields = Readonly<Record<string, unknown>>;

/** Changes that a plugin in another process requests when a call ends. */
export interface PluginChanges {
  /** Variables of the job to set; `null` removes one. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Settings to change, as text. */
  readonly config?: Readonly<Record<string, string>>;
  /** Values to share with other plugins. */
  readonly shared?: Readonly<Record<string, unknown>>;
  /** Keys of shared values to remove. */
  readonly unshared?: readonly string[];
  /** Steps to add to the job. */
  readonly steps?: readonly StepConfig[];
}

/** Options for {@linkcode applyChanges}. */
export interface ChangesOptions {
  /** Name under which the plugin is granted permissions. */
  readonly name: string;
  /** Permissions of the plugin. */
  readonly permissions: PluginPermissions;
}

/**
 * Applies the changes that a plugin requests, all of them or none.
 *
 * @param changes Changes from the plugin's process, not validated yet.
 * @param context Context to change.
 * @param options Name and permissions of the plugin.
 * @throws {TypeError} If a change is invalid or not permitted.
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
  // Changes that can still be rejected come first.
  for (const [name, value] of settings) context.config.set(name, String(value));
  for (const step of added) context.addStep(step);
  for (const [name, value] of variables) {
    if (value === null) delete context.env[name];
    else context.env[name] = String(value);
  }
  for (const [key, value] of checkEntries("shared", shared)) {
    context.shared.set(key, value);
  }
  for (const key of checkList("unshared", unshared)) {
    context.shared.delete(String(key));
  }
}

function checkFields(
  kind: "env" | "config",
  fields: unknown,
  options: ChangesOptions,
): [string, unknown][] {
  const entries = checkEntries(kind, fields);
  for (const [name, value] of entries) {
    requirePermission(kind, name, options);
    const isText = typeof value === "string" && !value.includes("\0");
    const isRemoved = value === null && kind === "env";
    if (!VARIABLE.test(name) || FIXED.has(name) || !(isText || isRemoved)) {
      throw new TypeError(
        `it cannot set ${kind} "${name}" to the requested value`,
      );
    }
  }
  return entries;
}

function checkSteps(steps: unknown, options: ChangesOptions): StepConfig[] {
  return checkList("steps", steps).map((step) => {
    const problem = stepProblem(step);
    if (problem !== undefined) {
      throw new TypeError(`it cannot add a step: ${problem}`);
    }
    requirePermission("steps", (step as StepConfig).name, options);
    return step as StepConfig;
  });
}

function requirePermission(
  kind: PermissionKind,
  value: string,
  { name, permissions }: ChangesOptions,
): void {
  if (mayUse(permissions, kind, value)) return;
  throw new DeniedError(name, { kind, value });
}

function checkEntries(what: string, fields: unknown): [string, unknown][] {
  if (fields === undefined) return [];
  const isObject = typeof fields === "object" && fields !== null &&
    !Array.isArray(fields);
  if (isObject) return Object.entries(fields);
  throw new TypeError(`it sent changes of "${what}" that are not an object`);
}

function checkList(what: string, list: unknown): unknown[] {
  if (list === undefined) return [];
  if (Array.isArray(list)) return list;
  throw new TypeError(`it sent changes of "${what}" that are not a list`);
}

/** Settings that may contain secrets that are not registered yet. */
const HIDDEN: ReadonlySet<string> = new Set([
  "job_env",
  "secret_values_list",
  "secrets_file",
]);

/** Context of a sandboxed plugin, reduced to what the plugin may see. */
export interface CallContext {
  /** Settings by name, with secrets masked. */
  readonly config: Readonly<Record<string, string>>;
  /** Variables of the job that the plugin may see. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the workspace. */
  readonly jobPath: string;
  /** Absolute path of the source, once it has been prepared. */
  readonly sourcePath: string | undefined;
  /** Absolute path of the trusted CI code, once it has been prepared. */
  readonly ciSourcePath: string | undefined;
  /** Exit code of the job's command, or `null` until it exits. */
  readonly exitCode: number | null;
  /** First error of the job, with secrets masked. */
  readonly error: { readonly name: string; readonly message: string } | null;
  /** Values that plugins share, as far as JSON can represent them. */
  readonly shared: Readonly<Record<string, unknown>>;
}

/** Options for {@linkcode createCallContext}. */
export interface CallContextOptions {
  /** Checks whether the plugin sees a variable of the job. */
  readonly sees: (variable: string) => boolean;
  /** Masks secrets in a text. */
  readonly maskText: (text: string) => string;
}

/**
 * Reduces a context to what a sandboxed plugin may see.
 *
 * @param context Context of plugins in this process.
 * @param options Visible variables and masking.
 * @returns Data that JSON can represent.
 */
export function createCallContext(
  context: PluginContext,
  { sees, maskText }: CallContextOptions,
): CallContext {
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

/** Removes credentials from URLs; they may not be registered as secrets yet. */
function withoutLogin(text: string): string {
  return text.replace(/:\/\/[^/@\s]*@/g, "://");
}

function isJson([, value]: [string, unknown]): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    // Such as a cycle: only plugins in this process see it.
    return false;
  }
}

/** Validates the fields of a step that a plugin may set. */
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: isText,
  run: (value) => isText(value) && value !== "" || isWords(value),
  dependsOn: isTexts,
  condition: (value) => parseCondition(value) !== undefined,
  when: (value) => whenProblem(value) === undefined,
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
 * Validates a step from another process.
 *
 * @param step Value to validate.
 * @returns The problem; `undefined` if the step is valid.
 */
export function stepProblem(step: unknown): string | undefined {
  if (typeof step !== "object" || step === null) return "it is not an object";
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
      return `step "${name}" has an invalid "${field}"`;
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
