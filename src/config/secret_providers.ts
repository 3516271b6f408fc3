/** Definition of a secret provider, with the keys of a file. */
export interface SecretProviderOption {
  /**
   * How secrets are found: by a command, in files, or by a credential helper of
   * git or docker.
   *
   * @default {"command"}
   */
  type?: "command" | "file" | "git" | "docker";
  /** Program and arguments, in which `{path}` and `{key}` are replaced. */
  command?: readonly string[];
  /**
   * Whether the output is one secret, or a JSON object of secrets by key.
   *
   * @default {"text"}
   */
  format?: "text" | "json";
  /** Keys that lead to the object with the secrets, such as `data.data`. */
  json_path?: string;
  /**
   * Directory of the files.
   *
   * @default {"/run/secrets"}
   */
  directory?: string;
  /** Credential helper of docker, such as `pass`. */
  helper?: string;
  /**
   * Allowed paths, with `*` for any text.
   *
   * @default {all}
   */
  paths?: readonly string[];
  /**
   * Time limit of a call: seconds, or a text such as `30s`.
   *
   * @default {"30s"}
   */
  timeout?: number | string;
  /**
   * Maximum size of the output or the file, in bytes.
   *
   * @default {65_536}
   */
  max_bytes?: number;
  /**
   * Whether an error shows the end of the program's standard error, which may
   * contain the secret.
   *
   * @default {false}
   */
  show_errors?: boolean;
}

/** Secret providers by name. */
export interface SecretProviderOptions {
  /** Definition of the provider with this name. */
  readonly [name: string]: SecretProviderOption;
}
