/**
 * The table of options. A row contains everything about an option: its name,
 * property, flag, variable, type, default and description.
 *
 * Flags and `--help`, the layers of the configuration, its validation, the keys
 * of job files and their JSON Schema, the options of `runJob`, the table of
 * variables and the tables in `docs/` are derived from it.
 *
 * @module
 */
import type { Option, OptionType } from "./option.ts";
import { PLUGIN_OPTIONS, SECRET_OPTIONS } from "./security_options.ts";
import { SOURCE_OPTIONS, SOURCE_TYPES } from "./source_options.ts";

/**
 * Maximum length of an output line, in bytes, so that all workers can read it:
 * one of them supports at most 64 KiB.
 */
export const WORKER_LINE_BYTES = 60_000;

/** CI systems that show marked lines of a log, and the variable that each one sets. */
export const CI_SYSTEMS = {
  github: "GITHUB_ACTIONS",
  gitlab: "GITLAB_CI",
  buildkite: "BUILDKITE",
  teamcity: "TEAMCITY_VERSION",
  azure: "TF_BUILD",
} as const;

/** Formats of reports on a run. */
export const REPORT_FORMATS = [
  "table",
  "json",
  "markdown",
  "junit",
  "sarif",
  "html",
  "perfetto",
  "prometheus",
  "otlp",
  "profile",
] as const;

/** Every option. */
export const OPTIONS = [
  {
    name: "job_command",
    option: "command",
    flag: "job-command",
    valueName: "COMMAND",
    env: { name: "REACTORCIDE_JOB_COMMAND", setBy: "user", seenBy: "job" },
    keys: ["command", "job.command"],
    type: "command",
    doc: "Command that the job runs",
    details:
      "A string is run with `sh -c`; a list is a program and its arguments.",
  },
  {
    name: "shell",
    option: "shell",
    flag: "shell",
    valueName: "SHELL",
    env: { name: "REACTORCIDE_SHELL", setBy: "user" },
    keys: ["job.shell"],
    type: "shell",
    defaultText: "sh",
    doc: "Default shell of the command and the steps",
    form:
      "sh, bash, python, pwsh, deno, or a program with {} for the script file",
    details:
      "The named shells stop at the first error: `sh` is `/bin/sh -e`, and `bash` is `bash -eo pipefail`. Without a shell, a command is run with `sh -c`, which does not stop at errors.",
  },
  {
    name: "code_dir",
    option: "sourceDir",
    flag: "code-dir",
    env: { name: "REACTORCIDE_CODE_DIR", setBy: "worker" },
    keys: ["job.code_dir"],
    type: "jobDirectory",
    default: "/job/src",
    doc: "Directory for the source: /job or below",
    details:
      "Outside a container, `/job` is the directory `job` in the current one.",
  },
  {
    name: "job_dir",
    option: "cwd",
    flag: "job-dir",
    env: { name: "REACTORCIDE_JOB_DIR", setBy: "worker" },
    keys: ["working_dir", "job.job_dir", "job.working_dir"],
    type: "jobDirectory",
    defaultText: "the code directory",
    doc: "Working directory of the command: /job or below",
  },
  {
    name: "artifacts_dir",
    option: "artifactsDir",
    flag: "artifacts-dir",
    env: { name: "REACTORCIDE_ARTIFACTS_DIR", setBy: "user" },
    type: "jobDirectory",
    default: "/job/artifacts",
    doc: "Directory for artifacts: /job or below",
  },
  ...SOURCE_OPTIONS,
  {
    name: "job_env",
    option: "env",
    flag: "job-env",
    valueName: "TEXT",
    env: {
      name: "REACTORCIDE_JOB_ENV",
      setBy: "user",
      seenBy: "job",
      isOutside: true,
    },
    keys: ["environment", "job.environment"],
    type: "variables",
    doc: "Environment variables of the command",
    form: "KEY=VALUE lines, or ./job/FILE",
  },
  ...SECRET_OPTIONS,
  {
    name: "secrets_file",
    flag: "secrets-file",
    valueName: "PATH",
    env: {
      name: "REACTORCIDE_SECRETS_FILE",
      setBy: "user",
      seenBy: "job",
      isOutside: true,
    },
    type: "text",
    doc: "File with secret variables for a nested container",
  },
  {
    name: "runner_image",
    flag: "runner-image",
    valueName: "IMAGE",
    env: { name: "REACTORCIDE_RUNNER_IMAGE", setBy: "user" },
    keys: ["image", "job.image"],
    type: "text",
    doc: "Image of a nested container",
  },
  ...PLUGIN_OPTIONS,
  {
    name: "triggers_file",
    option: "triggers.file",
    flag: "triggers-file",
    env: { name: "REACTORCIDE_TRIGGERS_FILE", setBy: "worker" },
    type: "jobFile",
    default: "/job/triggers.json",
    doc: "File for follow-up jobs: /job or below",
  },
  {
    name: "trigger_transport",
    option: "triggers.transport",
    flag: "trigger-transport",
    env: { name: "REACTORCIDE_TRIGGER_TRANSPORT", setBy: "user" },
    type: { choices: ["auto", "stdout", "file", "api"] },
    default: "auto",
    doc: "How follow-up jobs are submitted",
    details:
      "With `auto`, they go to the coordinator if one is configured, and to the file otherwise. With `stdout`, they are printed as a line for the worker.",
  },
  {
    name: "coordinator_timeout",
    option: "triggers.coordinatorTimeoutMs",
    flag: "coordinator-timeout",
    env: {
      name: "REACTORCIDE_COORDINATOR_TIMEOUT",
      setBy: "user",
      isSetting: true,
    },
    type: "timeLimit",
    default: "30s",
    doc: "Time limit of one request to the coordinator",
  },
  {
    name: "coordinator_poll",
    env: {
      name: "REACTORCIDE_COORDINATOR_POLL",
      setBy: "user",
      isSetting: true,
    },
    type: "timeLimit",
    default: "2s",
    isCallersOnly: true,
    doc:
      "Polling interval of the jobs that `workflow run --executor coordinator` follows",
  },
  {
    name: "coordinator_outage",
    env: {
      name: "REACTORCIDE_COORDINATOR_OUTAGE",
      setBy: "user",
      isSetting: true,
    },
    type: "timeLimit",
    default: "10m",
    isCallersOnly: true,
    doc:
      "Maximum time that `workflow run --executor coordinator` waits for an unreachable coordinator",
  },
  {
    name: "stderr",
    option: "output.stderr",
    flag: "stderr",
    env: { name: "REACTORCIDE_STDERR", setBy: "user", isSetting: true },
    type: { choices: ["merged", "separate"] },
    default: "merged",
    doc: "Whether to merge standard error into standard output",
    details: "When merged, lines keep the order in which they were written.",
  },
  {
    name: "timeout",
    option: "limits.timeoutMs",
    flag: "timeout",
    keys: ["timeout_seconds", "job.timeout", "job.timeout_seconds"],
    type: "timeLimit",
    defaultText: "no limit",
    doc: "Time limit of the command",
    form: "90s, 15m, 2h, …",
  },
  {
    name: "grace",
    option: "limits.graceMs",
    flag: "grace",
    env: { name: "REACTORCIDE_GRACE", setBy: "user", isSetting: true },
    type: "duration",
    default: "10s",
    doc: "Time between the termination signal and SIGKILL",
  },
  {
    name: "concurrency",
    option: "limits.concurrency",
    flag: "concurrency",
    env: { name: "REACTORCIDE_CONCURRENCY", setBy: "user", isSetting: true },
    keys: ["job.concurrency"],
    type: { minimum: 1, maximum: 1_024 },
    defaultText: "the number of processors",
    doc: "Maximum number of concurrent steps",
  },
  {
    name: "failure_policy",
    option: "failurePolicy",
    flag: "failure-policy",
    env: { name: "REACTORCIDE_FAILURE_POLICY", setBy: "user", isSetting: true },
    keys: ["job.failure_policy"],
    type: { choices: ["finish", "continue", "kill"] },
    default: "finish",
    doc: "What happens to other steps when one fails",
    details:
      "With `finish`, running steps finish and no others start. With `continue`, all other steps run. With `kill`, running steps are stopped.",
  },
  {
    name: "fail_on_flaky",
    option: "failOnFlaky",
    flag: "fail-on-flaky",
    env: {
      name: "REACTORCIDE_FAIL_ON_FLAKY",
      setBy: "user",
      isSetting: true,
    },
    keys: ["job.fail_on_flaky"],
    type: "boolean",
    default: "false",
    doc: "Fail the job if a step succeeds only after a retry",
  },
  {
    name: "only",
    option: "selection.only",
    flag: "only",
    type: "list",
    doc: "Run only these steps",
  },
  {
    name: "from",
    option: "selection.from",
    flag: "from",
    type: "list",
    doc: "Run these steps and those that depend on them",
  },
  {
    name: "skip",
    option: "selection.skip",
    flag: "skip",
    type: "list",
    doc: "Run all steps except these",
  },
  {
    name: "rerun_failed",
    option: "selection.rerunFailed",
    flag: "rerun-failed",
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Run the steps that failed in the last run, and their dependents",
    details:
      "The record of the last run and the outputs of its steps are read from the workspace. A step without a failure runs again only if its outputs are needed and were not kept.",
  },
  {
    name: "shell_on_failure",
    option: "debug.shellOnFailure",
    flag: "shell-on-failure",
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Open a shell on the terminal when a step has failed",
  },
  {
    name: "break",
    option: "debug.breakpoints",
    flag: "break",
    valueName: "before:STEP|after:STEP",
    type: "list",
    members: {
      pattern: /^(?:before|after):./s,
      words: 'be "before:" or "after:" followed by the name of a step',
    },
    isCallersOnly: true,
    doc: "Open a shell on the terminal before or after this step",
  },
  {
    name: "wait",
    option: "wait",
    flag: "wait",
    env: { name: "REACTORCIDE_WAIT", setBy: "user", isSetting: true },
    type: "boolean",
    doc: "Wait while another job uses the workspace instead of failing",
  },
  {
    name: "log_group",
    option: "output.group",
    flag: "log-group",
    env: { name: "REACTORCIDE_LOG_GROUP", setBy: "user", isSetting: true },
    type: "boolean",
    doc: "Print the output of each step as one block",
  },
  {
    name: "timestamps",
    option: "output.timestamps",
    flag: "timestamps",
    env: {
      name: "REACTORCIDE_TIMESTAMPS",
      setBy: "user",
      seenBy: "runner",
      isSetting: true,
    },
    type: "boolean",
    default: "false",
    doc: "Prefix each line of output with the time of day, in UTC",
  },
  {
    name: "max_line_bytes",
    option: "output.maxLineBytes",
    flag: "max-line-bytes",
    env: {
      name: "REACTORCIDE_MAX_LINE_BYTES",
      setBy: "user",
      isSetting: true,
    },
    type: { minimum: 80, maximum: 999_999_999 },
    defaultText: `${WORKER_LINE_BYTES} in a container, no limit elsewhere`,
    doc:
      "Maximum length of a line of output, in bytes; longer lines are truncated",
  },
  {
    name: "record",
    option: "output.record",
    flag: "record",
    valueName: "PATH",
    env: {
      name: "REACTORCIDE_RECORD",
      setBy: "user",
      seenBy: "runner",
      isOutside: true,
    },
    type: "text",
    defaultText:
      "`run.jsonl` in the directory for artifacts, if the job has steps or a source",
    isCallersOnly: true,
    doc: "File for the record of the run; `off` for none",
  },
  {
    name: "report",
    option: "output.reports",
    flag: "report",
    valueName: "FORMAT[=PATH]",
    env: {
      name: "REACTORCIDE_REPORT",
      setBy: "user",
      seenBy: "runner",
      isOutside: true,
    },
    type: "list",
    default: "",
    members: {
      pattern: new RegExp(
        `^(?:(?:${REPORT_FORMATS.join("|")})(?:=(?!https?://).+)?|` +
          "prometheus=https?://.+)$",
      ),
      words: `be ${
        REPORT_FORMATS.join(", ")
      } or one of these with "=" and the path of a file (for prometheus, also the URL of a push gateway)`,
    },
    doc: "Reports to write after the run",
    details:
      "Without a path, a report goes into the directory for artifacts. With `prometheus=URL`, the metrics go to a push gateway.",
  },
  {
    name: "compare_with",
    option: "output.compareWith",
    flag: "compare-with",
    valueName: "FILE",
    env: {
      name: "REACTORCIDE_COMPARE_WITH",
      setBy: "user",
      seenBy: "runner",
      isOutside: true,
    },
    type: "text",
    defaultText: "the record that the run replaces, if it is of the same job",
    isCallersOnly: true,
    doc: "Record of an earlier run to compare this one with in the HTML report",
  },
  {
    name: "annotate",
    option: "output.annotate",
    flag: "annotate",
    env: { name: "REACTORCIDE_ANNOTATE", setBy: "user", seenBy: "runner" },
    type: {
      choices: [
        "auto",
        "github",
        "gitlab",
        "buildkite",
        "teamcity",
        "azure",
        "off",
      ],
    },
    default: "auto",
    doc: "CI system in which failed steps are annotated",
    details:
      "With `auto`, GitHub Actions, GitLab, Buildkite, TeamCity and Azure Pipelines are detected by their variables.",
  },
  {
    name: "problem_matchers",
    option: "output.problemMatchers",
    flag: "problem-matcher",
    valueName: "FILE",
    env: {
      name: "REACTORCIDE_PROBLEM_MATCHERS",
      setBy: "user",
      seenBy: "runner",
      isOutside: true,
    },
    type: "list",
    default: "",
    doc: "Problem matcher files in GitHub's format",
    details:
      "A path is relative to the current directory; below `/job`, it is in the workspace.",
  },
  {
    name: "profile",
    option: "output.profile",
    flag: "profile",
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Print a profile of the run at its end",
    details:
      "For an earlier run, `runnerlib report --format profile` prints the same.",
  },
  {
    name: "otel",
    option: "output.otel",
    flag: "otel",
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Export the run to an OpenTelemetry collector",
    details:
      "Setting `OTEL_EXPORTER_OTLP_ENDPOINT` has the same effect. Without that variable, the collector is at `http://localhost:4318`.",
  },
  {
    name: "otel_logs",
    option: "output.otelLogs",
    flag: "otel-logs",
    env: { name: "REACTORCIDE_OTEL_LOGS", setBy: "user", seenBy: "runner" },
    type: "boolean",
    default: "false",
    doc: "Also export the output of steps to the collector",
    details:
      "Requires `--otel`, or the address of a collector in `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.",
  },
  {
    name: "inherit_env",
    option: "inheritEnv",
    flag: "inherit-env",
    env: { name: "REACTORCIDE_INHERIT_ENV", setBy: "user", isSetting: true },
    keys: ["job.inherit_env"],
    type: "inheritance",
    default: "true",
    doc: "Variables of the runner that the job inherits",
    form: "true, false or names",
  },
  {
    name: "cache",
    option: "cache.mode",
    flag: "cache",
    env: { name: "REACTORCIDE_CACHE", setBy: "user", isSetting: true },
    type: { choices: ["read-write", "read-only", "write-only", "off"] },
    default: "read-write",
    isCallersOnly: true,
    doc: "Whether results of steps are restored from the cache and saved",
  },
  {
    name: "cache_explain",
    option: "cache.explain",
    flag: "cache-explain",
    env: {
      name: "REACTORCIDE_CACHE_EXPLAIN",
      setBy: "user",
      seenBy: "runner",
      isSetting: true,
    },
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Print why steps run, or are restored from the cache",
  },
  {
    name: "cache_audit",
    option: "cache.audit",
    flag: "cache-audit",
    type: "boolean",
    default: "false",
    isCallersOnly: true,
    doc: "Run steps even if their results are cached, and compare the two",
  },
  {
    name: "cache_store",
    option: "cache.store",
    env: {
      name: "REACTORCIDE_CACHE_STORE",
      setBy: "user",
      isSetting: true,
      isUrl: true,
      isOutside: true,
    },
    type: "text",
    defaultText: "`reactorcide/cache` in the user's cache directory",
    isCallersOnly: true,
    doc:
      "Store of the cache: the path of a directory, or a file:, https: or s3: URL",
  },
  {
    name: "cache_max_bytes",
    option: "cache.maxBytes",
    env: {
      name: "REACTORCIDE_CACHE_MAX_BYTES",
      setBy: "user",
      isSetting: true,
    },
    type: { minimum: 1, maximum: 1_000_000_000_000_000 },
    default: "10737418240",
    isCallersOnly: true,
    doc: "Maximum size of the cache, and of one unpacked entry, in bytes",
  },
  {
    name: "cache_namespace",
    option: "cache.namespace",
    env: {
      name: "REACTORCIDE_CACHE_NAMESPACE",
      setBy: "worker",
      isSetting: true,
    },
    type: "text",
    default: "local",
    isCallersOnly: true,
    doc: "Namespace of the cache to read and write",
  },
  {
    name: "artifact_namespace",
    env: {
      name: "REACTORCIDE_ARTIFACT_NAMESPACE",
      setBy: "worker",
      isSetting: true,
    },
    type: "text",
    default: "local",
    isCallersOnly: true,
    doc: "Namespace of the artifacts to save and list",
  },
  {
    name: "cache_read_from",
    option: "cache.readFrom",
    env: {
      name: "REACTORCIDE_CACHE_READ_FROM",
      setBy: "worker",
      isSetting: true,
    },
    type: "list",
    isCallersOnly: true,
    doc: "Other namespaces of the cache to read, but not write",
  },
] as const satisfies readonly Option[];

/** Returns the default of an option in text form. */
export function getDefault<
  Name extends Extract<OptionRow, { default: string }>["name"],
>(name: Name): DefaultOf<Name> {
  return findOption(name)!.default as DefaultOf<Name>;
}

type DefaultOf<Name> = Extract<OptionRow, { name: Name; default: string }>[
  "default"
];

/**
 * Describes an option in one line, for help texts and tables.
 *
 * @returns Description and text form, without a period.
 */
export function describeOption({ doc, form, type }: Option): string {
  const words = type === "sourceType"
    ? SOURCE_TYPES
    : typeof type === "object" && "choices" in type
    ? type.choices
    : undefined;
  const text = form ??
    (words && `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`);
  return text === undefined ? doc : `${doc}: ${text}`;
}

/** Descriptions of the option groups, by property. */
export const OPTION_GROUPS = {
  source: "Source of the code",
  ciSource: "Source of the trusted CI code in /job/ci",
  checkout: "Git checkout",
  copy: "Copies of directories",
  archive: "Archives",
  secrets: "Secrets and masking",
  plugins: "Plugins and their permissions",
  triggers: "How follow-up jobs are submitted",
  limits: "Time limits and concurrency",
  selection: "Selection of steps",
  debug: "Shells for debugging",
  output: "Output",
  cache: "Cache",
} as const;

/** A row of the table. */
export type OptionRow = (typeof OPTIONS)[number];

/** Name of an option. */
export type OptionName = OptionRow["name"];

/** Names of the options of a type. */
export type OptionNameOf<Type> = Extract<OptionRow, { type: Type }>["name"];

const BY_NAME: ReadonlyMap<string, Option> = new Map(
  OPTIONS.map((option) => [option.name, option]),
);

/**
 * Finds an option.
 *
 * @param name Its name, or any other text.
 * @returns Its row; `undefined` for an unknown name.
 */
export function findOption(name: string): Option | undefined {
  return BY_NAME.get(name);
}

/** Value of an option of a type. */
type ValueOf<Type extends OptionType> = Type extends
  { readonly choices: readonly (infer Word)[] } ? Word
  : Type extends { readonly minimum: number } | "duration" | "timeLimit"
    ? number
  : Type extends "boolean" ? boolean
  : Type extends "variables" ? Readonly<Record<string, string>>
  : Type extends "command" ? string | readonly string[]
  : Type extends "shell" ? readonly string[]
  : Type extends "inheritance" ? boolean | readonly string[]
  : Type extends
    "text" | "jobDirectory" | "jobFile" | "sourceType" | "secretProviders"
    ? string
  : readonly string[];

/** Value of an option; `undefined` if it may be unset and has no default. */
export type OptionValue<Name extends OptionName> = RowValue<
  Extract<OptionRow, { name: Name }>
>;

type RowValue<Row extends OptionRow> = Row extends
  { default: string } | { type: "boolean" | "variables" } ? ValueOf<Row["type"]>
  : ValueOf<Row["type"]> | undefined;

type LibraryRow = Extract<OptionRow, { option: string }>;

/** Values of all options, in the structure of the options of `runJob`. */
export type OptionValues =
  & {
    readonly [
      Row in LibraryRow as Row["option"] extends `${string}.${string}` ? never
        : Row["option"]
    ]: RowValue<Row>;
  }
  & {
    readonly [Group in keyof typeof OPTION_GROUPS]: {
      readonly [
        Row in LibraryRow as Row["option"] extends `${Group}.${infer Key}` ? Key
          : never
      ]: RowValue<Row>;
    };
  };
