import {
  keyOfParts,
  type KeyParts,
  type OutputFile,
} from "../../cache/step_entry.ts";
import { sha256Hex } from "../../fs/files.ts";
import type { StepCacheConfig } from "../../config/step_cache_config.ts";
import { isInside } from "../../job_path.ts";
import type { Masker } from "../../secrets/masker.ts";
import type { JobPlan } from "../job_plan.ts";
import { needsOf } from "../step_graph.ts";
import type { CachedStep, StepActivity } from "./cached_step.ts";
import type { FileMemory } from "./file_memory.ts";
import { filePatterns } from "./file_patterns.ts";
import { Uncacheable } from "./file_tree.ts";
import { describeInputs, type HashContext } from "./hashed_files.ts";
import {
  filesHash,
  type KeyNeed,
  keyParts,
  SecretCheck,
  valueHash,
} from "./key_parts.ts";
import { StepOutputFiles } from "./step_outputs.ts";
import { ToolHashes } from "./tool_hashes.ts";

/** Options for {@linkcode StepKeys}. */
export interface StepKeysOptions {
  readonly plan: JobPlan;
  /** Absolute path of the directory of the job, without links. */
  readonly root: string;
  /** Path of the same directory, as steps without a directory of their own get it. */
  readonly jobPath: string;
  /** Identity of the job among other jobs of the same store. */
  readonly project: string;
  /** Image of the container; empty without a container. */
  readonly image: string;
  /** Names of the variables of the job. */
  readonly variables: readonly string[];
  /**
   * Names of variables with the location and credentials of the store. No result
   * depends on them.
   */
  readonly storeVariables: readonly string[];
  /** Returns the directory of a step, relative to that of the job. */
  readonly resolveDirectory: (step: number) => string;
  /** Paths that are neither read nor created by steps, such as logs. */
  readonly ignored: {
    readonly inputs: (path: string) => boolean;
    readonly outputs: (path: string) => boolean;
  };
  readonly masker: Masker;
  readonly activity: StepActivity;
}

/** A step whose key is known. */
export interface KeyedStep {
  readonly step: CachedStep;
  readonly config: StepCacheConfig;
  /** Hash of the identity of the step. */
  readonly id: string;
  /** Directory of the step, relative to that of the job. */
  readonly directory: string;
  readonly parts: KeyParts;
  readonly key: string;
  readonly outputs: StepOutputFiles;
}

/** Hashes of a step that do not change while the job runs. */
interface StepIdentity {
  /** Hash of the identity of the step. */
  readonly id: string;
  /** Hash of its command. */
  readonly command: string;
}

/** Computes the keys of the steps of a job. */
export class StepKeys {
  readonly #options: StepKeysOptions;
  readonly #memory: FileMemory;
  readonly #secrets: SecretCheck;
  readonly #tools: ToolHashes;
  /** Hashes of each cached step, by index. */
  #identities: Promise<(StepIdentity | undefined)[]> | undefined;
  /**
   * Files that steps created, by index; a unique text if they are not known. The
   * hash is computed when a step first needs it.
   */
  readonly #files = new Map<number, readonly OutputFile[] | string>();

  constructor(options: StepKeysOptions, memory: FileMemory) {
    this.#options = options;
    this.#memory = memory;
    this.#secrets = new SecretCheck(options.masker);
    this.#tools = new ToolHashes(options.activity);
  }

  /**
   * Computes the key of a step.
   *
   * @throws {Uncacheable} If its result cannot be cached.
   */
  async of(step: CachedStep, config: StepCacheConfig): Promise<KeyedStep> {
    const { plan, root, storeVariables } = this.#options;
    const { definition, env } = step.context;
    const secret = config.secrets
      ? undefined
      : this.#secrets.givenSecret(definition, env, storeVariables);
    if (secret !== undefined) {
      throw new Uncacheable(
        `${secret} contains a secret; "secrets: true" below "cache" allows that`,
      );
    }
    const { jobPath } = this.#options;
    // Other directories of steps already have no links.
    const cwd = step.context.cwd === jobPath ? root : step.context.cwd;
    if (!isInside(root, cwd)) {
      throw new Uncacheable("its directory is outside that of the job");
    }
    const directory = cwd.slice(root.length + 1);
    const { id, command } = await this.#identifyStep(step.index);
    const inputs = await this.inputs(step, config, directory);
    const parts = await keyParts({
      definition,
      command,
      directory,
      image: this.#options.image,
      env,
      variables: [
        ...new Set([
          ...this.#options.variables.filter((name) => name in env),
          ...Object.keys(definition.env ?? {}),
          ...Object.keys(plan.steps[step.index].variables),
          ...config.env ?? [],
        ]),
      ],
      secrets: this.#secrets,
      needs: await this.#needs(step),
      tools: await this.#tools.of(step),
      inputs,
    });
    const { graceful: signal } = step.context.cancellation;
    const remembered = this.#memory.step(id)?.entry;
    return {
      step,
      config,
      id,
      directory,
      parts,
      // Equal parts have the same key, and comparing them takes less time.
      key: remembered !== undefined && areEqual(remembered.parts, parts)
        ? remembered.key
        : await keyOfParts(parts),
      outputs: this.#outputFiles(step.index, directory, signal, id),
    };
  }

  /**
   * Returns the hashes of a step. Those of all steps are computed at once, because
   * each is computed in another thread, for which a step would have to wait.
   */
  async #identifyStep(step: number): Promise<StepIdentity> {
    const { plan, project } = this.#options;
    this.#identities ??= Promise.all(
      plan.steps.map(async ({ name, definition: { run, cache } }) =>
        cache && {
          id: await sha256Hex(JSON.stringify([project, name])),
          command: await valueHash(run),
        }
      ),
    );
    return (await this.#identities)[step]!;
  }

  /**
   * Describes the inputs of a step. A file that matches both inputs and outputs is an
   * output.
   *
   * @returns Descriptions by path.
   * @throws {Uncacheable} If there are none, or they cannot be described.
   */
  async inputs(
    { context: { cancellation } }: CachedStep,
    { inputs, outputs = [] }: StepCacheConfig,
    directory: string,
  ): Promise<ReadonlyMap<string, string>> {
    const read = filePatterns(inputs, directory);
    const created = filePatterns(outputs, directory);
    const { matches } = read;
    const found = await describeInputs(
      { ...read, matches: (path) => matches(path) && !created.matches(path) },
      this.#hashContext("inputs", cancellation.graceful),
    );
    if (found.size > 0) return found;
    throw new Uncacheable("no file matches its inputs");
  }

  async #needs({ index, context }: CachedStep): Promise<KeyNeed[]> {
    const { plan } = this.#options;
    const { needOutputs, cancellation: { graceful: signal } } = context;
    const needs: KeyNeed[] = [];
    const lists = new Set<string>();
    for (const need of needsOf(plan, index)) {
      const { name, group, definition, isService, isOneOfMany } =
        plan.steps[need];
      if (isService) {
        const { run, shell, env } = definition;
        needs.push({ name, service: [run, shell, env] });
        continue;
      }
      if (isOneOfMany) lists.add(group);
      const { [name]: state } = context.needs;
      needs.push({
        name,
        conclusion: state.conclusion,
        ...isOneOfMany ? {} : { value: needOutputs[group] },
        ...definition.cache === undefined
          ? {}
          : { files: await this.#describeFiles(need, signal) },
      });
    }
    for (const name of lists) needs.push({ name, list: needOutputs[name] });
    return needs;
  }

  /** Returns a hash of the files that a step created in this or an earlier run. */
  async #describeFiles(need: number, signal: AbortSignal): Promise<string> {
    if (!this.#files.has(need)) await this.#findFiles(need, signal);
    const files = this.#files.get(need)!;
    return typeof files === "string" ? files : await filesHash(files);
  }

  async #findFiles(need: number, signal: AbortSignal): Promise<void> {
    const directory = this.#options.resolveDirectory(need);
    try {
      const outputs = this.#outputFiles(need, directory, signal);
      this.recordFiles(need, await outputs.describe());
    } catch (error) {
      if (!(error instanceof Uncacheable)) throw error;
      this.recordUnknownFiles(need);
    }
  }

  /** Records which files a step created. */
  recordFiles(step: number, outputs: readonly OutputFile[]): void {
    this.#files.set(step, outputs);
  }

  /** Keeps steps that need these unknown files from being restored. */
  recordUnknownFiles(step: number): void {
    this.#files.set(step, `unknown ${crypto.randomUUID()}`);
  }

  #outputFiles(
    step: number,
    directory: string,
    signal: AbortSignal,
    id = "",
  ): StepOutputFiles {
    const { outputs = [] } = this.#options.plan.steps[step].definition.cache!;
    return new StepOutputFiles(
      id,
      filePatterns(outputs, directory),
      this.#hashContext("outputs", signal),
    );
  }

  #hashContext(
    what: keyof StepKeysOptions["ignored"],
    signal: AbortSignal,
  ): HashContext {
    const { root, ignored } = this.#options;
    return { root, ignored: ignored[what], memory: this.#memory, signal };
  }
}

function areEqual(left: KeyParts, right: KeyParts): boolean {
  const names = Object.keys(left);
  return names.length === Object.keys(right).length &&
    names.every((name) =>
      Object.hasOwn(right, name) && left[name] === right[name]
    );
}
