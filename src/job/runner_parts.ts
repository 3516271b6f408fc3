import type { Host } from "../host.ts";
import { createLogger, type Logger, logLevelOf } from "../output/logger.ts";
import { type Sink, streamSink } from "../output/sink.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import { Masker } from "../secrets/masker.ts";
import type { SourceRegistry } from "../source/source_registry.ts";
import type { OutputGuard } from "../triggers/output_guard.ts";
import type { TriggerQueue } from "../triggers/queue.ts";
import { type RunIdentity, runIdentity } from "../workspace/run_identity.ts";
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
  /** Secrets that are taken out of whatever is printed. */
  readonly masker: Masker;
  /** Follow-up jobs that wait to be handed over; a command line queues none. */
  readonly triggers: TriggerQueue | undefined;
  /** Says what the runner has to say. */
  readonly logger: Logger;
  /** Where the output of jobs goes. */
  readonly stdout: Sink;
  /** Where the runner's messages, and separate standard error, go. */
  readonly stderr: Sink;
  /** Keeps what steps print apart from messages to the worker; made where there are some. */
  guard?: OutputGuard;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Where follow-up jobs are written that belong to no job, as a job knows it. */
  readonly triggersFile: string;
  /** The run to which files belong that this runner leaves. */
  readonly run: RunIdentity;
}

/**
 * Makes the parts of a runner.
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
  rooms: Partial<
    Pick<
      RunnerParts,
      "plugins" | "triggers" | "sources" | "masker" | "allowInsecureTransport"
    >
  > = {},
): RunnerParts {
  const { env, cwd } = host;
  const workspace = openWorkspace({ cwd, env });
  const masker = rooms.masker ?? new Masker();
  if (env.REACTORCIDE_API_TOKEN) masker.add(env.REACTORCIDE_API_TOKEN);
  if (env.REACTORCIDE_TRIGGER_NONCE) masker.add(env.REACTORCIDE_TRIGGER_NONCE);
  const stdout = streamSink(host.stdout);
  const stderr = streamSink(host.stderr);
  const logger = createLogger({
    sink: stderr,
    masker,
    level: logLevelOf(env.LOG_LEVEL),
    style: env.LOG_FORMAT === "json"
      ? "json"
      : workspace.inContainer
      ? "text"
      : "short",
  });
  let run: RunIdentity | undefined;
  return {
    host,
    workspace,
    plugins: rooms.plugins,
    sources: rooms.sources,
    masker,
    triggers: rooms.triggers,
    allowInsecureTransport: rooms.allowInsecureTransport ?? false,
    logger,
    stdout,
    stderr,
    triggersFile: env.REACTORCIDE_TRIGGERS_FILE || "/job/triggers.json",
    get run() {
      return run ??= runIdentity(env);
    },
  };
}
