import { RunnerError } from "../../errors.ts";
import { checkDirectories } from "../../job/check_directories.ts";
import { JobRun } from "../../job/job_run.ts";
import { resolveSettings } from "../../job/resolve_settings.ts";
import { unknownSecretNames } from "../../job/secret_names.ts";
import { Cancellation } from "../../process/cancellation.ts";
import type { Command } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { JOB_FILE_FLAG, jobFileOf } from "../job_file_flag.ts";

/** The command `validate`. */
export const validate: Command = {
  usage: "[OPTIONS]",
  description:
    "Judges the configuration, and the directories that it names, without running\nanything. Ends with 0 if a job could be run, with 1 otherwise.",
  flags: [
    ...configFlags(),
    JOB_FILE_FLAG,
    {
      name: "check-files",
      isNegatable: true,
      help: "Whether to look at the directories, too (yes)",
    },
  ],
  maxOperands: 0,
  async run(context) {
    const { parts, switches } = context;
    const run = new JobRun(parts, new Cancellation());
    await resolveSettings(run, flagsLayer(context), jobFileOf(context));
    const config = run.validate();
    if (config.steps !== undefined) {
      const { planJob } = await import("../../steps/job_plan.ts");
      planJob(config.steps, config.selection);
    }
    if (switches.get("check-files") !== false) {
      checkDirectories(config, parts.workspace, parts.logger);
    }
    // A run masks more then, and warns; what is wrong is to be put right here.
    const problems = unknownSecretNames(run);
    if (problems.length > 0) {
      const lines = problems.map((problem) => `  secret_env_names: ${problem}`);
      throw new RunnerError(
        `Cannot use the configuration:\n${lines.join("\n")}`,
        { code: "invalid-config" },
      );
    }
    await context.print("The configuration is valid");
    await parts.logger.flush();
    return 0;
  },
};
