import { resolve } from "@std/path/posix/resolve";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { Cancellation } from "../../process/cancellation.ts";
import {
  type KnownSecrets,
  maskSecret,
  secretsOfSettings,
  warnOfUnknownSecretNames,
} from "../../runner/mask_secrets.ts";
import {
  resolveSecrets,
  resolveStepSecrets,
} from "../../runner/resolve_secrets.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type { KnownSecret } from "../../secrets/collect.ts";
import { Masker } from "../../secrets/masker.ts";
import { printable } from "../../terminal/text.ts";
import { displayWidth, padToWidth } from "../../terminal/width.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import {
  checkCommandConfig,
  type CommandConfig,
  loadCommandConfig,
} from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import { artifactsPath, JOB_FILE_FLAG } from "../job_location.ts";

/** Heading of the table. */
const HEADING = ["NAME", "WHY", "FORMS", "HITS"];

/** Maximum size of a log in which secrets are counted, in bytes. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

export const explainMasksCommand: CliCommand = {
  usage: "[OPTIONS]",
  description:
    `Shows what a job with this configuration masks from the start: the names, why
they are secret, how many forms of each value are masked, and how often it would
be masked in the log given with --log, or in the step logs of the last run. Values
are never shown. Secrets that a job registers while it runs are not listed.`,
  examples: [
    ["explain-masks", "Show what the job.yaml of the directory masks"],
    [
      "explain-masks --job-env TOKEN=abcdefgh --secret-env-names TOKEN",
      "Show what these options mask",
    ],
  ],
  flags: [
    ...configFlags(),
    JOB_FILE_FLAG,
    {
      name: "log",
      valueName: "FILE",
      help: "Log to count in (the step logs in job/artifacts/logs)",
    },
  ],
  maxOperands: 0,
  async run(context) {
    const { runner, print } = context;
    const loaded = await loadCommandConfig(context, {
      needsCommand: false,
      findsJobFile: true,
    });
    const { isComplete, secrets } = await findSecrets(loaded);
    const logs = await readLogs(context);
    for (const line of formatSecrets(secrets, runner, logs)) await print(line);
    const { placeholder } = runner.masker;
    const maskedCount = countOccurrences(
      new TextDecoder().decode(placeholder),
      logs,
    );
    if (maskedCount > 0) {
      runner.logger.info(
        "secrets",
        `The log has ${maskedCount} places that were masked when it was written, which HITS cannot count; a run with --no-mask or --secret-env-names none shows them`,
      );
    }
    await runner.logger.flush();
    return isComplete ? 0 : 1;
  },
};

/** Collects secrets; without the store's password, references are missing. */
async function findSecrets(
  loaded: CommandConfig,
): Promise<{ isComplete: boolean; secrets: KnownSecrets }> {
  const { runner, secretsInput } = loaded;
  const { config, secrets } = checkCommandConfig(loaded);
  let jobEnv = config.env;
  let isComplete = true;
  try {
    const run = {
      runner,
      secrets,
      settings: secretsInput.settings,
      cancellation: new Cancellation(),
    };
    jobEnv = await resolveSecrets(run, jobEnv);
    await resolveStepSecrets(run, config, config.steps ?? []);
  } catch (error) {
    runner.logger.error("secrets", messageOf(error));
    isComplete = false;
  }
  const resolved = { ...secretsInput, jobEnv };
  secrets.add(secretsOfSettings(resolved).secrets);
  warnOfUnknownSecretNames(resolved, runner.logger);
  return { isComplete, secrets };
}

/** Reads the given log, or the logs of the last run. */
async function readLogs(
  { flags, runner }: CommandContext,
): Promise<string[]> {
  const logFlag = flags.get("log");
  const paths = typeof logFlag === "string"
    ? [resolve(runner.host.cwd, logFlag)]
    : await findLogs(`${artifactsPath(runner)}/logs`);
  const decoder = new TextDecoder();
  return await Promise.all(paths.map(async (path) => {
    try {
      const bytes = await readUntrusted(path, { maxBytes: MAX_LOG_BYTES });
      return decoder.decode(bytes);
    } catch (cause) {
      if (logFlag === undefined) return "";
      throw new RunnerError(
        `Cannot read the log "${logFlag}": ${osReason(cause)}`,
        { code: "invalid-config", cause },
      );
    }
  }));
}

async function findLogs(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.filter(({ isFile }) => isFile)
      .map(({ name }) => `${directory}/${name}`).sort();
  } catch {
    // There are no logs.
    return [];
  }
}

/** Counts occurrences of a text in logs. */
function countOccurrences(text: string, logs: readonly string[]): number {
  return text === ""
    ? 0
    : logs.reduce((count, log) => count + log.split(text).length - 1, 0);
}

/** Counts how often a secret, in any form, would be masked in logs. */
function countHits(
  secret: KnownSecret,
  minBytes: number,
  logs: readonly string[],
): number {
  const masker = new Masker();
  masker.minBytes = minBytes;
  maskSecret(masker, secret);
  const mark = new TextDecoder().decode(masker.placeholder);
  const masked = logs.map((log) => masker.maskText(log));
  return countOccurrences(mark, masked) - countOccurrences(mark, logs);
}

/** Returns the number of forms in which a secret is masked. */
function countForms(secret: KnownSecret, minBytes: number): number {
  const masker = new Masker();
  masker.minBytes = minBytes;
  return maskSecret(masker, secret) ? masker.formTotal : 0;
}

function formatSecrets(
  { all }: KnownSecrets,
  { masker: { minBytes } }: RunnerContext,
  logs: readonly string[],
): string[] {
  if (all.length === 0) return ["Nothing is masked"];
  const rows = all.map((secret) => {
    const count = countForms(secret, minBytes);
    return [
      printable(secret.name),
      secret.rule,
      count > 0 ? String(count) : "too short",
      logs.length === 0 ? "-" : String(countHits(secret, minBytes, logs)),
    ];
  });
  return alignColumns([HEADING, ...rows]);
}

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADING.map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column])))
  );
  return rows.map((row) =>
    row.map((cell, at) => padToWidth(cell, widths[at])).join("  ").trimEnd()
  );
}
