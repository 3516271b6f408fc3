import type { ReadyConfig, StepSettings } from "./step_config.ts";

/** Pattern of the name of a port, which becomes a part of a variable. */
export const PORT_NAME: RegExp = /^[a-zA-Z][a-zA-Z0-9_]{0,49}$/;

/** Pattern of the name of a concurrency group, which becomes a file name. */
export const GROUP_NAME: RegExp = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/;

/** Maximum number of places in a concurrency group. */
export const MAX_PLACES = 100;

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
  timeoutMs: 'set the time limit of its start below "ready"',
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
    const problem = 'needs "ready" or "ports": when can other steps use it?';
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
