import { RunnerError } from "../errors.ts";
import type { Command } from "../process/spawn.ts";

/** Name that engines take for one variable; Podman expands `*`. */
const ENGINE_VARIABLE = /^[^\s=#*\0][^\s=*\0]*$/;

/** Maximum length of an image reference, in characters. */
const MAX_REFERENCE_LENGTH = 1_024;

/** `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, the only form that engines know. */
const REFERENCE =
  /^[a-z0-9][\w.-]*(?::\d{1,5}(?=\/))?(?:\/[a-z0-9][\w.-]*)*(?::\w[\w.-]{0,127})?(?:@[a-z][\w.+-]*:[0-9a-f]{32,128})?$/i;

/** A file or directory of this machine that a container sees. */
export interface Mount {
  /** Absolute path outside. */
  readonly source: string;
  /** Absolute path inside. */
  readonly target: string;
  /**
   * Whether the container cannot write there.
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
}

/** How a job runs in a container. */
export interface ContainerSpec {
  /** Name of the container. */
  readonly name: string;
  /** Image reference, checked with {@linkcode imageProblem}. */
  readonly image: string;
  /** Text for `/bin/sh`, or a program and its arguments. */
  readonly command: Command;
  /** `UID:GID`, as numbers. */
  readonly user: string;
  /** Absolute path inside of the directory in which the command runs. */
  readonly directory: string;
  /** What it sees of this machine. */
  readonly mounts: readonly Mount[];
  /** Options of the engine that only this container gets. */
  readonly options: readonly string[];
}

/**
 * Builds the arguments of an engine that creates or runs a container for a job:
 * no capabilities, no way to gain any, and no files but those mounted.
 *
 * @param verb Command of the engine: `create`, or `run` to start it at once.
 * @param spec The container.
 * @returns Arguments of the engine.
 */
export function containerArguments(
  verb: "create" | "run",
  spec: ContainerSpec,
): string[] {
  const { command } = spec;
  return [
    verb,
    "--rm",
    `--name=${spec.name}`,
    `--user=${spec.user}`,
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--entrypoint=",
    `--workdir=${spec.directory}`,
    ...spec.mounts.map(mountOption),
    ...spec.options,
    spec.image,
    ...typeof command === "string" ? ["/bin/sh", "-c", command] : command,
  ];
}

/**
 * Checks whether an engine reads a name as that of one variable.
 *
 * @param name Name of a variable.
 */
export function isEngineVariable(name: string): boolean {
  return ENGINE_VARIABLE.test(name);
}

/**
 * Checks an image reference before an engine gets it as an argument: one that
 * starts with a dash would be an option, and could mount the whole machine.
 *
 * @param image Image reference.
 * @returns What is wrong with it; `undefined` if nothing is.
 */
export function imageProblem(image: string): string | undefined {
  return image.length <= MAX_REFERENCE_LENGTH && REFERENCE.test(image)
    ? undefined
    : "not an image reference";
}

/**
 * Writes the option that mounts a file or directory.
 *
 * Engines read its value as a line of CSV, in which a path may contain any
 * character. `--volume` splits at colons, which cannot be escaped.
 */
function mountOption({ source, target, readOnly = false }: Mount): string {
  const fields = [
    "type=bind",
    `source=${source}`,
    `target=${target}`,
    ...readOnly ? ["readonly"] : [],
  ];
  return `--mount=${fields.map(quoted).join(",")}`;
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Maximum length of a line, in characters: readers of engines give up at 64 KiB. */
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
