import { startedByEvent } from "../../coordinator/access.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import type { Host } from "../../host.ts";
import {
  flushTriggers,
  triggerOptionsFromEnv,
} from "../../triggers/flush_triggers.ts";
import { TriggerQueue } from "../../triggers/queue.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type { JobDefinition } from "../../workflow/definition/definition.ts";
import {
  definitionTrigger,
  type ReadDefinitionOptions,
  readJobDefinition,
} from "../../workflow/definition/job_definition.ts";
import { definitionWithRemoteSteps } from "../../workflow/remote_steps.ts";
import { cancelOnSignal } from "../actions.ts";
import type { CliCommand } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { warnOnce } from "../inventory.ts";
import { runnerInWorkDir, WORK_DIR_FLAG } from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";

/** Options that the command reads. */
const SETTINGS = [
  "triggers_file",
  "trigger_transport",
  "coordinator_timeout",
] as const;

export const triggerCommand: CliCommand = {
  usage: "FILE… [OPTIONS]",
  description:
    `Submits the jobs in job files as follow-up jobs of this one, all at once. They go
to the coordinator if one is configured, and otherwise to a file that a local
workflow reads. Nothing is submitted unless all files are valid.`,
  usesCoordinator: true,
  examples: [
    ["trigger .reactorcide/jobs/deploy.yaml", "Submit a job"],
    [
      "trigger build.yaml test.yaml --trigger-transport file",
      "Write two jobs to the file for follow-up jobs",
    ],
  ],
  flags: [...configFlags(SETTINGS), WORK_DIR_FLAG],
  maxOperands: Infinity,
  async run(context) {
    const { operands } = context;
    if (operands.length === 0 || operands.includes("")) {
      throw usageError("A file is required", "trigger");
    }
    const runner = runnerInWorkDir(context);
    const { host, logger } = runner;
    const options = triggerOptionsFromEnv(runner, flagsLayer(context));
    const onWarning = warnOnce(logger, "triggers");
    const queue = new TriggerQueue();
    queue.addAll(
      await Promise.all(
        operands.map((file) => readTrigger(file, host, { onWarning })),
      ),
    );
    const { triggers, path } = await cancelOnSignal(
      host,
      ({ graceful }) =>
        flushTriggers(runner, queue, {
          ...options,
          isAtomic: true,
          joinsEarlier: true,
          signal: graceful,
        }),
    );
    const names = triggers.map(({ name }) => name).join(", ");
    logger.info(
      "triggers",
      path === undefined
        ? `Submitted: ${names}`
        : `Wrote ${names} to "${path}"`,
    );
    await logger.flush();
    return 0;
  },
};

async function readTrigger(
  file: string,
  { cwd, env }: Host,
  options: ReadDefinitionOptions,
): Promise<Trigger> {
  const root = file.startsWith("/") ? "" : cwd;
  const { job } = await readJobDefinition(root, file, options);
  return createTrigger(definitionWithRemoteSteps(job), env);
}

/** Variables of the event that triggered jobs inherit. */
const EVENT_VARIABLES = [
  Variable.eventType,
  Variable.branch,
  Variable.sha,
  Variable.sourceUrl,
  Variable.prBaseRef,
  Variable.prNumber,
  Variable.prRef,
  Variable.diffBase,
  Variable.ciSourceUrl,
  Variable.ciSourceRef,
  Variable.headUrl,
  Variable.headRef,
  Variable.baseUrl,
  Variable.baseRef,
  Variable.isForkPr,
];

/**
 * Creates a follow-up job from the definition in a job file.
 *
 * It inherits the event and the sources of the triggering job.
 *
 * @param definition Definition in the file.
 */
function createTrigger(
  definition: JobDefinition,
  env: Environment,
): Trigger {
  const job = definitionTrigger(definition);
  return {
    ...job,
    env: {
      ...job.env,
      ...pickEventVariables(env),
      ...createCiSourceVariables(env),
    },
    ...createSource(env),
    ...createCiSource(env),
  };
}

function pickEventVariables(
  env: Environment,
): Record<string, string> {
  return Object.fromEntries(
    EVENT_VARIABLES.filter((name) => env[name]).map((
      name,
    ) => [name, env[name]]),
  );
}

function createSource(env: Environment): Partial<Trigger> {
  const { [Variable.sourceUrl]: url, [Variable.sha]: ref } = env;
  return url
    ? { sourceType: "git", sourceUrl: url, sourceRef: ref || undefined }
    : {};
}

/**
 * Sets the CI source only with a URL, and only if an event started this job.
 * Otherwise the coordinator drops the URL, and a type without a URL would make
 * the follow-up job fail.
 */
function createCiSource(env: Environment): Partial<Trigger> {
  const {
    [Variable.ciSourceUrl]: url,
    [Variable.ciSourceRef]: ref,
  } = env;
  return url && startedByEvent(env)
    ? { ciSourceType: "git", ciSourceUrl: url, ciSourceRef: ref || undefined }
    : {};
}

/** Sets the type; URL and ref are always variables of the follow-up job. */
function createCiSourceVariables(
  env: Environment,
): Record<string, string> {
  return env[Variable.ciSourceUrl] && !startedByEvent(env)
    ? { [Variable.ciSourceType]: "git" }
    : {};
}
