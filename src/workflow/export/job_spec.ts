import type { ArtifactDefinition } from "../../artifacts/artifact.ts";
import { isObject } from "../../json_value.ts";
import { quoteWord } from "../../command_text.ts";
import { Variable } from "../../environment/variables.ts";
import {
  findKey,
  type JobDefinition,
  type SourcedNode,
  writtenValue,
} from "../definition/definition.ts";
import {
  type EngineSecret,
  type EngineSecrets,
  type ExportWarnings,
  secretReference,
} from "./exported_job.ts";

/** Keys that contain the variables of a job or step. */
const ENV_KEYS = ["environment", "env"];

/** State that the specifications of all jobs share. */
export interface SpecContext {
  /** Assigns names to secrets. */
  readonly secrets: EngineSecrets;
  /** Collects parts that cannot be exported. */
  readonly warnings: ExportWarnings;
  /** Masks secrets in a text. */
  readonly mask: (text: string) => string;
}

/** Specification of a job in an exported file. */
export interface JobSpec {
  /** Keys of the job in a workflow file. */
  readonly job: Readonly<Record<string, unknown>>;
  /** Secrets that the job needs. */
  readonly secrets: readonly EngineSecret[];
}

/**
 * Builds the specification with which a runner in another engine runs a job: the
 * keys of the job, without keys that the engine applies, and without secrets.
 *
 * @param sources Values in files that define the job.
 */
export function jobSpec(
  { name, body, env }: JobDefinition,
  sources: readonly SourcedNode[],
  context: SpecContext,
): JobSpec {
  const secrets = new Map<string, EngineSecret>();
  const onSecret = (secret: EngineSecret) =>
    void secrets.set(secret.variable, secret);
  const listed = parseNames(env[Variable.secretEnvNames] ?? "");
  const writer = new SpecWriter({ name, sources, listed, onSecret }, context);
  const steps = body.steps && findKey(sources, ["steps"]);
  const { forEach, when } = body;
  const job = {
    name,
    command: body.command && writer.text(body.command, ["command"]),
    steps: steps && writer.steps(writtenValue(steps.node), ["steps"]),
    environment: writer.variables(env),
    condition: body.condition === "all_success" ? undefined : body.condition,
    when,
    for_each: forEach && writer.json(forEach, ["for_each"]),
    item_var: body.itemVar,
    timeout: body.timeoutSeconds,
    code_dir: body.codeDir,
    job_dir: body.jobDir,
    working_dir: body.workingDir,
    needs: body.artifactNeeds,
    artifacts: writtenArtifacts(body.artifacts),
  };
  return { job, secrets: [...secrets.values()] };
}

/** Returns artifacts as a workflow file defines them. */
export function writtenArtifacts(
  artifacts: readonly ArtifactDefinition[] = [],
): Record<string, unknown> | undefined {
  if (artifacts.length === 0) return undefined;
  return Object.fromEntries(
    artifacts.map(({ name, paths, retentionMs, when, isOptional }) => [
      name,
      {
        paths,
        retention: `${retentionMs}ms`,
        when: when === "on_success" ? undefined : when,
        optional: isOptional || undefined,
      },
    ]),
  );
}

/** A job whose values a {@linkcode SpecWriter} writes. */
interface WrittenJob {
  readonly name: string;
  readonly sources: readonly SourcedNode[];
  /** Names of variables that the job lists as secret. */
  readonly listed: readonly string[];
  readonly onSecret: (secret: EngineSecret) => void;
}

/** Writes values of one job without secrets. */
class SpecWriter {
  readonly #job: WrittenJob;
  readonly #context: SpecContext;

  constructor(job: WrittenJob, context: SpecContext) {
    this.#job = job;
    this.#context = context;
  }

  /** Adds a warning at the key that sets the value. */
  #warn(keys: readonly string[], text: string): void {
    const { name, sources } = this.#job;
    const source = findKey(sources, keys) ?? sources[0];
    this.#context.warnings.add(source, `job "${name}": ${text}`);
  }

  /** Masks secrets in a text, and reports them. */
  text(text: string, keys: readonly string[]): string {
    const masked = this.#context.mask(text);
    if (masked !== text.toWellFormed()) {
      this.#warn(
        keys,
        "it contains a secret, which is not exported; use a reference instead",
      );
    }
    return masked;
  }

  /** Masks secrets in all strings of a value. */
  json(value: unknown, keys: readonly string[]): unknown {
    if (typeof value === "string") return this.text(value, keys);
    if (Array.isArray(value)) return value.map((item) => this.json(item, keys));
    return isObject(value)
      ? Object.fromEntries(
        Object.entries(value).map((
          [key, item],
        ) => [key, this.json(item, keys)]),
      )
      : value;
  }

  /** Writes steps like other values, except for their variables. */
  steps(value: unknown, keys: readonly string[]): unknown {
    if (Array.isArray(value)) {
      return value.map((item) => this.steps(item, keys));
    }
    if (!isObject(value)) return this.json(value, keys);
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key,
        ENV_KEYS.includes(key) && isObject(member)
          ? mapValues(
            member,
            (item, variable) =>
              typeof item === "string" ? this.#variable(variable, item) : item,
          )
          : this.steps(member, keys),
      ]),
    );
  }

  /** Writes the variables of the job. */
  variables(
    env: Readonly<Record<string, string>>,
  ): Record<string, string> | undefined {
    const entries = Object.entries(env).flatMap(([name, value]) => {
      if (name === Variable.secretValuesList) {
        this.#warn(
          ["secret_values_list", ...ENV_KEYS],
          "the values of secret_values_list are not exported",
        );
        return [];
      }
      return [[name, this.#variable(name, value)]];
    });
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  /** Writes the value of a variable, or a reference if the value is secret. */
  #variable(name: string, value: string): string {
    const { secrets, mask } = this.#context;
    const { listed, onSecret } = this.#job;
    const secretsInValue: EngineSecret[] = [];
    const text = secrets.replaceReferences(
      value,
      (secret) => secretsInValue.push(secret),
      (reference) =>
        this.#warn(
          ENV_KEYS,
          `the reference ${reference} in "${name}" is unchanged; set its variable in the engine`,
        ),
    );
    const isSecret = secretsInValue.length === 0 && value !== "" &&
      (listed.includes(name) || mask(value) !== value.toWellFormed());
    if (!isSecret || value.includes("${secret:")) {
      secretsInValue.forEach(onSecret);
      return secretsInValue.length === 0 ? text : this.text(text, ENV_KEYS);
    }
    const secret = secrets.secretAt(this.#job.name, name);
    onSecret(secret);
    this.#warn(
      ENV_KEYS,
      `the value of "${name}" is a secret and is not exported; set the secret ${secret.variable}`,
    );
    return secretReference(secret);
  }
}

function mapValues(
  members: Readonly<Record<string, unknown>>,
  convert: (value: unknown, key: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([key, value]) => [key, convert(value, key)]),
  );
}

function parseNames(text: string): string[] {
  return text.split(/[,\n]/).map((name) => name.trim());
}

/** Options for {@linkcode jobScript}. */
export interface JobScriptOptions {
  /** Needed jobs, and the variables that contain their results. */
  readonly needs: readonly (readonly [
    name: string,
    variables: readonly string[],
  ])[];
  /**
   * Variable that contains the index of the item.
   *
   * @default {all items run}
   */
  readonly itemVariable?: string;
  /**
   * Directory for artifacts.
   *
   * @default {the job has none}
   */
  readonly artifactStore?: string;
  /**
   * File for the result, and the name that precedes it in the file.
   *
   * @default {the result is not passed on}
   */
  readonly result?: { readonly file: string; readonly name?: string };
}

/**
 * Returns the shell script that runs a job in an engine.
 *
 * @param spec Text of the workflow file with the job.
 */
export function jobScript(
  spec: string,
  { needs, itemVariable, artifactStore, result }: JobScriptOptions,
): string {
  const options = [
    ...needs.map(([name, variables]) =>
      `--need ${quoteLiteral(`${name}=${variables.join(",")}`)}`
    ),
    ...itemVariable === undefined ? [] : [`--item "$${itemVariable}"`],
    ...artifactStore === undefined ? [] : [`--artifact-store ${artifactStore}`],
    ...result === undefined ? [] : [`--result-file ${result.file}`],
    ...result?.name === undefined ? [] : [`--result-name ${result.name}`],
  ];
  return [
    `printf '%s' ${quoteLiteral(spec)} |`,
    ["  runnerlib workflow job", ...options].join(" \\\n    "),
  ].join("\n");
}

/**
 * Quotes a word for a shell, and splits template expressions of the engines by
 * closing and reopening the quotes, so that they are not evaluated: `${{ }}` in
 * GitHub, `{{ }}` in Argo, `$[[ ]]` in GitLab.
 */
function quoteLiteral(text: string): string {
  return quoteWord(text)
    .replace(/\{(?=\{)|\$(?=\[\[)/g, (character) => `${character}''`);
}
