import { formatSetting, type Settings } from "../../config/settings.ts";
import { messageOf } from "../../errors.ts";
import { type OptionName, OPTIONS } from "../../options/options.ts";
import type { CliCommand } from "../command.ts";
import {
  checkCommandConfig,
  type CommandConfig,
  loadCommandConfig,
} from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import { JOB_FILE_FLAG } from "../job_location.ts";

/** Options whose values are hidden if secrets in them cannot be determined. */
const SENSITIVE: readonly OptionName[] = ["job_env", "secret_values_list"];

export const configCommand: CliCommand = {
  usage: "[OPTIONS]",
  description:
    "Shows each configuration value and where it comes from. Secrets are masked.",
  examples: [
    ["config", "Show the configuration of the job.yaml of the directory"],
    ["config --job-file ci.yaml --timeout 5m", "Show what an option changes"],
  ],
  flags: [...configFlags(), JOB_FILE_FLAG],
  maxOperands: 0,
  async run(context) {
    const loaded = await loadCommandConfig(context, { findsJobFile: true });
    const { settings, steps } = loaded;
    const problem = findProblem(loaded);
    for (const { name } of OPTIONS) {
      const isHidden = problem !== undefined && SENSITIVE.includes(name);
      for (const line of formatSettings(settings, name, isHidden)) {
        await context.print(line);
      }
    }
    if (steps !== undefined) {
      const names = steps.map((step) => step.name).join(", ");
      await context.print(`steps = ${names}  # from ${loaded.jobFile}`);
    }
    if (problem !== undefined) context.runner.logger.warn("config", problem);
    await context.runner.logger.flush();
    return 0;
  },
};

function findProblem(loaded: CommandConfig): string | undefined {
  try {
    checkCommandConfig(loaded);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function formatSettings(
  settings: Settings,
  name: OptionName,
  isHidden: boolean,
): string[] {
  const all = name === "job_env" ? settings.all(name) : [settings.get(name)];
  return all.flatMap((setting) => {
    if (setting === undefined) return [];
    const text = isHidden ? "(not shown)" : formatSetting(name, setting.value);
    return [`${name} = ${text}  # from ${setting.origin}`];
  });
}
