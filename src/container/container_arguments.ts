import { RunnerError } from "../errors.ts";
import type { Command } from "../process/spawn.ts";

/** User and group of a container. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
}

/** User and group of a job in its container, unless it sets them: as on a worker. */
export const RUNNER_USER: ContainerUser = { uid: 1001, gid: 1001 };

/** Maximum ID of a user or a group that engines and Kubernetes accept. */
const MAX_USER_ID = 2 ** 31 - 1;

/**
 * Parses the user of a job.
 *
 * @param text `runner`, `root` or `uid[:gid]`. The group is that of the same number
 * by default.
 * @returns `undefined` if it is none of these.
 */
export function parseUser(text: string): ContainerUser | undefined {
  if (text === "runner") return RUNNER_USER;
  if (text === "root") return { uid: 0, gid: 0 };
  const [, uid, gid = uid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text) ?? [];
  if (uid === undefined) return undefined;
  const user = { uid: Number(uid), gid: Number(gid) };
  return Math.max(user.uid, user.gid) <= MAX_USER_ID ? user : undefined;
}

/** Variable names that engines accept; Podman expands `*`. */
const ENGINE_VARIABLE = /^[^\s=#*\0][^\s=*\0]*$/;

/** Maximum length of an image reference, in characters. */
const MAX_REFERENCE_LENGTH = 1_024;

/** `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, the only form that engines accept. */
const REFERENCE =
  /^[a-z0-9][\w.-]*(?::\d{1,5}(?=\/))?(?:\/[a-z0-9][\w.-]*)*(?::\w[\w.-]{0,127})?(?:@[a-z][\w.+-]*:[0-9a-f]{32,128})?$/i;

/** A file or directory of the host that is mounted into a container. */
export interface Mount {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  /**
   * Whether the mount is read-only.
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
}

/** Settings of a job's container. */
export interface ContainerSpec {
  /** Name of the container. */
  readonly name: string;
  /** Image reference, validated with {@linkcode imageProblem}. */
  readonly image: string;
  /** Text for `/bin/sh`, or a program and its arguments. */
  readonly command: Command;
  /** `UID:GID`, as numbers. */
  readonly user: string;
  /** Absolute path of the working directory in the container. */
  readonly directory: string;
  /** Files and directories of the host. */
  readonly mounts: readonly Mount[];
  /** Additional options of the engine. */
  readonly options: readonly string[];
}

/**
 * Returns the arguments with which an engine creates or runs the container of a
 * job: without capabilities, without a way to gain privileges, and without
 * access to other files.
 *
 * @param verb Command of the engine: `create`, or `run` to start it
 * immediately.
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
    ...spec.mounts.map(formatMount),
    ...spec.options,
    spec.image,
    ...typeof command === "string" ? ["/bin/sh", "-c", command] : command,
  ];
}

/** Checks whether an engine accepts a name as the name of one variable. */
export function isEngineVariable(name: string): boolean {
  return ENGINE_VARIABLE.test(name);
}

/**
 * Validates an image reference, which becomes an argument of the engine. A
 * reference that starts with a dash would be an option, which could mount the
 * entire host.
 *
 * @returns The problem; `undefined` if there is none.
 */
export function imageProblem(image: string): string | undefined {
  return image.length <= MAX_REFERENCE_LENGTH && REFERENCE.test(image)
    ? undefined
    : "not an image reference";
}

/**
 * Formats the option that mounts a file or directory.
 *
 * Engines parse its value as CSV, in which a path may contain any character.
 * `--volume` splits at colons, which cannot be escaped.
 */
function formatMount({ source, target, readOnly = false }: Mount): string {
  const fields = [
    "type=bind",
    `source=${source}`,
    `target=${target}`,
    ...readOnly ? ["readonly"] : [],
  ];
  return `--mount=${fields.map(quoteField).join(",")}`;
}

function quoteField(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Maximum length of a line, in characters. Engines fail at 64 KiB. */
const MAX_LINE_LENGTH = 16 * 1_024;

/** How variables are passed to a container. */
export interface PassedVariables {
  /** Content of an env-file. */
  readonly file: string;
  /**
   * Variables that an env-file cannot contain. The engine takes them from its
   * own environment.
   */
  readonly direct: Readonly<Record<string, string>>;
}

/** Names that the file of every version of Podman may contain. */
const FILE_NAME = /^[\w.-]+$/;

/**
 * Values that some versions of Podman change in a file: they remove comments,
 * read quoted values over several lines, and replace empty values with
 * variables of Podman.
 */
const CHANGED_BY_PODMAN = /^$|^\s*["'`]|#/;

/**
 * Divides variables between an env-file, which supports neither quotes nor line
 * breaks, and the environment of the engine. No value becomes an argument,
 * which every user of the machine could read.
 *
 * @param engine Engine, whose environment must not change.
 * @throws {RunnerError} `invalid-config`, if a variable can be passed neither
 * way.
 */
export function passVariables(
  variables: Readonly<Record<string, string>>,
  engine: PassingEngine,
): PassedVariables {
  const { env, isPodman } = engine;
  const lines: string[] = [];
  const direct: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (!isEngineVariable(name)) {
      throw passError(name, "container engines do not accept this name");
    }
    const line = `${name}=${value}`;
    const isChanged = isPodman &&
      (!FILE_NAME.test(name) || CHANGED_BY_PODMAN.test(value));
    if (
      !isChanged && !/[\r\n]/.test(value) && line.length <= MAX_LINE_LENGTH
    ) {
      lines.push(line);
    } else if (Object.hasOwn(env, name) && env[name] !== value) {
      throw passError(name, "the engine itself uses a variable of this name");
    } else direct[name] = value;
  }
  return { file: lines.map((line) => `${line}\n`).join(""), direct };
}

/** The engine to which variables are passed. */
export interface PassingEngine {
  /** Environment of the engine. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it is Podman. */
  readonly isPodman: boolean;
}

function passError(name: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot pass variable "${name}" to a container: ${reason}`,
    { code: "invalid-config" },
  );
}
