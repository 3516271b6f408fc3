import { RunnerError } from "../../errors.ts";
import { checkDirectories } from "../../runner/job_workspace.ts";
import { unknownSecretNames } from "../../runner/mask_secrets.ts";
import type { CliCommand } from "../command.ts";
import { checkCommandConfig, loadCommandConfig } from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import { JOB_FILE_FLAG } from "../job_location.ts";

export const validateCommand: CliCommand = {
  usage: "[OPTIONS]",
  description:
    "Checks the configuration, and the directories in it, without running anything.\nExits with 0 if a job can be run, and with 1 otherwise.",
  examples: [
    ["validate", "Check the job.yaml of the directory"],
    [
      "validate --job-file ci.yaml --no-check-files",
      "Check another file, but not its directories",
    ],
  ],
  flags: [
    ...configFlags(),
    JOB_FILE_FLAG,
    {
      name: "check-files",
      isNegatable: true,
      help: "Check that the directories exist (true)",
    },
  ],
  maxOperands: 0,
  async run(context) {
    const { runner, switches } = context;
    const loaded = await loadCommandConfig(context, { findsJobFile: true });
    const { config } = checkCommandConfig(loaded);
    if (config.steps !== undefined) {
      const { planJob } = await import("../../steps/job_plan.ts");
      planJob(config.steps, config.selection);
    }
    const { settings } = loaded;
    const hasReferences = [config, ...config.steps ?? []].some(({ env = {} }) =>
      Object.values(env).some((value) => value.includes("${secret:"))
    );
    if (hasReferences || settings.get("secret_providers") !== undefined) {
      const { checkProviders } = await import("../../runner/secret_lookup.ts");
      await checkProviders(settings, runner, config);
    }
    if (switches.get("check-files") !== false) {
      checkDirectories(config, runner.workspace, runner.logger);
    }
    // A run masks more and logs a warning; `validate` reports an error.
    const problems = unknownSecretNames({
      ...loaded.secretsInput,
      jobEnv: config.env,
    });
    if (problems.length > 0) {
      const lines = problems.map((problem) => `  secret_env_names: ${problem}`);
      throw new RunnerError(
        `Cannot use the configuration:\n${lines.join("\n")}`,
        { code: "invalid-config" },
      );
    }
    await context.print("The configuration is valid");
    await runner.logger.flush();
    return 0;
  },
};
