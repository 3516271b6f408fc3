import { readOptions } from "../../config/load_config.ts";
import { isCoordinatorConfigured } from "../../coordinator/access.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { createDirectory } from "../../fs/files.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { isInside } from "../../job_path.ts";
import { getDefault } from "../../options/options.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { maskDefinitions } from "../../triggers/mask_definitions.ts";
import {
  type EvalDocument,
  evalDocument,
} from "../../workflow/eval/eval_document.ts";
import { type EvalInput, evalPlan } from "../../workflow/eval/eval_plan.ts";
import { loadHead, loadTree } from "../../workflow/eval/load_tree.ts";
import type { StartDecision } from "../../workflow/eval/planned_workflow.ts";
import { explainJobs } from "../../workflow/job_conditions.ts";
import { localJob } from "../../workflow/local/local_job.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import {
  EVAL_FLAGS,
  findChangedDefinitions,
  findEvalChanges,
  prepareEvalTrees,
  readEvalEvent,
  readPolicyInputs,
  resolveJobPath,
} from "../eval_inputs.ts";
import { warnOnce } from "../inventory.ts";
import {
  EXPLAIN_FLAGS,
  type Explanation,
  printExplanations,
} from "../workflow/explanation.ts";

export const evalCommand: CliCommand = {
  usage: "--event-type TYPE [OPTIONS]",
  description:
    `Finds the workflows or jobs in the trusted CI code that an event starts, writes
them to a file and submits them to the coordinator if one is configured.

Invalid definitions are skipped. The others are submitted, and the exit code is
1.`,
  usesCoordinator: true,
  examples: [
    [
      "eval --event-type push --branch main --explain",
      "Show what a push to main starts",
    ],
    [
      "eval --event-type pull_request_opened --pr-base-ref main --explain --json",
      "Show what a pull request starts, as JSON",
    ],
  ],
  flags: [...EVAL_FLAGS, ...EXPLAIN_FLAGS],
  maxOperands: 0,
  async run(context) {
    const { runner: { host, logger }, flags, isOn } = context;
    const cancellation = new Cancellation();
    using _ = host.onSignal((signal) => cancellation.cancel(signal));
    const event = readEvalEvent(context);
    const { policy, policyRevision, ...rights } = await readPolicyInputs(
      host.env,
    );
    const trees = await prepareEvalTrees(context, event, cancellation);
    const only = resolveOnlyFile(
      context,
      trees.base,
      flags.get("workflow-file"),
    );
    let problemCount = 0;
    const invalid: Explanation[] = [];
    const onProblem = (problem: string, sourceFile?: string) => {
      problemCount++;
      logger.error("eval", problem);
      if (sourceFile !== undefined) {
        invalid.push(explainInvalidFile(sourceFile, problem));
      }
    };
    const base = await loadTree(trees.base, onProblem, {
      only,
      onWarning: warnOnce(logger, "eval"),
    });
    const pullRequest = trees.head === undefined ? undefined : {
      ...rights,
      head: await loadHead(
        trees.head,
        (problem) => logger.warn("eval", `Not used: ${problem}`),
      ),
      now: Date.now(),
    };
    const changedFiles = await findEvalChanges(context, trees.source, event);
    const input: EvalInput = {
      event,
      base,
      policy,
      policyRevision,
      changedFiles,
      ...changedFiles === undefined
        ? {
          changedDefinitions: await findChangedDefinitions(
            trees,
            cancellation.graceful,
          ),
        }
        : {},
      ...pullRequest === undefined ? {} : { pullRequest },
      marksSkipped: only !== undefined,
    };
    const plan = evalPlan(input);
    const document = evalDocument(plan, event, onProblem);
    if (isOn("explain")) {
      await printExplanations(context, [
        ...plan.decisions.map(explainDecision),
        ...invalid,
      ]);
    } else {
      for (const decision of plan.decisions) {
        const { isStarted, sourceFile, reason, skipped = [] } = decision;
        if (!isStarted) logger.info("eval", `Skipped ${sourceFile}: ${reason}`);
        for (const job of isStarted ? skipped : []) {
          logger.info(
            "eval",
            `Skipped job "${job.name}" of ${sourceFile}: ${job.reason}`,
          );
        }
      }
      if (document === undefined) {
        logger.info("eval", `Nothing to start for ${event.type}`);
      } else {
        await submitOrFallBack(context, document, { input, cancellation });
      }
    }
    await logger.flush();
    return problemCount > 0 ? 1 : 0;
  },
};

/**
 * Submits the document. If the coordinator rejects the definitions of the pull
 * request, submits only the trusted ones. Both documents have the same
 * `operation_id`, so if the coordinator accepted the first one after all,
 * nothing is started twice.
 */
async function submitOrFallBack(
  context: CommandContext,
  document: EvalDocument,
  { input, cancellation }: { input: EvalInput; cancellation: Cancellation },
): Promise<void> {
  const { event, pullRequest } = input;
  const { logger } = context.runner;
  try {
    return await submit(context, document, cancellation);
  } catch (error) {
    cancellation.graceful.throwIfAborted();
    const hasHead = "workflows" in document &&
      document.workflows.some(({ ci_origin }) => ci_origin === "head");
    if (pullRequest === undefined || !hasHead) throw error;
    logger.warn(
      "eval",
      `Only the trusted definitions are submitted: ${messageOf(error)}`,
    );
  }
  const refusal = "the coordinator did not accept it";
  const plan = evalPlan({ ...input, pullRequest: { ...pullRequest, refusal } });
  const trusted = evalDocument(
    plan,
    event,
    () => {},
    document.operation_id,
  );
  if (trusted !== undefined) {
    await submit(context, trusted, cancellation, { wasSent: true });
  }
}

function explainInvalidFile(file: string, problem: string): Explanation {
  // The first line names the file, the second one contains the reason.
  const lines = problem.split("\n");
  return {
    name: file,
    file,
    origin: "base",
    status: "invalid",
    reason: (lines[1] ?? lines[0]).trim().replace(`${file}:`, "line "),
  };
}

function explainDecision(
  { name, sourceFile, origin, isStarted, reason, jobs, skipped = [] }:
    StartDecision,
): Explanation {
  const reasons = new Map(skipped.map((job) => [job.name, job.reason]));
  return {
    name,
    file: sourceFile,
    origin,
    status: isStarted ? "starts" : "skipped",
    reason,
    // `disable_run_local` applies only to the machines of developers.
    ...jobs === undefined ? {} : {
      jobs: explainJobs(
        jobs.map((job) => ({
          ...localJob(job),
          disableRunLocal: false,
          skipReason: reasons.get(job.name),
        })),
      ),
    },
  };
}

function resolveOnlyFile(
  context: CommandContext,
  root: string,
  given: unknown,
): string | undefined {
  if (typeof given !== "string") return undefined;
  const path = resolveJobPath(context, given);
  if (isInside(root, path) && path !== root) return path.slice(root.length + 1);
  throw new RunnerError(
    `Cannot use workflow file "${given}": it is outside "${root}"`,
    { code: "invalid-workflow" },
  );
}

async function submit(
  context: CommandContext,
  document: EvalDocument,
  { graceful }: Cancellation,
  { wasSent = false }: { wasSent?: boolean } = {},
): Promise<void> {
  const { runner, flags } = context;
  const { host, logger, masker } = runner;
  const jobs = "workflows" in document
    ? document.workflows.flatMap(({ jobs }) => jobs)
    : document.jobs;
  maskDefinitions(
    runner,
    jobs.map(({ env, job_command }) => ({ env, texts: [String(job_command)] })),
  );
  const given = flags.get("triggers-file");
  const path = resolveJobPath(
    context,
    typeof given === "string" ? given : getDefault("triggers_file"),
  );
  await createDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
  await writeAtomic(path, `${JSON.stringify(document)}\n`);
  for (const line of formatDocument(document)) logger.info("eval", line);
  if (!isCoordinatorConfigured(host.env)) return;
  const { submitTriggers } = await import("../../triggers/submit_triggers.ts");
  await submitTriggers(document, {
    env: host.env,
    allowInsecureTransport: runner.allowInsecureTransport,
    timeoutMs: readOptions(host, ["coordinator_timeout"]).coordinator_timeout,
    maskText: (text) => masker.maskText(text),
    wasSent,
    onRetry: (reason, ms) =>
      logger.warn("eval", `Retrying the request: ${reason}`, { ms }),
    signal: graceful,
  });
  // A worker that finds the submitted document would start everything again.
  await Deno.remove(path);
}

function formatDocument(document: EvalDocument): string[] {
  if (!("workflows" in document)) {
    return document.jobs.map(({ job_name }) => `Job ${job_name}`);
  }
  const { workflows, policy_violations } = document;
  return [
    ...workflows.map(({ id, jobs }) => `Workflow ${id}: ${jobs.length} jobs`),
    ...policy_violations.map(({ path, rule }) => `Violation ${path}: ${rule}`),
  ];
}
