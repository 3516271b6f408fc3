import { RunnerError } from "../../errors.ts";
import { isEngineVariable } from "./engine_values.ts";

/** Longest line, in characters: readers of engines give up at 64 KiB. */
const MAX_LINE_LENGTH = 16 * 1_024;

/** How variables reach a container. */
export interface PassedVariables {
  /** Content of an env-file. */
  readonly file: string;
  /** Variables that no env-file can hold: the engine takes them from its own environment. */
  readonly direct: Readonly<Record<string, string>>;
}

/**
 * Divides variables between an env-file, which knows no quotes and so no line
 * breaks, and the environment of the engine. No value becomes an argument,
 * which every user of the machine could read.
 *
 * @param variables Variables of the container.
 * @param engineEnv Environment of the engine, which must stay what it is.
 * @returns Both parts.
 * @throws {RunnerError} `invalid-config`, if a variable fits in neither.
 */
export function passVariables(
  variables: Readonly<Record<string, string>>,
  engineEnv: Readonly<Record<string, string>>,
): PassedVariables {
  const lines: string[] = [];
  const direct: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (!isEngineVariable(name)) {
      throw unfit(name, "an engine does not take this name");
    }
    const line = `${name}=${value}`;
    if (!/[\r\n]/.test(value) && line.length <= MAX_LINE_LENGTH) {
      lines.push(line);
    } else if (Object.hasOwn(engineEnv, name) && engineEnv[name] !== value) {
      throw unfit(name, "the engine itself has one of this name");
    } else direct[name] = value;
  }
  return { file: lines.map((line) => `${line}\n`).join(""), direct };
}

function unfit(name: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot give variable "${name}" to a container: ${reason}`,
    { code: "invalid-config" },
  );
}
