import { displayWidth } from "../../display_width.ts";
import { messageOf } from "../../errors.ts";
import { JobRun } from "../../job/job_run.ts";
import {
  resolveSecrets,
  resolveStepSecrets,
} from "../../job/resolve_secrets.ts";
import { resolveSettings } from "../../job/resolve_settings.ts";
import { warnOfUnknownSecretNames } from "../../job/secret_names.ts";
import { printable } from "../../printable.ts";
import { Cancellation } from "../../process/cancellation.ts";
import type { Command } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { JOB_FILE_FLAG, jobFileOf } from "../job_file_flag.ts";

/** Heading of the table. */
const HEADING = ["NAME", "WHY", "FORMS"];

/** The command `explain-masks`. */
export const explainMasks: Command = {
  usage: "[OPTIONS]",
  description:
    `Shows what a job with this configuration would mask from its start: the names,
why they are secret, and in how many forms each value is masked. Values are
never shown. What a job registers while it runs is not known before.`,
  flags: [...configFlags(), JOB_FILE_FLAG],
  maxOperands: 0,
  async run(context) {
    const { parts, print } = context;
    const run = new JobRun(parts, new Cancellation());
    await resolveSettings(run, flagsLayer(context), jobFileOf(context));
    if (!run.settings.get("job_command") && !run.steps) {
      // No command is run; a value is needed for the rest to be judged.
      run.settings.set("job_command", { value: "true", origin: "nowhere" });
    }
    const isComplete = await findSecrets(run);
    for (const line of tableOf(run)) await print(line);
    await parts.logger.flush();
    return isComplete ? 0 : 1;
  },
};

/** Without the password of the store, all but the references can be told. */
async function findSecrets(run: JobRun): Promise<boolean> {
  const config = run.validate();
  try {
    Object.assign(run.jobEnv, await resolveSecrets(run, run.jobEnv));
    await resolveStepSecrets(run, config, config.steps ?? []);
    return true;
  } catch (error) {
    run.parts.logger.error("secrets", messageOf(error));
    return false;
  } finally {
    run.fillMasker();
    warnOfUnknownSecretNames(run);
  }
}

function tableOf({ secrets, parts: { masker } }: JobRun): string[] {
  if (secrets.length === 0) return ["Nothing is masked"];
  const rows = secrets.map(({ name, value, rule }) => {
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
