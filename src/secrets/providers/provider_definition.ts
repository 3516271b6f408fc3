import { RunnerError } from "../../errors.ts";
import { isInside } from "../../job_path.ts";
import { dictionary, list } from "../../schema/collections.ts";
import {
  JSON_SCHEMA_DRAFT,
  type JsonSchema,
  mapped,
  mapping,
} from "../../schema/combinators.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { type FileKind, Problems } from "../../schema/problems.ts";
import { parseJobText, readJobText } from "../../schema/read_document.ts";
import {
  choice,
  FILLED_TEXT,
  flag,
  integer,
  positiveDuration,
  text,
} from "../../schema/scalars.ts";

/** How a provider gets secrets. */
export type ProviderType = "command" | "file" | "git" | "docker" | "env";

/** A provider of secrets. */
export interface SecretProvider {
  /** Name in references. */
  readonly name: string;
  /** How it gets secrets. */
  readonly type: ProviderType;
  /** Program and arguments, with `{path}` and `{key}`; empty if it has none. */
  readonly command: readonly string[];
  /** Format of its output. */
  readonly format: "text" | "json";
  /** Keys that lead to the object with the secrets in a JSON document. */
  readonly jsonPath: readonly string[];
  /** Directory of its files. */
  readonly directory: string;
  /** Patterns of allowed paths; `undefined` if all are allowed. */
  readonly paths: readonly string[] | undefined;
  /** Time limit of a call, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum size of its output, in bytes. */
  readonly maxBytes: number;
  /** Whether a failure shows the end of its standard error. */
  readonly showsErrors: boolean;
}

/** Providers by name. */
export type SecretProviders = ReadonlyMap<string, SecretProvider>;

/** Pattern of a provider's name. */
const PROVIDER_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** Directory into which container engines mount secrets. */
const SECRETS_DIRECTORY = "/run/secrets";

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_BYTES = 65_536;

/** Registering a larger value would take more than a second. */
const MAX_BYTES = 4 * 1024 * 1024;

const KIND: FileKind = { words: "secret providers", code: "invalid-config" };

/** Provides the variables of the runner that jobs can refer to. */
const ENV_PROVIDER: SecretProvider = {
  ...createProvider("env", { type: "command" }),
  type: "env",
};

/** A definition as written. */
interface Definition {
  readonly type?: Exclude<ProviderType, "env">;
  readonly command?: readonly string[];
  readonly format?: "text" | "json";
  readonly json_path?: string;
  readonly directory?: string;
  readonly helper?: string;
  readonly paths?: readonly string[];
  readonly timeout?: number;
  readonly max_bytes?: number;
  readonly show_errors?: boolean;
}

/** Keys that only some types have. */
const KEYS_OF_TYPES: Readonly<
  Record<string, readonly NonNullable<Definition["type"]>[]>
> = {
  command: ["command"],
  format: ["command", "file"],
  json_path: ["command", "file"],
  directory: ["file"],
  helper: ["docker"],
};

const filled = text({ rule: FILLED_TEXT });

const definition = mapping<Definition>("Secret provider", {
  type: {
    key: "type",
    schema: choice(["command", "file", "git", "docker"]),
    defaultValue: "command",
    description:
      "How secrets are found: by a command, in files, or by a credential helper of git or docker.",
  },
  command: {
    key: "command",
    schema: list(filled, { minimum: 1 }),
    description:
      "Program and arguments, in which {path} and {key} are replaced. No shell is involved.",
  },
  format: {
    key: "format",
    schema: choice(["text", "json"]),
    defaultValue: "text",
    description:
      "Whether the output is one secret, or a JSON object of secrets by key.",
  },
  json_path: {
    key: "json_path",
    schema: text({
      rule: {
        pattern: /^[\w-]+(?:\.[\w-]+)*$/,
        words: "be keys separated by dots",
      },
    }),
    description:
      "Keys that lead to the object with the secrets, such as data.data.",
  },
  directory: {
    key: "directory",
    schema: text({
      rule: { pattern: /^\/[^\0]*$/, words: "be an absolute path" },
      allowsNumbers: false,
    }),
    defaultValue: SECRETS_DIRECTORY,
    description: "Directory of the files.",
  },
  helper: {
    key: "helper",
    schema: text({
      rule: {
        pattern: /^[\w][\w.-]*$/,
        words: "be the NAME of a program docker-credential-NAME",
      },
    }),
    description: "Credential helper of docker, such as pass or ecr-login.",
  },
  paths: {
    key: "paths",
    schema: list(filled, { minimum: 1 }),
    description:
      "Allowed paths, with * for any text. By default, all paths are allowed.",
  },
  timeout: {
    key: "timeout",
    schema: positiveDuration,
    defaultValue: "30s",
    description: "Time limit of a call.",
  },
  max_bytes: {
    key: "max_bytes",
    schema: integer(1, MAX_BYTES),
    defaultValue: DEFAULT_MAX_BYTES,
    description: "Maximum size of the output or the file, in bytes.",
  },
  show_errors: {
    key: "show_errors",
    schema: flag,
    defaultValue: false,
    description:
      "Whether an error shows the end of the program's standard error, which may contain the secret.",
  },
});

const definitions = dictionary(
  mapped(definition, (value, node) => {
    for (const problem of findProblemsIn(value)) node.report(problem);
    return value;
  }),
  "map names to secret providers",
  {
    keys: {
      pattern: PROVIDER_NAME,
      words:
        'named with letters, digits, "_" and "-", and a letter at the start',
    },
  },
);

/** Source of the definitions, and the directory that must not contain it. */
export interface ProvidersSource {
  /** Path of a YAML or JSON file, or the text of a mapping: `{…}`. */
  readonly value: string;
  /** Where the value came from, such as the name of an option. */
  readonly origin: string;
  /**
   * Directory against which a relative path is resolved; `undefined` if the
   * path must be absolute.
   */
  readonly cwd: string | undefined;
  /** Directory that tested code can write to. */
  readonly workspace: string;
}

/**
 * Reads the definitions of secret providers.
 *
 * @param source File or text; without it, only the built-in provider exists.
 * @throws {RunnerError} `invalid-config`, with all problems.
 */
export async function readProviders(
  source: ProvidersSource | undefined,
): Promise<SecretProviders> {
  const providers = new Map([[ENV_PROVIDER.name, ENV_PROVIDER]]);
  if (source === undefined || source.value.trim() === "") return providers;
  const { name, text } = await readDefinitions(source);
  const problems = new Problems(name, KIND);
  const document = await parseJobText(text, name, problems, KIND);
  for (const [name, value] of Object.entries(parse(document))) {
    providers.set(name, createProvider(name, value));
  }
  await problems.throwIfAny(text);
  return providers;
}

/** Returns the JSON Schema of a file of secret providers, for editors. */
export function secretProvidersSchema(): JsonSchema {
  return {
    $schema: JSON_SCHEMA_DRAFT,
    title: "Secret providers of runnerlib",
    description: "Programs and files that provide secrets, by name.",
    ...definitions.jsonSchema(),
  };
}

function parse(document: DocumentNode): Readonly<Record<string, Definition>> {
  for (const [name, value] of document.entries ?? []) {
    if (name === ENV_PROVIDER.name) {
      value.report("is built in: use another name");
    }
  }
  return definitions.parse(document) ?? {};
}

async function readDefinitions(
  { value, origin, cwd, workspace }: ProvidersSource,
): Promise<{ name: string; text: string }> {
  const text = value.trim();
  if (text.startsWith("{")) return { name: origin, text };
  if (!text.startsWith("/") && cwd === undefined) {
    throw readFailure(value, `${origin} must be an absolute path`);
  }
  const path = text.startsWith("/") ? text : `${cwd}/${text}`;
  const [file, directory] = await Promise.all(
    [path, workspace].map((one) => Deno.realPath(one).catch(() => one)),
  );
  if (isInside(directory, file)) {
    throw readFailure(value, "it is in the workspace, which jobs can write to");
  }
  return { name: text, text: await readJobText(file, text, KIND) };
}

function readFailure(path: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot read ${KIND.words} ${JSON.stringify(path)}: ${reason}`,
    { code: KIND.code },
  );
}

function findProblemsIn(value: Definition): string[] {
  const { type = "command", command, format, json_path, helper } = value;
  const problems = Object.entries(KEYS_OF_TYPES).flatMap(([key, types]) =>
    key in value && !types.includes(type)
      ? [
        `has the key "${key}", which is not allowed with type "${type}"`,
      ]
      : []
  );
  if (type === "command" && command === undefined) {
    problems.push('needs the key "command"');
  }
  if (type === "docker" && helper === undefined) {
    problems.push('needs the key "helper"');
  }
  if (json_path !== undefined && format !== "json") {
    problems.push('has the key "json_path", which needs "format: json"');
  }
  const program = command?.[0];
  if (program === undefined) return problems;
  if (/\{(?:path|key)\}/.test(program)) {
    problems.push("must not have {path} or {key} in the name of its program");
  } else if (!program.startsWith("/") && /^-|\//.test(program)) {
    problems.push(
      "must name its program by an absolute path, or by a name to find on PATH",
    );
  }
  return problems;
}

function createProvider(name: string, written: Definition): SecretProvider {
  const { type = "command", helper = "", json_path } = written;
  const commands: Readonly<Record<string, readonly string[]>> = {
    git: ["git", "credential", "fill"],
    docker: [`docker-credential-${helper}`, "get"],
  };
  return {
    name,
    type,
    command: commands[type] ?? written.command ?? [],
    format: written.format ?? "text",
    jsonPath: json_path?.split(".") ?? [],
    directory: written.directory ?? SECRETS_DIRECTORY,
    paths: written.paths,
    timeoutMs: written.timeout ?? DEFAULT_TIMEOUT_MS,
    maxBytes: written.max_bytes ?? DEFAULT_MAX_BYTES,
    showsErrors: written.show_errors ?? false,
  };
}
