import { commandText } from "../command_text.ts";
import type { JobConfig } from "../config/job_config.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { showUrl } from "../url_secrets.ts";
import type { RunState } from "./run_state.ts";
import { currentDirectory } from "./working_directory.ts";

/**
 * Prints what a dry run would do.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param plan Steps of the job, if it has steps.
 */
export function printDryRun(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): void {
  const { host, logger, workspace } = run.runner;
  for (const source of [config.ciSource, config.source]) {
    if (!("url" in source)) continue;
    const { type, url, ref = "the default branch" } = source;
    logger.info("dry-run", `Would prepare ${showUrl(url) || type}`, {
      type,
      ref,
    });
  }
  const directory = currentDirectory(run, config)
    ? host.cwd
    : workspace.pathOf(config.cwd);
  logger.info("dry-run", `Would run in ${directory}`);
  plan?.steps.forEach(({ name, definition }, index) => {
    if (!plan.isSelected[index]) return;
    const { run, service, background } = definition;
    const text = typeof run === "function"
      ? "a function of the pipeline"
      : `$ ${commandText(run)}`;
    const kind = service
      ? "service: "
      : background
      ? "in the background: "
      : "";
    logger.info("dry-run", `${name}: ${kind}${text}`);
  });
  if (config.command === undefined) return;
  logger.info("dry-run", `$ ${commandText(config.command)}`);
}
