import { list } from "../schema/collections.ts";
import { byShape, mapping, type Schema } from "../schema/combinators.ts";
import { filledText, flag, variableName } from "../schema/scalars.ts";

/**
 * Permissions of a step's commands. The kernel enforces them on Linux; a system
 * that cannot enforce them runs no step with permissions.
 *
 * A permission is `true` for everything, `false` for nothing beyond what every
 * program needs, or a list.
 */
export interface StepPermissions {
  /**
   * Files and directories that the step can read, in addition to the system,
   * the directories of `PATH` and what it can write to. Paths are absolute, or
   * relative to the job's working directory; `/job` is the workspace.
   *
   * @default {true; for an untrusted step, the workspace}
   */
  readonly read?: boolean | readonly string[];
  /**
   * Files and directories that the step can write to, in addition to a
   * temporary directory, which is also its `HOME`. A missing directory is
   * created if its path ends with a slash.
   *
   * @default {true; for an untrusted step, the directory in which the job runs,
   * and its artifacts}
   */
  readonly write?: boolean | readonly string[];
  /**
   * Whether the step can create sockets, even for connections to the same
   * machine.
   *
   * @default {true}
   */
  readonly net?: boolean;
  /**
   * Variables of the runner and the job that the step sees, in addition to its
   * own and those that describe the job.
   *
   * @default {those that it inherits without permissions}
   */
  readonly env?: boolean | readonly string[];
}

const paths: Schema<boolean | readonly string[]> = byShape<
  boolean | readonly string[]
>("be true, false or a list of paths", {
  scalar: flag,
  list: list(filledText),
});

/** Schema of the variables that a job or step inherits from the runner. */
export const inheritance: Schema<boolean | readonly string[]> = byShape<
  boolean | readonly string[]
>("be true, false or a list of names", {
  scalar: flag,
  list: list(variableName),
});

/** Schema of the permissions of a step. */
export const permissions: Schema<StepPermissions> = mapping<StepPermissions>(
  "Permissions",
  {
    read: {
      key: "read",
      schema: paths,
      description:
        "Paths that the step can read in addition to the system, PATH and the paths that it can write to: true, false or a list. By default true; for an untrusted step, the workspace.",
    },
    write: {
      key: "write",
      schema: paths,
      description:
        "Paths that the step can write to in addition to its temporary directory: true, false or a list. By default true; for an untrusted step, the job's directory and the artifacts.",
    },
    net: {
      key: "net",
      schema: flag,
      description: "Whether the step can create sockets.",
      defaultValue: true,
    },
    env: {
      key: "env",
      schema: inheritance,
      description:
        "Variables of the runner and the job that the step sees: true, false or a list of names.",
    },
  },
);

/**
 * Checks permissions that a program sets, since a misspelled one would allow
 * everything.
 *
 * @param value Value to check.
 * @returns The problems, phrased to follow the name of the step.
 */
export function permissionsProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return ["its permissions must be an object"];
  }
  return Object.entries(value).flatMap(([name, permission]) => {
    if (permission === undefined) return [];
    const isSwitch = typeof permission === "boolean";
    if (name === "net") {
      return isSwitch ? [] : ["permissions.net must be true or false"];
    }
    if (!["read", "write", "env"].includes(name)) {
      return [`permissions.${name} must be one of read, write, net and env`];
    }
    const isList = Array.isArray(permission) &&
      permission.every((item) =>
        typeof item === "string" && item.trim() !== "" && !item.includes("\0")
      );
    return isSwitch || isList
      ? []
      : [`permissions.${name} must be true, false or a list of strings`];
  });
}
