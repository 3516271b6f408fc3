import type { Option } from "./option.ts";

/** Default time limit of a plugin in a phase. */
export const PLUGIN_TIMEOUT = "60s";

/**
 * Default time limit of a plugin in clean-up, which may run while the container
 * is being stopped.
 */
export const PLUGIN_CLEANUP_TIMEOUT = "10s";

/** Options for secrets and masking. */
export const SECRET_OPTIONS = [
  {
    name: "secret_env_names",
    option: "secrets.envNames",
    flag: "secret-env-names",
    env: {
      name: "REACTORCIDE_SECRET_ENV_NAMES",
      setBy: "worker",
      seenBy: "job",
      isSetting: true,
    },
    type: "list",
    isUnion: true,
    doc:
      'Variables whose values are masked; "none" masks only those that match a pattern',
  },
  {
    name: "secret_values_list",
    option: "secrets.values",
    flag: "secret-values-list",
    valueName: "VALUE,...",
    env: {
      name: "REACTORCIDE_SECRET_VALUES_LIST",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
      isOutside: true,
    },
    type: "secretValues",
    doc: "Values to mask",
    form: "separated by commas, or ./job/FILE",
  },
  {
    name: "secret_providers",
    option: "secrets.providers",
    flag: "secret-providers",
    valueName: "FILE",
    env: {
      name: "REACTORCIDE_SECRET_PROVIDERS",
      setBy: "user",
      seenBy: "runner",
      isSetting: true,
      isOutside: true,
    },
    type: "secretProviders",
    isCallersOnly: true,
    doc: "Programs and files that provide secrets, by name",
    form: "a YAML or JSON file outside the workspace, or {…}",
    details:
      "Variables of the job refer to a secret as `${secret:NAME:PATH:KEY}`.",
  },
  {
    name: "secret_env_patterns",
    option: "secrets.envPatterns",
    flag: "secret-env-patterns",
    valueName: "PATTERN,...",
    env: {
      name: "REACTORCIDE_SECRET_ENV_PATTERNS",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
    },
    type: "list",
    default:
      "*TOKEN,*_PAT,*PASSWORD,*PASSWD,*PASSPHRASE,*SECRET,*PRIVATE_KEY,*ACCESS_KEY,*API_KEY,*__AUTH,*_AUTH_CONFIG,*_CONNECTION_STRING",
    isCallersOnly: true,
    doc: "Names of variables whose values are masked, with * for any text",
    details:
      "Patterns ignore case. They apply to the variables of the job and of this process.",
  },
  {
    name: "mask_min_length",
    option: "secrets.minBytes",
    flag: "mask-min-length",
    type: { minimum: 3, maximum: 64 },
    default: "3",
    isCallersOnly: true,
    doc: "Minimum length of a masked value, in bytes",
  },
  {
    name: "mask",
    option: "secrets.mask",
    flag: "mask",
    type: "boolean",
    default: "true",
    isCallersOnly: true,
    doc: "Whether secrets are masked",
    details: "If not, the first line of the log says so.",
  },
] as const satisfies readonly Option[];

/** Options for plugins and pipelines, and their permissions. */
export const PLUGIN_OPTIONS = [
  {
    name: "plugin_dir",
    option: "plugins.dir",
    flag: "plugin-dir",
    valueName: "PATH",
    env: {
      name: "REACTORCIDE_PLUGIN_DIR",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
      isOutside: true,
    },
    type: "text",
    doc:
      "Directory of plugins: plugin_*.ts, plugin_*.js, plugin_*.py and executables",
  },
  {
    name: "plugins",
    option: "plugins.urls",
    flag: "plugin",
    valueName: "URL#HASH",
    env: {
      name: "REACTORCIDE_PLUGINS",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
    },
    type: "plugins",
    doc: "Plugins at https:, npm: or jsr: URLs, with their hashes",
  },
  {
    name: "plugin_permissions",
    option: "plugins.permissions",
    flag: "allow-plugin",
    valueName: "NAME:KIND=VALUES",
    env: {
      name: "REACTORCIDE_PLUGIN_PERMISSIONS",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
    },
    type: "pluginPermissions",
    doc: "Permissions granted to plugins",
    form: "slack:net=hooks.slack.com",
  },
  {
    name: "plugin_timeout",
    option: "plugins.timeoutMs",
    flag: "plugin-timeout",
    env: {
      name: "REACTORCIDE_PLUGIN_TIMEOUT",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
    },
    type: "timeLimit",
    defaultText: `${PLUGIN_TIMEOUT}, in cleanup ${PLUGIN_CLEANUP_TIMEOUT}`,
    doc: "Time limit of a plugin in each phase",
  },
  {
    name: "trust_plugins",
    option: "plugins.trust",
    flag: "trust-plugins",
    env: {
      name: "REACTORCIDE_TRUST_PLUGINS",
      setBy: "user",
      seenBy: "job",
      isSetting: true,
    },
    type: "boolean",
    doc: "Run plugins from files in this process, with all of its permissions",
  },
  {
    name: "pipeline_permissions",
    type: "pipelinePermissions",
    doc: "Additional permissions of a pipeline that exec runs",
  },
] as const satisfies readonly Option[];
