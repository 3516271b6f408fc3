/**
 * All variables that the worker, the coordinator and the runner share: their
 * names, who sets them, and which programs see them.
 *
 * Other files refer to a variable by key, as `Variable.jobId`, and get the
 * environment of a program from `childEnvironment()`, which applies this table.
 *
 * @module
 */

import type { VariableFacts } from "../options/option.ts";
import { type OptionRow, OPTIONS } from "../options/options.ts";

/** Pattern of a variable name that shells accept. */
export const VARIABLE_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** One variable. */
export interface VariableInfo extends VariableFacts {
  /** Meaning, in Markdown. The variable of an option has the option's text. */
  readonly doc?: string;
}

type VariableTable = Readonly<Record<string, VariableInfo>>;

/** Converts an option's name to a key: `codeDir` for `code_dir`. */
type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type OptionVariables = {
  readonly [
    Row in Extract<OptionRow, { env: unknown }> as CamelCase<Row["name"]>
  ]: Row["env"];
};

/**
 * Variables of options, whose facts and descriptions are in the table of
 * options.
 */
const CONFIGURATION = collectOptionVariables();

/** Image that the coordinator uses for jobs without one. */
export const DEFAULT_RUNNER_IMAGE =
  "containers.catalystsquad.com/public/reactorcide/runnerbase:dev";

/** Variables that describe a job, its steps and its runner. */
const JOB = {
  jobId: { name: "REACTORCIDE_JOB_ID", setBy: "worker", doc: "ID of the job" },
  jobKind: {
    name: "REACTORCIDE_JOB_KIND",
    setBy: "worker",
    doc: "`eval` for a job that evaluates an event",
  },
  queue: {
    name: "REACTORCIDE_QUEUE",
    setBy: "worker",
    doc: "Queue of the job; `local` for a job of `runnerlib workflow`",
  },
  workerMode: {
    name: "REACTORCIDE_WORKER_MODE",
    setBy: "worker",
    doc: "`local` for a job that runs without a deployed worker",
  },
  inContainer: {
    name: "REACTORCIDE_IN_CONTAINER",
    setBy: "worker",
    doc:
      "Whether the runner is in a job's container: `true`, `1`, `yes`, `false`, `0` or `no`. If unset, the runner assumes so if its current directory is in `/job` or it can write to `/job`",
  },
  workspace: {
    name: "REACTORCIDE_WORKSPACE",
    setBy: "runner",
    isOutside: true,
    doc:
      "Absolute path of the workspace outside a container; `./job` by default",
  },
  gitUrl: {
    name: "REACTORCIDE_GIT_URL",
    setBy: "user",
    isUrl: true,
    doc: "Older name of `REACTORCIDE_SOURCE_URL`",
  },
  gitRef: {
    name: "REACTORCIDE_GIT_REF",
    setBy: "user",
    doc: "Older name of `REACTORCIDE_SOURCE_REF`",
  },
  sourcePath: {
    name: "REACTORCIDE_SOURCE_PATH",
    setBy: "worker",
    doc: "Path of the source in a job whose source is a directory",
  },
  sourceDir: {
    name: "REACTORCIDE_SOURCE_DIR",
    setBy: "user",
    doc:
      "Directory of the source that `runnerlib eval` reads; `/job/src` by default",
  },
  ciSourceDir: {
    name: "REACTORCIDE_CI_SOURCE_DIR",
    setBy: "worker",
    isOutside: true,
    doc:
      "Directory where the worker mounts the trusted CI source; plugins can be loaded from it. In a job with untrusted steps, it is the private copy for trusted steps",
  },
  coordinatorUrl: {
    name: "REACTORCIDE_COORDINATOR_URL",
    setBy: "coordinator",
    isUrl: true,
    doc: "URL of the coordinator's API",
  },
  apiToken: {
    name: "REACTORCIDE_API_TOKEN",
    setBy: "coordinator",
    seenBy: "job",
    isSecret: true,
    doc: "Token of the job for the coordinator",
  },
  readToken: {
    name: "REACTORCIDE_READ_TOKEN",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc:
      "Token that can read jobs; without it, only results of the same workflow are known",
  },
  allowInsecureTransport: {
    name: "REACTORCIDE_ALLOW_INSECURE_TRANSPORT",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    doc:
      "`true` allows sending tokens to the coordinator over plain HTTP, like `--allow-insecure-transport`",
  },
  cacheToken: {
    name: "REACTORCIDE_CACHE_TOKEN",
    setBy: "worker",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc: "Bearer token for an HTTP store of `runnerlib cache`",
  },
  secretsPassword: {
    name: "REACTORCIDE_SECRETS_PASSWORD",
    setBy: "user",
    seenBy: "runner",
    isSetting: true,
    isSecret: true,
    doc: "Password of the secret store",
  },
  secretsSocket: {
    name: "REACTORCIDE_SECRETS_SOCKET",
    setBy: "runner",
    seenBy: "job",
    isOutside: true,
    doc: "Socket on which `runnerlib register-secret` reaches the job's runner",
  },
  triggerNonce: {
    name: "REACTORCIDE_TRIGGER_NONCE",
    setBy: "worker",
    seenBy: "runner",
    isSecret: true,
    doc: "Nonce that marks trigger lines on standard output as genuine",
  },
  vcsAuthDir: {
    name: "REACTORCIDE_VCS_AUTH_DIR",
    setBy: "worker",
    seenBy: "job",
    isOutside: true,
    doc:
      "Directory with git credentials; removed once the sources are prepared",
  },
  vcsAuthCleanup: {
    name: "REACTORCIDE_VCS_AUTH_CLEANUP",
    setBy: "worker",
    seenBy: "job",
    isOutside: true,
    doc: "`0`, `false` or `no` keeps the files in `REACTORCIDE_VCS_AUTH_DIR`",
  },
  envNames: {
    name: "REACTORCIDE_ENV_NAMES",
    setBy: "runner",
    seenBy: "runner",
    doc:
      "Names of the variables that a pipeline of `runnerlib exec` may read, separated by `=`",
  },
  runId: {
    name: "REACTORCIDE_RUN_ID",
    setBy: "runner",
    isSetting: true,
    doc:
      "ID of the run; nested runners use it to add to the files of the run instead of replacing them",
  },
  workspaceLock: {
    name: "REACTORCIDE_WORKSPACE_LOCK",
    setBy: "runner",
    isSetting: true,
    doc:
      "IDs of the workspace locks that the run holds; nested runners use the workspace under the same locks",
  },
  processTag: {
    name: "REACTORCIDE_PROCESS_TAG",
    setBy: "runner",
    isSetting: true,
    doc: "Tag by which the runner finds and ends the processes of a run",
  },
  stepName: {
    name: "REACTORCIDE_STEP_NAME",
    setBy: "runner",
    doc: "Name of the step",
  },
  output: {
    name: "REACTORCIDE_OUTPUT",
    setBy: "runner",
    doc: "File for the outputs of a step, as `key=value` lines",
  },
  stepOutput: {
    name: "REACTORCIDE_OUTPUT_<STEP>_<KEY>",
    setBy: "runner",
    seenBy: "job",
    doc: "Output of a step that this one depends on",
  },
  port: {
    name: "REACTORCIDE_PORT_<NAME>",
    setBy: "runner",
    doc: "Port of a service that the step is or depends on",
  },
} as const satisfies VariableTable;

/** Variables that describe the event for which a job runs. */
const EVENT = {
  ci: {
    name: "REACTORCIDE_CI",
    setBy: "coordinator",
    isSetting: true,
    doc: "`true` for a job that an event started",
  },
  provider: {
    name: "REACTORCIDE_PROVIDER",
    setBy: "coordinator",
    isSetting: true,
    doc: "Host of the repository, such as `github`",
  },
  eventType: {
    name: "REACTORCIDE_EVENT_TYPE",
    setBy: "coordinator",
    doc: "Event, such as `push`",
  },
  repo: {
    name: "REACTORCIDE_REPO",
    setBy: "coordinator",
    isSetting: true,
    doc: "Repository, as `owner/name`",
  },
  branch: {
    name: "REACTORCIDE_BRANCH",
    setBy: "coordinator",
    doc: "Branch or tag of the event; base branch of a pull request",
  },
  sha: {
    name: "REACTORCIDE_SHA",
    setBy: "coordinator",
    doc: "Commit of the event",
  },
  prNumber: {
    name: "REACTORCIDE_PR_NUMBER",
    setBy: "coordinator",
    doc: "Number of the pull request",
  },
  prRef: {
    name: "REACTORCIDE_PR_REF",
    setBy: "coordinator",
    doc: "Head branch of the pull request",
  },
  prBaseRef: {
    name: "REACTORCIDE_PR_BASE_REF",
    setBy: "coordinator",
    doc: "Base branch of the pull request",
  },
  diffBase: {
    name: "REACTORCIDE_DIFF_BASE",
    setBy: "coordinator",
    doc: "Commit against which changed files are computed",
  },
  isForkPr: {
    name: "REACTORCIDE_IS_FORK_PR",
    setBy: "coordinator",
    doc: "`true` if the pull request comes from a fork",
  },
  headUrl: {
    name: "REACTORCIDE_HEAD_URL",
    setBy: "coordinator",
    isUrl: true,
    doc: "Head repository of the pull request",
  },
  headRef: {
    name: "REACTORCIDE_HEAD_REF",
    setBy: "coordinator",
    doc: "Head branch or commit",
  },
  baseUrl: {
    name: "REACTORCIDE_BASE_URL",
    setBy: "coordinator",
    isUrl: true,
    doc: "Base repository of the pull request",
  },
  baseRef: {
    name: "REACTORCIDE_BASE_REF",
    setBy: "coordinator",
    doc: "Base branch",
  },
  headActor: {
    name: "REACTORCIDE_HEAD_ACTOR",
    setBy: "coordinator",
    doc: "Author of the proposed change",
  },
  actorSubjects: {
    name: "REACTORCIDE_ACTOR_SUBJECTS",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Names and groups of the author that policies match",
  },
  ciPolicy: {
    name: "REACTORCIDE_CI_POLICY",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Policy for changes of CI files",
  },
  ciPolicyRevision: {
    name: "REACTORCIDE_CI_POLICY_REVISION",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Revision of the policy",
  },
  ciApprovals: {
    name: "REACTORCIDE_CI_APPROVALS",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Approvals of the change",
  },
  reportTargetId: {
    name: "REACTORCIDE_REPORT_TARGET_ID",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Target that the result is reported to",
  },
  reportGeneration: {
    name: "REACTORCIDE_REPORT_GENERATION",
    setBy: "coordinator",
    seenBy: "job",
    doc: "Sequence number of the report",
  },
} as const satisfies VariableTable;

/** Variables that describe the workflow to which a job belongs. */
const WORKFLOW = {
  workflowId: {
    name: "RC_WF_ID",
    setBy: "coordinator",
    doc: "ID of the workflow",
  },
  workflowRunId: {
    name: "RC_WF_RUN_ID",
    setBy: "coordinator",
    doc: "ID of the run of the workflow",
  },
  workflowNodeId: {
    name: "RC_WF_NODE_ID",
    setBy: "coordinator",
    doc: "ID of this job in the run",
  },
  workflowNodeName: {
    name: "RC_WF_NODE_NAME",
    setBy: "coordinator",
    doc: "Name of this job in the workflow",
  },
  workflowVarsJson: {
    name: "RC_WF_VARS_JSON",
    setBy: "coordinator",
    doc: "Variables of the workflow, as JSON",
  },
  workflowVarsFile: {
    name: "RC_WF_VARS_FILE",
    setBy: "coordinator",
    doc: "File with the variables of the workflow",
  },
  workflowOutputFile: {
    name: "RC_WF_OUTPUT_FILE",
    setBy: "coordinator",
    doc: "File for the outputs of the job",
  },
  workflowStateFile: {
    name: "REACTORCIDE_WORKFLOW_STATE_FILE",
    setBy: "runner",
    isOutside: true,
    doc: "State of the other jobs of `runnerlib workflow`",
  },
} as const satisfies VariableTable;

/** Variables that the runner reads and other programs define as well. */
const SHARED = {
  logFormat: {
    name: "LOG_FORMAT",
    setBy: "user",
    isSetting: true,
    doc: "`json` prints every line as an object",
  },
  logLevel: {
    name: "LOG_LEVEL",
    setBy: "user",
    isSetting: true,
    doc:
      "Lowest level of the runner's messages: `debug`, `info`, `warning`, `error` or `fatal`",
  },
  noColor: {
    name: "NO_COLOR",
    setBy: "user",
    isSetting: true,
    doc: "Any non-empty value turns colors off",
  },
  forceColor: {
    name: "FORCE_COLOR",
    setBy: "user",
    isSetting: true,
    doc:
      "`0` or `false` turns colors off; any other non-empty value turns them on",
  },
  traceParent: {
    name: "TRACEPARENT",
    setBy: "user",
    isSetting: true,
    doc: "Trace that the job belongs to, in the format of W3C Trace Context",
  },
  traceState: {
    name: "TRACESTATE",
    setBy: "user",
    isSetting: true,
    doc: "Vendor data of the trace, in the format of W3C Trace Context",
  },
  otlpHeaders: {
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc: "Headers of requests to a collector of OpenTelemetry",
  },
  otlpTracesHeaders: {
    name: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc: "The same for traces alone",
  },
  otlpMetricsHeaders: {
    name: "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc: "The same for metrics alone",
  },
  otlpLogsHeaders: {
    name: "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    setBy: "user",
    seenBy: "job",
    isSetting: true,
    isSecret: true,
    doc: "The same for logs alone",
  },
  docker: {
    name: "DOCKER",
    setBy: "user",
    isSetting: true,
    doc:
      "Container engine: name or path of a program with the command line of `docker`",
  },
  configHome: {
    name: "XDG_CONFIG_HOME",
    setBy: "user",
    isSetting: true,
    doc: "Directory of the secret store; `~/.config` by default",
  },
} as const satisfies VariableTable;

/** All variables by subject. */
export const VARIABLE_GROUPS = {
  configuration: CONFIGURATION,
  job: JOB,
  event: EVENT,
  workflow: WORKFLOW,
  shared: SHARED,
} as const;

type Table =
  & typeof CONFIGURATION
  & typeof JOB
  & typeof EVENT
  & typeof WORKFLOW
  & typeof SHARED;

type Names = { readonly [Key in keyof Table]: Table[Key]["name"] };

const BY_NAME = new Map<string, VariableInfo>();

/** Name of each variable, by its key. */
export const Variable: Names = collectNames();

/** Names of variables whose values are always secrets. */
export const SECRET_VARIABLES: readonly string[] = [...BY_NAME.values()]
  .filter(({ isSecret }) => isSecret).map(({ name }) => name);

/** Returns the names, and fills the table by name in the same pass. */
function collectNames(): Names {
  const names: Record<string, string> = {};
  for (const group of Object.values<VariableTable>(VARIABLE_GROUPS)) {
    for (const [key, info] of Object.entries(group)) {
      names[key] = info.name;
      BY_NAME.set(info.name, info);
    }
  }
  return names as unknown as Names;
}

function collectOptionVariables(): OptionVariables {
  const variables: Record<string, VariableInfo> = {};
  for (const option of OPTIONS) {
    if ("env" in option) variables[toCamelCase(option.name)] = option.env;
  }
  return variables as unknown as OptionVariables;
}

function toCamelCase(name: string): string {
  let key = "";
  for (const word of name.split("_")) {
    key += key === "" ? word : word[0].toUpperCase() + word.slice(1);
  }
  return key;
}

/** Prefix of the names of outputs, followed by the name of the step. */
const OUTPUT_PREFIX = `${Variable.output}_`;

/** Prefix of the names of ports, followed by the name of the port. */
export const PORT_PREFIX = "REACTORCIDE_PORT_";

/**
 * Looks up a variable.
 *
 * @returns Its row; `undefined` if the table does not have it.
 */
export function findVariable(name: string): VariableInfo | undefined {
  return BY_NAME.get(name) ??
    (name.startsWith(OUTPUT_PREFIX)
      ? JOB.stepOutput
      : name.startsWith(PORT_PREFIX)
      ? JOB.port
      : undefined);
}

/** Prefix of the names of the system's variables. */
export const SYSTEM_PREFIX = "REACTORCIDE_";

/**
 * Checks whether a name has a prefix reserved for the worker and the
 * coordinator. A newer worker may set variables that the table does not have.
 */
export function isSystemName(name: string): boolean {
  return name.startsWith(SYSTEM_PREFIX) || name.startsWith("RC_WF_");
}

/**
 * Variables that a job with `inherit_env: false` inherits in addition to system
 * variables.
 */
export const ALWAYS_INHERITED: ReadonlySet<string> = new Set([
  "CI",
  "PATH",
  "HOME",
]);

/**
 * Variables that an untrusted step inherits. None of them can contain a
 * credential.
 */
export const UNTRUSTED_ALLOWLIST: ReadonlySet<string> = new Set([
  ...ALWAYS_INHERITED,
  ...["USER", "LOGNAME", "SHELL", "HOSTNAME"],
  ...["LANG", "LANGUAGE", "TZ", "LC_ALL"],
  // The prefix alone is not enough, because ssh lets users send any variable
  // with it.
  ...["LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC"],
  ...["LC_TIME", "LC_ADDRESS", "LC_IDENTIFICATION", "LC_MEASUREMENT"],
  ...["LC_NAME", "LC_PAPER", "LC_TELEPHONE"],
  ...["TERM", "COLORTERM", "COLUMNS", "LINES", "CLICOLOR", "CLICOLOR_FORCE"],
  ...["TMPDIR", "TMP", "TEMP"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
  ...["NO_PROXY", "no_proxy"],
]);

/** Proxies. Some programs, such as curl, accept them without a scheme. */
export const PROXY_VARIABLES: ReadonlySet<string> = new Set(
  ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"]
    .flatMap((name) => [name, name.toLowerCase()]),
);

/**
 * Variables that point a hook or an alias to a repository: the output of `git
 * rev-parse --local-env-vars` in any version of git, without
 * `GIT_CONFIG_COUNT`, which workers use to configure git, and two variables of
 * Mercurial.
 */
export const GIT_HOOK_VARIABLES: ReadonlySet<string> = new Set([
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
  "GIT_COMMON_DIR",
  "GIT_CONFIG",
  "GIT_CONFIG_PARAMETERS",
  "GIT_DIR",
  "GIT_GRAFT_FILE",
  "GIT_IMPLICIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_INTERNAL_SUPER_PREFIX",
  "GIT_NO_REPLACE_OBJECTS",
  "GIT_OBJECT_DIRECTORY",
  "GIT_PREFIX",
  "GIT_QUARANTINE_PATH",
  "GIT_REPLACE_REF_BASE",
  "GIT_SHALLOW_FILE",
  "GIT_WORK_TREE",
  "HG_PENDING",
  "HG_SHAREDPENDING",
]);

/** User preferences that change the behavior of tools. */
export const PREFERENCE_VARIABLES: ReadonlySet<string> = new Set([
  "GZIP",
  "HG",
  "HGEDITOR",
  "HGMERGE",
  "HGPLAINEXCEPT",
  "HGREVISIONRANGE",
  "XZ_DEFAULTS",
  "XZ_OPT",
]);

/** Variables that name the terminal for programs that prompt for a passphrase. */
export const TERMINAL_VARIABLES: ReadonlySet<string> = new Set([
  "GPG_TTY",
  "SSH_TTY",
]);

/** Variables with which an operator configures git. */
export const GIT_CONFIG_VARIABLES: readonly RegExp[] = [
  /^GIT_CONFIG_(?:COUNT|KEY_\d+|VALUE_\d+|GLOBAL|SYSTEM|NOSYSTEM)$/,
  /^GIT_SSH(?:_COMMAND|_VARIANT)?$/,
  /^GIT_(?:SSL|HTTP|PROXY|TRACE|TRACE2|CURL|LFS)_/,
  /^GIT_(?:TRACE|TRACE2|EXEC_PATH|CEILING_DIRECTORIES)$/,
];

/** Variables that Deno needs to run a program. */
export const DENO_VARIABLES: readonly string[] = [
  ...["DENO_DIR", "DENO_DISABLE_NODE_SHIM", "HOME", "XDG_CACHE_HOME"],
];

/** Variables that Deno needs to download code. */
export const DENO_DOWNLOAD_VARIABLES: readonly string[] = [
  ...["DENO_CERT", "DENO_TLS_CA_STORE"],
  ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"],
  ...["JSR_URL", "NPM_CONFIG_REGISTRY"],
  ...["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"],
  ...["https_proxy", "http_proxy", "no_proxy"],
];
