/**
 * Definitions of steps: their settings, names and permissions, and the settings
 * that exclude or require each other.
 *
 * @module
 */
import { list } from "../schema/collections.ts";
import { byShape, mapping, type Schema } from "../schema/combinators.ts";
import {
  type Condition,
  filledText,
  flag,
  variableName,
} from "../schema/scalars.ts";
import type { When } from "../schema/when.ts";
import type { CacheUse, StepCacheConfig } from "./step_cache_config.ts";

/** How a failed step is retried. */
export interface RetryConfig {
  /** Maximum number of attempts, including the first. */
  readonly attempts: number;
  /**
   * Delay before the second attempt, in milliseconds.
   *
   * @default {1_000}
   */
  readonly delayMs?: number;
  /**
   * Factor by which the delay grows with each attempt.
   *
   * @default {2}
   */
  readonly factor?: number;
  /**
   * Maximum delay between two attempts, in milliseconds.
   *
   * @default {60_000}
   */
  readonly maxDelayMs?: number;
  /**
   * Maximum share of the delay that is subtracted at random, from 0 to 1, so
   * that jobs that failed together do not retry together.
   *
   * @default {0.5}
   */
  readonly jitter?: number;
  /**
   * Exit codes after which the step is retried; 124 is a timeout.
   *
   * @default {all except 0}
   */
  readonly exitCodes?: readonly number[];
}

/** Variables and their values; the step runs once for each combination. */
export interface MatrixConfig {
  /** Variables and their values; each combination becomes a step. */
  readonly axes: Readonly<Record<string, readonly string[]>>;
  /**
   * Combinations to add, or variables to add to the combinations that match.
   */
  readonly include?: readonly Readonly<Record<string, string>>[];
  /** Combinations to exclude: those that match all of the given values. */
  readonly exclude?: readonly Readonly<Record<string, string>>[];
}

/** When a service is ready. All of the given conditions must hold. */
export interface ReadyConfig {
  /**
   * Port on which the service accepts connections: its number, or its name in
   * `ports`.
   *
   * @default {all of its `ports`, if no other condition is given}
   */
  readonly port?: number | string;
  /** An `http://` URL that responds, or a path on the port. */
  readonly http?: string;
  /**
   * Allowed status codes of the response.
   *
   * @default {200 to 399}
   */
  readonly status?: readonly number[];
  /**
   * Texts, one of which a line of the service's output must contain; `*`
   * matches any text.
   */
  readonly log?: readonly string[];
  /** Command that must succeed; it runs like the service. */
  readonly command?: string | readonly string[];
  /**
   * Time within which the service must be ready, in milliseconds.
   *
   * @default {60_000}
   */
  readonly timeoutMs?: number;
  /**
   * Maximum delay between two checks, in milliseconds; the first delays are
   * shorter.
   *
   * @default {500}
   */
  readonly intervalMs?: number;
}

/** A group of steps with a limit on how many run at once on a machine. */
export interface ConcurrencyGroup {
  /** Name of the group: letters, digits, `.`, `_` and `-`. */
  readonly group: string;
  /**
   * Maximum number of steps of the group that run at once.
   *
   * @default {1}
   */
  readonly limit?: number;
}

/** Settings of a step other than its name and command. */
export interface StepSettings {
  /** Description of the step. */
  readonly description?: string;
  /** Steps that must end before this one starts. */
  readonly dependsOn?: readonly string[];
  /**
   * Condition for running the step, evaluated when its dependencies have ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition;
  /**
   * Condition on the event of the job: its branch, tag, type, changed files and
   * variables. A step whose condition does not hold is skipped.
   *
   * @default {none}
   */
  readonly when?: When;
  /** Environment variables of the step, which override those of the job. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Working directory of the step: a path below `/job`, or relative to the
   * job's working directory.
   *
   * @default {the job's working directory}
   */
  readonly workingDir?: string;
  /**
   * Shell that runs a shell command: `sh` (`/bin/sh -e`), `bash` (`bash -eo
   * pipefail`), `python`, `pwsh` or `deno`; or a program and its arguments, in
   * which `{}` is replaced by the path of a script file. Without `{}`, the
   * script is the last argument; a program without arguments gets `-c` before
   * it.
   *
   * @default {the shell of the job, or ["sh"]}
   */
  readonly shell?: readonly string[];
  /**
   * Time limit of each attempt, in milliseconds.
   *
   * @default {no limit}
   */
  readonly timeoutMs?: number;
  /**
   * How the step is retried.
   *
   * @default {no retries}
   */
  readonly retry?: RetryConfig;
  /**
   * Whether a failure of the step is ignored.
   *
   * @default {false}
   */
  readonly continueOnError?: boolean;
  /**
   * Whether a failure of the step makes the job fail.
   *
   * @default {true}
   */
  readonly required?: boolean;
  /** Runs the step once for each item. */
  readonly forEach?: readonly string[];
  /**
   * Variable that contains the item.
   *
   * @default {"ITEM"}
   */
  readonly itemVar?: string;
  /** Runs the step once for each combination of values. */
  readonly matrix?: MatrixConfig;
  /**
   * Maximum number of items or combinations that run at once.
   *
   * @default {limited only by the concurrency of the job}
   */
  readonly maxParallel?: number;
  /**
   * Whether the other items or combinations are cancelled when one fails.
   *
   * @default {false}
   */
  readonly failFast?: boolean;
  /**
   * Whether exit code 78 means that there is nothing to do. It ends the whole
   * job early; the step neither succeeds nor fails.
   *
   * @default {false}
   */
  readonly neutralExit?: boolean;
  /**
   * Variables that the step inherits from the runner's environment: all, none,
   * or the listed ones.
   *
   * @default {those that the job inherits}
   */
  readonly inheritEnv?: boolean | readonly string[];
  /**
   * Whether the step runs untrusted code. Such a step inherits only an
   * allowlist of variables, and the variables of the runner and the job that
   * its own {@linkcode inheritEnv} lists. It gets no known secrets, and no
   * access to the socket for registering secrets.
   *
   * @default {false}
   */
  readonly untrusted?: boolean;
  /**
   * Permissions of the step's commands. On systems that cannot enforce them,
   * the job fails before its first step.
   *
   * @default {everything; for an untrusted step, see {@linkcode
   * StepPermissions}}
   */
  readonly permissions?: StepPermissions;
  /**
   * Whether the step is a service, such as a database. Steps that depend on it
   * start when it is ready, and it is ended after the last of them.
   *
   * @default {false}
   */
  readonly service?: boolean;
  /**
   * When the service is ready.
   *
   * @default {when all of its {@linkcode ports} accept connections}
   */
  readonly ready?: ReadyConfig;
  /**
   * Names of free ports that the runner chooses for the service. The service
   * and the steps that depend on it get each port in the variable
   * `REACTORCIDE_PORT_<NAME>`.
   *
   * @default {none}
   */
  readonly ports?: readonly string[];
  /**
   * Whether the step runs alongside the others and is ended when they have
   * ended.
   *
   * @default {false}
   */
  readonly background?: boolean;
  /**
   * Group that limits how many steps run at once, including steps of other jobs
   * of the same user on the same machine. The step waits for a place before it
   * starts.
   *
   * @default {none}
   */
  readonly concurrency?: ConcurrencyGroup;
  /**
   * Inputs and outputs of the step. If its result is known, the step does not
   * run: its files, outputs and log are restored.
   *
   * @default {the step always runs}
   */
  readonly cache?: StepCacheConfig;
  /**
   * Directories that are restored before the step, and saved after it succeeded.
   *
   * @default {none}
   */
  readonly usesCache?: readonly CacheUse[];
}

/** A step of a job file. */
export interface StepConfig extends StepSettings {
  /** Name of the step, unique in its job. */
  readonly name: string;
  /** Shell command, or a program and its arguments. */
  readonly run: string | readonly string[];
}

/** Effect of a failed required step on other steps. */
export type FailurePolicy = "finish" | "continue" | "kill";

/** Maximum length of a step name, in characters. */
export const MAX_STEP_NAME_LENGTH = 100;

/**
 * Pattern of a step name. Names are used in lists separated by commas, in file
 * names, and on the command line.
 */
export const STEP_NAME: RegExp = /^(?![-.\s])[^/,\p{Cc}]*[^/,\s\p{Cc}]$/u;

/**
 * Checks the name of a step.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function stepNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  if ([...name].length > MAX_STEP_NAME_LENGTH) {
    return `must have at most ${MAX_STEP_NAME_LENGTH} characters`;
  }
  if (STEP_NAME.test(name)) return undefined;
  return 'must not contain "/", "," or control characters, start with "-" or ".", or have a space at either end';
}

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

/** Pattern of the name of a port, which becomes a part of a variable. */
export const PORT_NAME: RegExp = /^[a-zA-Z][a-zA-Z0-9_]{0,49}$/;

/** Pattern of the name of a concurrency group, which becomes a file name. */
export const GROUP_NAME: RegExp = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/;

/** Maximum limit of a concurrency group. */
export const MAX_GROUP_LIMIT = 100;

/** A setting of a step that is not valid. */
export interface SettingProblem {
  /** Property of the setting. */
  readonly property: keyof StepSettings;
  /** The problem, phrased to follow the name of the setting. */
  readonly problem: string;
}

/** Settings that services do not have, and what to use instead. */
const NOT_FOR_SERVICES = {
  retry: '"ready" is checked until it holds',
  timeoutMs: 'set "timeout" in "ready" instead',
  forEach: "define a step for each service",
  itemVar: "define a step for each service",
  matrix: "define a step for each service",
  continueOnError: "steps that need a service fail if it does",
  required: "steps that need a service fail if it does",
  neutralExit: "it does not decide when the job ends",
  cache: "it runs as long as it is needed",
  usesCache: "it has no successful end, after which they would be saved",
} as const satisfies Partial<Record<keyof StepSettings, string>>;

/** Settings of a step that other settings exclude or require. */
export type CheckedSettings = Omit<StepSettings, "condition">;

/**
 * Checks the settings of a step that exclude or require each other.
 *
 * @returns The problems.
 */
export function* settingProblems(
  settings: CheckedSettings,
): Generator<SettingProblem> {
  const { forEach, matrix, background, maxParallel } = settings;
  for (const property of ["maxParallel", "failFast"] as const) {
    const isSet = settings[property] !== undefined;
    if (!isSet || forEach !== undefined || matrix !== undefined) continue;
    yield {
      property,
      problem: 'is only for steps with "matrix" or "for_each"',
    };
  }
  if (background && maxParallel !== undefined) {
    const problem = "is not for background steps, which all run at once";
    yield { property: "maxParallel", problem };
  }
  if (background && settings.cache !== undefined) {
    const problem = "is not for background steps, which have no result";
    yield { property: "cache", problem };
  }
  if (background && settings.usesCache !== undefined) {
    const problem = "is not for background steps, alongside which others run";
    yield { property: "usesCache", problem };
  }
  yield* serviceProblems(settings);
}

function* serviceProblems(
  settings: CheckedSettings,
): Generator<SettingProblem> {
  const { service, background, ready, ports } = settings;
  if (!service) {
    for (const property of ["ready", "ports"] as const) {
      if (settings[property] === undefined) continue;
      yield { property, problem: 'is only for steps with "service"' };
    }
    return;
  }
  if (background) {
    const problem = "is not for a service, which runs as long as it is needed";
    yield { property: "background", problem };
  }
  for (const [property, instead] of Object.entries(NOT_FOR_SERVICES)) {
    const name = property as keyof typeof NOT_FOR_SERVICES;
    if (settings[name] === undefined) continue;
    yield { property: name, problem: `is not for a service: ${instead}` };
  }
  if (ready === undefined && ports === undefined) {
    const problem =
      'needs "ready" or "ports", so that other steps know when to start';
    yield { property: "service", problem };
  }
  if (ready !== undefined) yield* readyProblems(ready, ports);
}

function* readyProblems(
  ready: ReadyConfig,
  ports: readonly string[] = [],
): Generator<SettingProblem> {
  const { port, http, status } = ready;
  const property = "ready";
  const conditions = ["port", "http", "log", "command"] as const;
  // An invalid condition counts as well; it is reported separately.
  if (ports.length === 0 && !conditions.some((name) => name in ready)) {
    yield { property, problem: `needs ${conditions.join(", ")} or "ports"` };
  }
  if (typeof port === "string" && !ports.includes(port)) {
    yield { property, problem: `names port "${port}", which "ports" does not` };
  }
  if (status !== undefined && http === undefined) {
    yield { property, problem: 'has "status" without "http"' };
  }
  if (http?.startsWith("/") && port === undefined && ports.length !== 1) {
    yield { property, problem: `has the path "${http}" without a "port"` };
  }
}

/** Properties of a step that relate it to other steps. */
export type RelatedStep =
  & Pick<StepSettings, "service" | "background" | "dependsOn" | "ports">
  & { readonly name: string };

/**
 * Checks how the steps of a job relate to its services.
 *
 * @param steps All steps of the job.
 * @returns For each problem, the index of the step.
 */
export function* serviceGraphProblems(
  steps: readonly RelatedStep[],
): Generator<SettingProblem & { readonly step: number }> {
  const needed = new Set(steps.flatMap(({ dependsOn = [] }) => dependsOn));
  const inBackground = new Set(
    steps.filter(({ background }) => background).map(({ name }) => name),
  );
  const owners = new Map<string, string>();
  for (const [step, { name, service, dependsOn, ports }] of steps.entries()) {
    if (service && !needed.has(name)) {
      const problem =
        'is true, but no step needs it; "background" runs a step until the job ends';
      yield { step, property: "service", problem };
    }
    const other = dependsOn?.find((need) => inBackground.has(need));
    if (other !== undefined) {
      const problem =
        `names "${other}", which runs in the background until the job ends; make it a service`;
      yield { step, property: "dependsOn", problem };
    }
    for (const port of ports ?? []) {
      const owner = owners.get(port.toUpperCase());
      owners.set(port.toUpperCase(), name);
      if (owner === undefined) continue;
      const problem = `names "${port}", which is also a port of "${owner}"`;
      yield { step, property: "ports", problem };
    }
  }
}
