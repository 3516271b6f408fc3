import { messageOf } from "../../errors.ts";
import {
  type KnownSecrets,
  secretsOfSettings,
  warnOfUnknownSecretNames,
} from "../../runner/mask_secrets.ts";
import {
  resolveSecrets,
  resolveStepSecrets,
} from "../../runner/resolve_secrets.ts";
import type { RunnerParts } from "../../runner/runner_parts.ts";
import { printable } from "../../terminal/text.ts";
import { displayWidth } from "../../terminal/width.ts";
import type { Command } from "../command.ts";
import {
  checkCommandConfig,
  type CommandConfig,
  loadCommandConfig,
} from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import { JOB_FILE_FLAG } from "../job_file.ts";

/** Heading of the table. */
const HEADING = ["NAME", "WHY", "FORMS"];

/** The command `explain-masks`. */
export const explainMasks: Command = {
  usage: "[OPTIONS]",
  description:
    `Shows what a job with this configuration masks from the start: the names, why
they are secret, and how many forms of each value are masked. Values are never
shown. Secrets that a job registers while it runs are not listed.`,
  examples: [
    ["explain-masks", "Show what the job.yaml of the directory masks"],
    [
      "explain-masks --job-env TOKEN=abcdefgh --secret-env-names TOKEN",
      "Show what options mask",
    ],
  ],
  flags: [...configFlags(), JOB_FILE_FLAG],
  maxOperands: 0,
  async run(context) {
    const { parts, print } = context;
    const loaded = await loadCommandConfig(context, {
      needsCommand: false,
      findsJobFile: true,
    });
    const { isComplete, secrets } = await findSecrets(loaded);
    for (const line of tableOf(secrets, parts)) await print(line);
    await parts.logger.flush();
    return isComplete ? 0 : 1;
  },
};

/** Without the password of the store, all but the references are known. */
async function findSecrets(
  loaded: CommandConfig,
): Promise<{ isComplete: boolean; secrets: KnownSecrets }> {
  const { parts, surroundings } = loaded;
  const { config, secrets } = checkCommandConfig(loaded);
  let jobEnv = config.env;
  let isComplete = true;
  try {
    jobEnv = await resolveSecrets({ parts, secrets }, jobEnv);
    await resolveStepSecrets({ parts, secrets }, config, config.steps ?? []);
  } catch (error) {
    parts.logger.error("secrets", messageOf(error));
    isComplete = false;
  }
  const resolved = { ...surroundings, jobEnv };
  secrets.add(secretsOfSettings(resolved).secrets);
  warnOfUnknownSecretNames(resolved, parts.logger);
  return { isComplete, secrets };
}

function tableOf({ all }: KnownSecrets, { masker }: RunnerParts): string[] {
  if (all.length === 0) return ["Nothing is masked"];
  const rows = all.map(({ name, value, rule }) => {
    const count = masker.formCount(value);
    return [printable(name), rule, count > 0 ? String(count) : "too short"];
  });
  return aligned([HEADING, ...rows]);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADING.map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column])))
  );
  return rows.map((row) =>
    row.map((cell, at) => cell + " ".repeat(widths[at] - displayWidth(cell)))
      .join("  ").trimEnd()
  );
}
