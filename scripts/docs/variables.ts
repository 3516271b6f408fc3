/** Variables besides those of the configuration, by who sets them; Markdown. */
export const OTHER_VARIABLES: Readonly<
  Record<string, Readonly<Record<string, string>>>
> = {
  "Read by the runner": {
    REACTORCIDE_IN_CONTAINER:
      "Whether the runner is in a job's container: `true`, `1`, `yes`, `false`, `0` or `no`. Unset: whether there is a `/job` that it is in or can write to",
    REACTORCIDE_WORKSPACE:
      "Outside a container: absolute path of the workspace, in the place of `./job`",
    REACTORCIDE_GIT_URL: "Older name of `REACTORCIDE_SOURCE_URL`",
    REACTORCIDE_GIT_REF: "Older name of `REACTORCIDE_SOURCE_REF`",
    REACTORCIDE_COORDINATOR_URL: "Address of the coordinator's API",
    REACTORCIDE_API_TOKEN:
      "Token of the job for the coordinator; always masked",
    REACTORCIDE_READ_TOKEN:
      "Token that may read jobs; without it only the results of the same workflow are known",
    REACTORCIDE_TRIGGER_NONCE:
      "Word that marks genuine trigger lines on standard output; always masked",
    REACTORCIDE_JOB_ID: "Id of the job",
    REACTORCIDE_JOB_KIND: "`eval` for a job that evaluates an event",
    REACTORCIDE_SECRETS_PASSWORD:
      "Password of the secret store; always masked, never handed to the job",
    REACTORCIDE_SECRETS_SOCKET:
      "Where `runnerlib register-secret` finds the job's runner",
    REACTORCIDE_CI_SOURCE_DIR:
      "Where the worker has put trusted CI code; plugins may be loaded from there",
    REACTORCIDE_VCS_AUTH_DIR:
      "Directory with credentials for git, removed once the sources are there",
    REACTORCIDE_VCS_AUTH_CLEANUP:
      "`0`, `false` or `no` keeps the files in `REACTORCIDE_VCS_AUTH_DIR`",
    REACTORCIDE_ENV_NAMES:
      "Names of the variables that a pipeline under `runnerlib exec` may read, separated by `=`",
    LOG_FORMAT: "`json` prints every line as an object",
    LOG_LEVEL:
      "Least level of the runner's messages: `debug`, `info`, `warning`, `error` or `fatal`",
    NO_COLOR: "Any text: no colours",
    FORCE_COLOR: "`0` or `false`: no colours; any other text: colours",
    TRACEPARENT: "Trace to which the job belongs, as W3C Trace Context has it",
    XDG_CONFIG_HOME: "Where the secret store is; `~/.config` unless given",
  },
  "Read when an event is evaluated or sources are shared": {
    REACTORCIDE_EVENT_TYPE: "Event, such as `push`",
    REACTORCIDE_BRANCH:
      "Branch or tag of the event; base branch of a pull request",
    REACTORCIDE_SHA: "Commit of the event",
    REACTORCIDE_PROVIDER: "Host of the repository, such as `github`",
    REACTORCIDE_REPO: "Repository, as `owner/name`",
    REACTORCIDE_SOURCE_DIR: "Where the source is; `/job/src` unless given",
    REACTORCIDE_PR_NUMBER: "Number of the pull request",
    REACTORCIDE_PR_REF: "Branch of the pull request",
    REACTORCIDE_PR_BASE_REF: "Branch into which it would be merged",
    REACTORCIDE_DIFF_BASE: "Commit with which changed files are looked for",
    REACTORCIDE_IS_FORK_PR: "`true` if the pull request comes from a fork",
    REACTORCIDE_HEAD_URL: "Repository that is proposed",
    REACTORCIDE_HEAD_ACTOR: "Who proposed it",
    REACTORCIDE_ACTOR_SUBJECTS: "Who that is to policies: names and groups",
    REACTORCIDE_CI_POLICY:
      "Policy for changes of CI files, as the coordinator gives it",
    REACTORCIDE_CI_POLICY_REVISION: "Revision of the policy",
    REACTORCIDE_CI_APPROVALS: "Approvals that were given",
    REACTORCIDE_REPORT_TARGET_ID: "Where the outcome is reported",
    REACTORCIDE_REPORT_GENERATION: "Which report of several it is",
    REACTORCIDE_HEAD_REF: "Branch or commit that is proposed",
    REACTORCIDE_BASE_URL: "Repository into which it would be merged",
    REACTORCIDE_BASE_REF: "Branch into which it would be merged",
  },
  "Set for the job's command": {
    REACTORCIDE_OUTPUT:
      "File to which a step writes its outputs, as `key=value` lines",
    "REACTORCIDE_OUTPUT_<STEP>_<KEY>":
      "Output of a step that this one depends on",
    REACTORCIDE_STEP_NAME: "Name of the step",
    REACTORCIDE_RUN_STARTED_AT:
      "When the run began, in milliseconds since 1970",
    REACTORCIDE_PROCESS_TAG:
      "Marks the processes of a run, so that none is left behind",
  },
  "Set for the jobs of a workflow": {
    RC_WF_ID: "Id of the workflow",
    RC_WF_RUN_ID: "Id of the workflow's run",
    RC_WF_NODE_ID: "Id of this job in the run",
    RC_WF_NODE_NAME: "Name of this job in the workflow",
    RC_WF_VARS_JSON: "Variables of the workflow, as JSON",
    RC_WF_VARS_FILE: "File with the same",
    RC_WF_OUTPUT_FILE: "File to which the job writes its outputs",
    REACTORCIDE_WORKFLOW_STATE_FILE:
      "What `runnerlib workflow` knows of the other jobs, on a laptop",
    REACTORCIDE_QUEUE: "Queue of the job; `local` on a laptop",
    REACTORCIDE_WORKER_MODE: "`local` on a laptop",
  },
};
