import { stepNameProblem } from "../../config/step_name.ts";
import { jobPathProblem } from "../../job_path.ts";
import { parseCondition } from "../../schema/condition.ts";

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
 * Tells what is wrong with a step that came from another process.
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
