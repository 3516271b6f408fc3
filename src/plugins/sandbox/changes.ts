import type { StepConfig } from "../../config/step_config.ts";
import type { PluginContext } from "../plugin.ts";
import { deniedText } from "../rights/denied.ts";
import {
  mayUse,
  type PluginPermissions,
  type RightKind,
} from "../rights/rights.ts";
import { stepProblem } from "./step_problem.ts";

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

/** Whose changes are judged, and by what. */
export interface ChangesOptions {
  /** Name under which rights are granted to the plugin. */
  readonly name: string;
  /** Rights of the plugin. */
  readonly rights: PluginPermissions;
}

/**
 * Makes the changes that a plugin asks for, all of them or none.
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
  throw new TypeError(deniedText(name, { kind, value }));
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
