import type { JobConfig } from "../config/job_config.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import {
  DEFAULT_RUNNER_IMAGE,
  type Environment,
  Variable,
} from "../environment/variables.ts";
import { isDirectorySync } from "../fs/files.ts";
import type { Host } from "../host.ts";
import type { PlannedStep } from "../steps/expand_matrix.ts";
import type { RunIdentity, Workspace } from "../workspace/layout.ts";

/**
 * Maximum length of a command that is passed in a variable, in bytes of UTF-8.
 */
const MAX_COMMAND_BYTES = 128_000;

/** Trace to which a job belongs. */
export interface TraceContext {
  /** ID of the trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Span of the run: 16 hexadecimal digits. */
  readonly spanId: string;
  /** Span of the program that started the run, if it belongs to a trace. */
  readonly parentSpanId?: string;
  /**
   * Whether the trace is sampled, as decided by the program that started it.
   */
  readonly sampled: boolean;
  /**
   * Returns the value of `TRACEPARENT` for children of a span. Missing if spans
   * are not exported; programs then continue the trace of the program that
   * started the run.
   */
  readonly parentOf?: (spanId: string) => string;
  /** Variables with which programs of the job continue the trace. */
  readonly variables: Environment;
}

/** Variables that enable the export of runs; one is enough. */
const ENDPOINTS = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

/** Facts of a job that its commands get as variables. */
export interface JobFacts {
  /** Configuration of the job. */
  config: JobConfig;
  /** The workspace. */
  workspace: Workspace;
  /**
   * Absolute path of the current directory, if the job's commands run in it.
   */
  currentDir: string | undefined;
  /** Identity of the run, for runners that programs of the job start. */
  run: RunIdentity;
  /**
   * IDs of the locks of the workspace that the job holds, separated by commas;
   * may be empty.
   */
  lockIds: string;
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Absolute path of the socket for registering secrets, if there is one. */
  secretsSocket: string | undefined;
}

/**
 * Returns the variables that describe a job.
 *
 * @param facts Facts of the job.
 */
export function jobFacts(facts: JobFacts): Record<string, string> {
  const { config, workspace, trace, secretsSocket, lockIds } = facts;
  const { command, runnerImage } = config;
  const codeDir = facts.currentDir ?? findCodeDirectory(facts);
  const text = command && [command].flat().join(" ");
  return {
    ...codeDir === undefined ? {} : { [Variable.codeDir]: codeDir },
    [Variable.jobDir]: facts.currentDir ?? workspace.pathOf(config.cwd),
    [Variable.artifactsDir]: workspace.pathOf(config.artifactsDir),
    // Linux limits the length of a variable, and a script may be longer.
    ...text === undefined || text.length * 3 > MAX_COMMAND_BYTES
      ? {}
      : { [Variable.jobCommand]: text },
    [Variable.runnerImage]: runnerImage ?? DEFAULT_RUNNER_IMAGE,
    // Programs of the job that use the library write to the same workspace.
    ...workspace.inContainer ? {} : {
      [Variable.workspace]: workspace.base,
      [Variable.runId]: facts.run.id,
    },
    ...lockIds === "" ? {} : { [Variable.workspaceLock]: lockIds },
    // Only the runner has the nonce, so programs leave triggers in its file.
    ...config.triggers.transport === "stdout"
      ? {
        [Variable.triggerTransport]: "file",
        [Variable.triggersFile]: config.triggers.file,
      }
      : {},
    ...secretsSocket === undefined
      ? {}
      : { [Variable.secretsSocket]: secretsSocket },
    ...trace.variables,
  };
}

/**
 * Finds the code directory; `undefined` for a job without a source that has
 * none.
 */
function findCodeDirectory(
  { config, workspace }: JobFacts,
): string | undefined {
  const path = workspace.pathOf(config.sourceDir);
  return workspace.inContainer || isDirectorySync(path) ? path : undefined;
}

/**
 * Returns the environment that commands of a job inherit.
 *
 * Commands have no terminal. If the output of the runner is a terminal,
 * `FORCE_COLOR` enables colors, unless a variable decides otherwise.
 */
export async function inheritableEnvironment(
  { env, stdout }: Host,
): Promise<Environment> {
  const isDecided = ["NO_COLOR", "FORCE_COLOR", "CI"].some((name) => env[name]);
  const wantsColor = stdout.isTerminal() && !isDecided && env.TERM !== "dumb";
  // Programs must not prompt for input, because no one can answer.
  const parent = {
    CI: "true",
    ...env,
    ...wantsColor ? { FORCE_COLOR: "1" } : {},
  };
  if (env[Variable.vcsAuthDir] === undefined) return parent;
  const credentials = await import("../source/worker_credentials.ts");
  return credentials.withoutCredentials(parent);
}

/** Input of {@linkcode stepEnvironment}. */
export interface StepEnvironmentParts {
  step: PlannedStep;
  /** Environment that commands of the job inherit. */
  parent: Environment;
  /** Variables of `parent` that steps inherit. */
  inheritEnv: boolean | readonly string[];
  /** Variables that describe the job. */
  facts: Environment;
  /** Variables of the job. */
  jobEnv: Environment;
  /** Outputs of the step's dependencies, by variable. */
  outputs: Environment;
  /** Checks whether a text contains a known secret. */
  containsSecret: (text: string) => boolean;
  /**
   * Called with the name of each variable that is withheld from an untrusted
   * step.
   */
  onWithheld: (name: string) => void;
}

/**
 * Builds the environment of a step's commands. Variables of the step override
 * those of the job, and both override what is inherited.
 *
 * @returns The complete environment.
 */
export function stepEnvironment(parts: StepEnvironmentParts): ChildEnvironment {
  const { step, parent, facts, jobEnv, outputs } = parts;
  const { definition, variables } = step;
  const own = definition.permissions?.env ?? definition.inheritEnv;
  const inherit = own ?? parts.inheritEnv;
  const seen = definition.permissions?.env ?? true;
  const layers = {
    facts: { ...facts, [Variable.stepName]: step.name },
    jobEnv: seen === true ? jobEnv : Object.fromEntries(
      Object.entries(jobEnv).filter(([name]) => seen && seen.includes(name)),
    ),
    own: { ...outputs, ...definition.env, ...variables },
  };
  if (!definition.untrusted) {
    return childEnvironment(parent, { kind: "job", inherit, ...layers });
  }
  // An untrusted step gets none of the variables that are listed there.
  const { [Variable.secretEnvNames]: _, ...plain } = layers.own;
  return childEnvironment(parent, {
    kind: "untrusted-step",
    // The list of the step extends the allowlist; that of the job limits all
    // steps.
    isNarrow: Array.isArray(own) ? false : inherit !== true,
    names: Array.isArray(own) ? own : [],
    containsSecret: parts.containsSecret,
    onWithheld: parts.onWithheld,
    ...layers,
    own: plain,
  });
}

/**
 * Reads the trace to which a job belongs. A job without a valid trace starts a
 * new one; the state of an invalid trace is dropped.
 *
 * @returns The existing trace, unchanged, or a new one.
 * @see https://www.w3.org/TR/trace-context/
 */
export function traceContext(env: Environment): TraceContext {
  const parent = env[Variable.traceParent] ?? "";
  const given = parseTraceParent(parent);
  const { traceId = randomHex(16), sampled = true } = given ?? {};
  const spanId = newSpanId();
  const state = env[Variable.traceState];
  return {
    traceId,
    spanId,
    sampled,
    ...given === undefined ? {} : { parentSpanId: given.spanId },
    variables: {
      [Variable.traceParent]: given
        ? parent
        : formatTraceParent({ traceId, spanId, sampled }),
      ...given && state ? { [Variable.traceState]: state } : {},
    },
  };
}

/**
 * Continues the trace of a run that is exported to a collector: programs of the
 * job become children of the run's span. Standard variables of OpenTelemetry, or
 * an option, enable the export.
 *
 * @param trace The trace of the run.
 * @param isRequested Whether an option enables the export.
 * @returns The trace with variables for the run's span; unchanged if the run is
 * not exported.
 * @see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function exportedTrace(
  trace: TraceContext,
  env: Environment,
  isRequested: boolean,
): TraceContext {
  const isEnabled = isRequested || ENDPOINTS.some((name) => env[name]);
  if (!isEnabled || env.OTEL_SDK_DISABLED?.toLowerCase() === "true") {
    return trace;
  }
  const parentOf = (spanId: string) => formatTraceParent({ ...trace, spanId });
  const variables = {
    ...trace.variables,
    [Variable.traceParent]: parentOf(trace.spanId),
  };
  return { ...trace, variables, parentOf };
}

function formatTraceParent(
  { traceId, spanId, sampled }: Pick<
    TraceContext,
    "traceId" | "spanId" | "sampled"
  >,
): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/**
 * Parses `traceparent`. Versions after 00 can add fields; version ff is
 * invalid.
 */
function parseTraceParent(
  parent: string,
): { traceId: string; spanId: string; sampled: boolean } | undefined {
  const [, version, traceId, spanId, flags, rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
      .exec(parent) ?? [];
  const isValid = version !== undefined && version !== "ff" &&
    !(version === "00" && rest !== undefined) &&
    /[^0]/.test(traceId) && /[^0]/.test(spanId);
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  return isValid ? { traceId, spanId, sampled } : undefined;
}

/** Creates the ID of a span. */
export function newSpanId(): string {
  return randomHex(8);
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
