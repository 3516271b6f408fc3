import { Variable } from "../environment/variables.ts";
import type { ConfigKey } from "./config_key.ts";

/** Keys of the configuration that say what is secret, and how it is masked. */
export const SECRET_KEYS = [
  {
    name: "secret_env_names",
    env: Variable.secretEnvNames,
    flag: "secret-env-names",
    option: "secretEnvNames",
    valueName: "NAMES",
    kind: "names",
    help:
      "Variables whose values are masked, separated by commas; none for no others than those that match a pattern",
  },
  {
    name: "secret_values_list",
    env: Variable.secretValuesList,
    flag: "secret-values-list",
    option: "secretValues",
    valueName: "VALUES",
    help: "Values that are masked: separated by commas, or ./job/FILE",
  },
  {
    name: "secret_env_patterns",
    env: Variable.secretEnvPatterns,
    flag: "secret-env-patterns",
    option: "secretEnvPatterns",
    valueName: "PATTERNS",
    defaultValue:
      "*_TOKEN,*_PAT,*_PASSWORD,*_PASSWD,*_PASSPHRASE,*_SECRET,*_PRIVATE_KEY,*_ACCESS_KEY,*_API_KEY,*__AUTH,*_AUTH_CONFIG,*_CONNECTION_STRING",
    kind: "names",
    isCallersOnly: true,
    help: "Names of variables whose values are masked, with * for any text",
  },
  {
    name: "mask_min_length",
    flag: "mask-min-length",
    option: "maskMinLength",
    valueName: "COUNT",
    defaultValue: "4",
    kind: { minimum: 3, maximum: 64 },
    isCallersOnly: true,
    help: "Shortest value that is masked, in bytes",
  },
  {
    name: "mask",
    flag: "mask",
    option: "mask",
    defaultValue: "true",
    kind: "switch",
    isCallersOnly: true,
    help: "Whether secrets are masked",
  },
] as const satisfies readonly ConfigKey[];
