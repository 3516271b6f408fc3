import { booleanVariable } from "../boolean.ts";
import { Variable } from "../environment/variables.ts";
import type { Layer } from "../config/settings.ts";
import type { Host } from "../host.ts";
import type { JobLog } from "../output/job_log.ts";
import { createLogger, type Logger, logLevelOf } from "../output/logger.ts";
import { type Sink, streamSink } from "../output/sink.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import { Masker } from "../secrets/masker.ts";
import type { SourceRegistry } from "../source/custom_source.ts";
import type { TriggerSpoofFilter } from "../triggers/trigger_lines.ts";
import type { TriggerQueue } from "../triggers/queue.ts";
import { type RunIdentity, runIdentity } from "../workspace/run_identity.ts";
import { maskEnvironment } from "./mask_secrets.ts";
import { shouldUseColor } from "../terminal/text.ts";
import { openWorkspace, type Workspace } from "../workspace/layout.ts";

/** What a runner owns; its functions share nothing else. */
export interface RunnerParts {
  /** The process around the runner. */
  readonly host: Host;
  /** Where a job's files are. */
  readonly workspace: Workspace;
  /** Plugins that take part in jobs; made when there is the first one. */
  plugins: PluginRegistry | undefined;
  /** Code that gets sources of other types; a command line registers none. */
  readonly sources: SourceRegistry | undefined;
  /**
   * Secrets that are taken out of whatever is printed; filled from the
   * environment when it is used first.
   */
  readonly masker: Masker;
  /** Follow-up jobs that wait to be submitted; made when there is the first one. */
  triggers: TriggerQueue | undefined;
  /** Says what the runner has to say. */
  readonly logger: Logger;
  /** Creates a logger like it that writes elsewhere. */
  readonly logTo: (sink: Sink) => Logger;
  /** Where the output of jobs goes. */
  readonly stdout: Sink;
  /** Where the runner's messages, and separate standard error, go. */
  readonly stderr: Sink;
  /** Whether a worker reads the output, and no other runner does. */
  readonly isReadByWorker: boolean;
  /**
   * Ends lines of both streams that have no line break, where a worker reads
   * them: it loses a last line without one. Elsewhere bytes stay as they are.
   */
  readonly endLines: () => Promise<void>;
  /** Marks what steps print that looks like a trigger; only on that transport. */
  spoofFilter?: TriggerSpoofFilter;
  /** Called with the log of each job of steps; the caller may mask it again. */
  readonly onJobLog?: (log: JobLog) => void;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** The run to which files belong that this runner leaves. */
  readonly run: RunIdentity;
}

/**
 * Creates the parts of a runner.
 *
 * Plugins and follow-up jobs come from code that uses the library. Without it,
 * their rooms are not even loaded.
 *
 * @param host The process around it.
 * @param rooms What code that uses the library registers and queues, and a
 * masker that several runners share.
 * @returns Parts that are shared with no other runner.
 */
export function createParts(
  host: Host,
  rooms:
    & Partial<
      Pick<
        RunnerParts,
        | "plugins"
        | "triggers"
        | "sources"
        | "masker"
        | "allowInsecureTransport"
        | "onJobLog"
      >
    >
    & {
      /** What the caller says of secrets, before all settings are known. */
      layer?: Layer;
    } = {},
): RunnerParts {
  const { env, cwd } = host;
  const workspace = openWorkspace({ cwd, env });
  let { masker } = rooms;
  // Printing needs the masker, which is filled when it is first used.
  const filledMasker = () => masker ??= maskerOf(host, rooms.layer);
  const stdout = streamSink(host.stdout);
  const stderr = streamSink(host.stderr);
  const logTo = (sink: Sink) =>
    createLogger({
      sink,
      get masker() {
        return filledMasker();
      },
      level: logLevelOf(env.LOG_LEVEL),
      color: shouldUseColor(env, host.stderr.isTerminal()),
      style: env.LOG_FORMAT === "json"
        ? "json"
        : workspace.inContainer
        ? "text"
        : "short",
    });
  // A runner around this one has a socket for secrets.
  const isReadByWorker = (workspace.inContainer || !!env[Variable.jobId]) &&
    !env[Variable.secretsSocket];
  let run: RunIdentity | undefined;
  return {
    host,
    workspace,
    plugins: rooms.plugins,
    sources: rooms.sources,
    get masker() {
      return filledMasker();
    },
    triggers: rooms.triggers,
    onJobLog: rooms.onJobLog,
    get allowInsecureTransport() {
      return rooms.allowInsecureTransport ??
        booleanVariable(env, Variable.allowInsecureTransport) ?? false;
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

/** Knows what is secret in the environment, and in what the caller says. */
function maskerOf(host: Host, layer: Layer = {}): Masker {
  const masker = new Masker();
  // A job file may still say that less is secret.
  maskEnvironment(masker, host, layer, { hasJobFile: false });
  return masker;
}
