import { readBoolean } from "../boolean.ts";
import { Variable } from "../environment/variables.ts";
import type { Layer } from "../config/settings.ts";
import type { Host } from "../host.ts";
import { createLogger, type Logger, parseLogLevel } from "../output/logger.ts";
import { type LineSink, type Sink, streamSink } from "../output/sink.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import type { ExportQueue } from "../report/export_otlp.ts";
import { Masker } from "../secrets/masker.ts";
import type { SourceRegistry } from "../source/custom_source.ts";
import type { TriggerSpoofFilter } from "../triggers/trigger_lines.ts";
import type { TriggerQueue } from "../triggers/queue.ts";
import type { JobSystem } from "../steps/job_system.ts";
import {
  openWorkspace,
  type RunIdentity,
  runIdentity,
  type Workspace,
} from "../workspace/layout.ts";
import { maskEnvironment } from "./mask_secrets.ts";
import { shouldUseColor } from "../terminal/text.ts";

/** State of a runner, shared by all of its functions. */
export interface RunnerContext {
  /** The process around the runner. */
  readonly host: Host;
  /** Location of the job's files. */
  readonly workspace: Workspace;
  /** Registered plugins; `undefined` until the first one is registered. */
  plugins: PluginRegistry | undefined;
  /** Handlers of custom source types; `undefined` on the command line. */
  readonly sources: SourceRegistry | undefined;
  /** Masks secrets in all output; filled from the environment on first use. */
  readonly masker: Masker;
  /** Queued follow-up jobs; `undefined` until the first one is queued. */
  triggers: TriggerQueue | undefined;
  /** Logger for the runner's messages. */
  readonly logger: Logger;
  /** Creates an equal logger that writes to another sink. */
  readonly logTo: (sink: Sink) => Logger;
  /** Standard output of jobs. */
  readonly stdout: LineSink;
  /** The runner's messages, and standard error of jobs if it is separate. */
  readonly stderr: LineSink;
  /**
   * Whether a worker reads the output directly, without another runner in
   * between.
   */
  readonly isReadByWorker: boolean;
  /**
   * Ends unfinished lines of both streams if a worker reads them, since a
   * worker loses a last line without a line break. Otherwise the output stays
   * as it is.
   */
  readonly endLines: () => Promise<void>;
  /**
   * Marks output of steps that looks like a trigger; only set if triggers are
   * submitted on standard output.
   */
  spoofFilter?: TriggerSpoofFilter;
  /**
   * Called at the end of a job with a function that masks its logs and record
   * again if more secrets are known by then.
   */
  readonly onJobEnd?: (remask: () => Promise<void>) => void;
  /** Pending exports of the job's workflow, which awaits them at its end. */
  readonly exports?: ExportQueue;
  /** Replaces the system on which steps run, as the test kit does. */
  readonly system?: JobSystem;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Run that owns the files of this runner. */
  readonly run: RunIdentity;
}

/**
 * Creates the context of a runner.
 *
 * Plugins and follow-up jobs come from code that uses the library. On the
 * command line, their modules are not loaded until they are needed.
 *
 * @param host Host of the runner.
 * @param overrides Registries and queue for code that uses the library, a
 * masker to share with other runners, and settings.
 * @returns A context that is not shared with other runners.
 */
export function createRunnerContext(
  host: Host,
  overrides:
    & Partial<
      Pick<
        RunnerContext,
        | "plugins"
        | "triggers"
        | "sources"
        | "masker"
        | "allowInsecureTransport"
        | "onJobEnd"
        | "exports"
        | "system"
      >
    >
    & {
      /**
       * Settings of the caller, which may list secrets, before the others are
       * loaded.
       */
      layer?: Layer;
    } = {},
): RunnerContext {
  const { env, cwd } = host;
  const workspace = openWorkspace({ cwd, env });
  let { masker } = overrides;
  // Filled on first use; all output goes through it.
  const getMasker = () => masker ??= createMasker(host, overrides.layer);
  const stdout = streamSink(host.stdout);
  const stderr = streamSink(host.stderr);
  const logTo = (sink: Sink) =>
    createLogger({
      sink,
      get masker() {
        return getMasker();
      },
      level: parseLogLevel(env.LOG_LEVEL),
      // A host written in JavaScript may lack streams that are never used.
      color: shouldUseColor(env, host.stderr?.isTerminal() ?? false),
      style: env.LOG_FORMAT === "json"
        ? "json"
        : workspace.inContainer
        ? "text"
        : "short",
    });
  // An outer runner provides a socket for secrets.
  const isReadByWorker = (workspace.inContainer || !!env[Variable.jobId]) &&
    !env[Variable.secretsSocket];
  let run: RunIdentity | undefined;
  return {
    host,
    workspace,
    plugins: overrides.plugins,
    sources: overrides.sources,
    get masker() {
      return getMasker();
    },
    triggers: overrides.triggers,
    onJobEnd: overrides.onJobEnd,
    exports: overrides.exports,
    system: overrides.system,
    get allowInsecureTransport() {
      return overrides.allowInsecureTransport ??
        readBoolean(env, Variable.allowInsecureTransport) ?? false;
    },
    logger: logTo(stderr),
    logTo,
    stdout,
    stderr,
    isReadByWorker,
    async endLines() {
      if (!isReadByWorker) return;
      await stdout.endLine();
      await stderr.endLine();
    },
    get run() {
      return run ??= runIdentity(env);
    },
  };
}

/**
 * Creates a masker with the secrets of the environment and of the caller's
 * settings.
 */
function createMasker(host: Host, layer: Layer = {}): Masker {
  const masker = new Masker();
  // A job file may still limit which variables are secret.
  maskEnvironment(masker, host, layer, { hasJobFile: false });
  return masker;
}
