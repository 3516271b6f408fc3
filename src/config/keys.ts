import { Variable } from "../environment/variables.ts";
import type { ConfigKey } from "./config_key.ts";
import { PLUGIN_KEYS } from "./plugin_keys.ts";
import { SECRET_KEYS } from "./secret_keys.ts";
import { SOURCE_KEYS } from "./source_keys.ts";

/** A key of the configuration, as job files spell it. */
export type ConfigName = (typeof CONFIG_KEYS)[number]["name"];

/** A key of the configuration whose value is one of a few words. */
export type ChoiceName = Extract<
  (typeof CONFIG_KEYS)[number],
  { kind: { choices: readonly string[] } }
>["name"];

/** A key of the configuration that is on or off. */
export type SwitchName = Extract<
  (typeof CONFIG_KEYS)[number],
  { kind: "switch" }
>["name"];

/** The words that a key of the configuration may hold. */
export type ChoiceOf<Name extends ChoiceName> = Extract<
  (typeof CONFIG_KEYS)[number],
  { name: Name; kind: unknown }
>["kind"]["choices"][number];

/**
 * Every key of the configuration.
 *
 * The resolver, the validator, `--help`, `config` and the options of `runJob`
 * all read this table.
 */
export const CONFIG_KEYS = [
  {
    name: "job_command",
    env: Variable.jobCommand,
    flag: "job-command",
    option: "command",
    valueName: "COMMAND",
    help: "Command that the job runs",
  },
  {
    name: "code_dir",
    env: Variable.codeDir,
    flag: "code-dir",
    option: "sourceDir",
    valueName: "PATH",
    defaultValue: "/job/src",
    help: "Where the source goes; /job or below",
  },
  {
    name: "job_dir",
    env: Variable.jobDir,
    flag: "job-dir",
    option: "jobDir",
    valueName: "PATH",
    help: "Where the command runs; the code directory unless given",
  },
  {
    name: "artifacts_dir",
    env: Variable.artifactsDir,
    flag: "artifacts-dir",
    option: "artifactsDir",
    valueName: "PATH",
    defaultValue: "/job/artifacts",
    help: "Where the job leaves its artifacts; /job or below",
  },
  ...SOURCE_KEYS,
  {
    name: "job_env",
    env: Variable.jobEnv,
    flag: "job-env",
    option: "env",
    valueName: "TEXT",
    help: "Environment of the command: KEY=VALUE lines, or ./job/FILE",
  },
  ...SECRET_KEYS,
  {
    name: "secrets_file",
    env: Variable.secretsFile,
    flag: "secrets-file",
    valueName: "PATH",
    help: "File of variables for a nested container",
  },
  {
    name: "runner_image",
    env: Variable.runnerImage,
    flag: "runner-image",
    valueName: "IMAGE",
    help: "Image of a nested container",
  },
  ...PLUGIN_KEYS,
  {
    name: "triggers_file",
    env: Variable.triggersFile,
    flag: "triggers-file",
    option: "triggersFile",
    valueName: "PATH",
    defaultValue: "/job/triggers.json",
    help: "Where follow-up jobs are written; /job or below",
  },
  {
    name: "trigger_transport",
    env: Variable.triggerTransport,
    flag: "trigger-transport",
    option: "triggerTransport",
    valueName: "WAY",
    defaultValue: "auto",
    kind: { choices: ["auto", "stdout", "file", "api"] },
    help: "How follow-up jobs are handed over: auto, stdout, file or api",
  },
  {
    name: "coordinator_timeout",
    env: Variable.coordinatorTimeout,
    flag: "coordinator-timeout",
    option: "coordinatorTimeoutMs",
    valueName: "TIME",
    defaultValue: "30s",
    kind: "duration",
    help: "Longest time that one request to the coordinator may take",
  },
  {
    name: "stderr",
    flag: "stderr",
    option: "stderr",
    valueName: "MODE",
    defaultValue: "merged",
    kind: { choices: ["merged", "separate"] },
    help: "Whether standard error joins standard output: merged or separate",
  },
  {
    name: "timeout",
    flag: "timeout",
    option: "timeoutMs",
    valueName: "TIME",
    kind: "duration",
    help: "Longest time the command may run, such as 90s, 15m or 2h",
  },
  {
    name: "grace",
    flag: "grace",
    option: "graceMs",
    valueName: "TIME",
    defaultValue: "10s",
    kind: "duration",
    help: "Time between the signal that ends the command and SIGKILL",
  },
  {
    name: "concurrency",
    env: Variable.concurrency,
    flag: "concurrency",
    option: "concurrency",
    valueName: "COUNT",
    kind: { minimum: 1, maximum: 1_024 },
    help: "Most steps that run at once; the number of processors unless given",
  },
  {
    name: "failure_policy",
    flag: "failure-policy",
    option: "failurePolicy",
    valueName: "POLICY",
    defaultValue: "finish",
    kind: { choices: ["finish", "continue", "kill"] },
    help: "What a failed step does to the others: finish, continue or kill",
  },
  {
    name: "only",
    flag: "only",
    option: "only",
    valueName: "NAMES",
    kind: "names",
    help: "Run these steps and no other, separated by commas",
  },
  {
    name: "from",
    flag: "from",
    option: "from",
    valueName: "NAMES",
    kind: "names",
    help: "Run these steps and those that depend on them",
  },
  {
    name: "skip",
    flag: "skip",
    option: "skip",
    valueName: "NAMES",
    kind: "names",
    help: "Run every step but these",
  },
  {
    name: "wait",
    env: Variable.wait,
    flag: "wait",
    option: "wait",
    kind: "switch",
    help: "Wait while another job uses the workspace, instead of failing",
  },
  {
    name: "log_group",
    flag: "log-group",
    option: "logGroup",
    kind: "switch",
    help: "Print the output of each step in one piece",
  },
  {
    name: "max_line_bytes",
    env: Variable.maxLineBytes,
    flag: "max-line-bytes",
    option: "maxLineBytes",
    valueName: "COUNT",
    kind: { minimum: 80, maximum: 999_999_999 },
    help: "Longest line of output, in bytes; longer ones are cut",
  },
  {
    name: "inherit_env",
    flag: "inherit-env",
    option: "inheritEnv",
    valueName: "NAMES",
    defaultValue: "true",
    kind: "inheritance",
    help: "Variables of the runner that the job gets: true, false or names",
  },
] as const satisfies readonly ConfigKey[];

const KEYS: ReadonlyMap<string, ConfigKey> = new Map(
  CONFIG_KEYS.map((key) => [key.name, key]),
);

/**
 * Finds a key of the configuration.
 *
 * @param name Name of the key.
 * @returns The key; `undefined` if there is none of that name.
 */
export function configKey(name: string): ConfigKey | undefined {
  return KEYS.get(name);
}
