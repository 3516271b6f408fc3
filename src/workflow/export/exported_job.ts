import { Variable } from "../../environment/variables.ts";
import { referencePattern } from "../../schema/reference.ts";
import {
  DefinitionPlaces,
  type DefinitionSource,
  findKey,
  formatPlace,
  type JobDefinition,
  type SourcedNode,
  type WorkflowDefinition,
} from "../definition/definition.ts";

/** Directory for files of exported jobs, in the code; artifacts never contain it. */
export const EXPORT_DIRECTORY = ".reactorcide/exported";

/** A job, prepared for the file of an engine. */
export interface ExportedJob {
  /** ID in the engine. */
  readonly id: string;
  /** The job, without dependencies on jobs that have no items. */
  readonly definition: JobDefinition;
  /** Values in files that define it. */
  readonly sources: readonly SourcedNode[];
  /** Image reference. */
  readonly image: string;
  /** User as `uid` or `uid:gid`, unless it is that of the image. */
  readonly user?: string;
  /** Jobs that must end before this one starts. */
  readonly needs: readonly ExportedJob[];
  /** Number of items that run as separate jobs; `undefined` if it is a single job. */
  readonly itemCount?: number;
  /**
   * Variables with its results, in the jobs that need it: one, or one per item.
   */
  readonly results: readonly string[];
  /** Whether another job needs it. */
  readonly isNeeded: boolean;
  /** Jobs whose artifacts it needs. */
  readonly artifactNeeds: readonly ExportedJob[];
  /**
   * How long its artifacts are kept, in milliseconds; `undefined` if it saves no
   * artifacts.
   */
  readonly retentionMs?: number;
  /** Secrets that the engine has to provide. */
  readonly secrets: readonly EngineSecret[];
  /** Shell script that runs the job. */
  readonly script: string;
  /** Time limit for the engine, in whole seconds. */
  readonly timeoutSeconds?: number;
}

/** A workflow, prepared for the file of an engine. */
export interface ExportedWorkflow {
  /** The workflow. */
  readonly definition: WorkflowDefinition;
  /** Values in files that define it. */
  readonly source: DefinitionSource;
  /** Its jobs, in the order of the file. */
  readonly jobs: readonly ExportedJob[];
  /**
   * Whether the runner decides which jobs run. Otherwise, each job runs if all needed
   * jobs succeeded, which every engine supports.
   */
  readonly isGated: boolean;
  /** Whether jobs need the commit history, to find changed files. */
  readonly needsHistory: boolean;
  /** All secrets. */
  readonly secrets: readonly EngineSecret[];
  /** Parts of the workflow that cannot be exported. */
  readonly warnings: ExportWarnings;
}

/** Variable that contains the index of an item. */
export const ITEM_VARIABLE = "RUNNERLIB_ITEM";

/** A warning about a part of a workflow that an engine does not support. */
export interface ExportWarning {
  /** Its position, as `file:line:column`. */
  readonly place: string;
  /** Description, with the reason. */
  readonly text: string;
}

/** Collects warnings about parts of a workflow that are not exported. */
export class ExportWarnings {
  readonly #found: { source: SourcedNode; text: string }[] = [];
  readonly #mainFile: string;

  /** @param mainFile Path of the workflow file; its warnings are listed first. */
  constructor(mainFile: string) {
    this.#mainFile = mainFile;
  }

  /**
   * Adds a warning.
   *
   * @param source Value that is not exported.
   * @param text Description and reason, in one sentence.
   */
  add(source: SourcedNode, text: string): void {
    this.#found.push({ source, text });
  }

  /** Returns all warnings in the order of the files, without duplicates. */
  async list(): Promise<ExportWarning[]> {
    const places = new DefinitionPlaces();
    const found = await Promise.all(
      this.#found.map(async (warning) => ({
        ...warning,
        place: await places.placeOf(warning.source),
      })),
    );
    const fileRank = ({ source: { file } }: { source: SourcedNode }) =>
      file === this.#mainFile ? "" : file;
    const sorted = found.sort((a, b) =>
      Number(fileRank(a) > fileRank(b)) - Number(fileRank(a) < fileRank(b)) ||
      a.place.line - b.place.line || a.place.column - b.place.column
    );
    const all = sorted.map(({ source, place, text }) => ({
      place: formatPlace(source, place),
      text,
    }));
    return [
      ...new Map(
        all.map((warning) => [`${warning.place}\0${warning.text}`, warning]),
      )
        .values(),
    ];
  }
}

/** A secret that an engine passes to a job. */
export interface EngineSecret {
  /** Variable that contains it; also its name in engines without paths. */
  readonly variable: string;
  /** Path of the secret in our reference. */
  readonly path: string;
  /** Key of the secret in our reference. */
  readonly key: string;
}

/**
 * Assigns names to the secrets of a workflow in an engine.
 *
 * A job refers to a secret as `${secret:PATH:KEY}`. In an engine, the secret is in a
 * variable, and the job refers to it as `${secret:env:VARIABLE:value}`, so that its
 * runner masks it. Values are never exported.
 */
export class EngineSecrets {
  readonly #secrets = new Map<string, EngineSecret>();
  readonly #taken = new Set<string>();

  /**
   * Replaces references to secrets in a text by references to variables.
   *
   * @param onSecret Called with each secret that the engine has to provide.
   * @param onOther Called with each reference that is not replaced: its path or key
   * contains a variable, or it already refers to a variable.
   */
  replaceReferences(
    text: string,
    onSecret: (secret: EngineSecret) => void,
    onOther: (reference: string) => void,
  ): string {
    return text.replace(
      referencePattern(),
      (whole, path, key, provider, providedPath, providedKey) => {
        if (!whole.startsWith("${secret:")) return whole;
        if (provider === "env" || whole.includes("${env:")) {
          onOther(whole);
          return whole;
        }
        const secret = provider === undefined
          ? this.secretAt(path, key)
          : this.secretAt(`${provider}/${providedPath}`, providedKey);
        onSecret(secret);
        return secretReference(secret);
      },
    );
  }

  /** Returns the secret at a path, with the same name in all jobs. */
  secretAt(path: string, key: string): EngineSecret {
    const id = `${path}\0${key}`;
    const known = this.#secrets.get(id);
    if (known !== undefined) return known;
    const base = `SECRET_${path}_${key}`.toUpperCase()
      .replace(/[^A-Z0-9]+/g, "_").slice(0, 100);
    let variable = base;
    for (let count = 2; this.#taken.has(variable); count++) {
      variable = `${base}_${count}`;
    }
    this.#taken.add(variable);
    const secret = { variable, path, key };
    this.#secrets.set(id, secret);
    return secret;
  }

  /** All secrets, in the order of their first use. */
  get all(): readonly EngineSecret[] {
    return [...this.#secrets.values()];
  }
}

/** Returns the reference with which a runner reads a secret of an engine. */
export function secretReference({ variable }: EngineSecret): string {
  return `\${secret:env:${variable}:value}`;
}

/** Checkout settings for an engine. */
export interface EngineCheckout {
  /** Number of commits; 0 for all. */
  readonly depth: number;
  /** Which submodules are checked out. */
  readonly submodules: "off" | "on" | "recursive";
  /** How files in Git LFS are fetched; `undefined` if it is not set. */
  readonly lfs: "auto" | "off" | undefined;
}

/** Variables of the checkout settings that engines support. */
const SUPPORTED = [Variable.fetchDepth, Variable.submodules, Variable.gitLfs];

/** Variables and keys of the checkout settings that they do not support. */
const UNSUPPORTED = [
  [Variable.sparsePaths, "sparse_paths"],
  [Variable.gitFilter, "filter"],
  [Variable.checkoutMode, "mode"],
] as const;

/**
 * Returns the checkout settings of a job for an engine, and reports settings that
 * the engine does not support.
 *
 * @param needsHistory Whether changed files have to be found.
 */
export function checkoutSettings(
  { definition: { name, env }, sources }: ExportedJob,
  { needsHistory, warnings, engine }: {
    needsHistory: boolean;
    warnings: ExportWarnings;
    engine: string;
  },
): EngineCheckout {
  for (const [variable, key] of UNSUPPORTED) {
    if (env[variable] === undefined) continue;
    warnings.add(
      findKey(sources, ["checkout", key, variable]) ?? sources[0],
      `job "${name}": checkout.${key} is not exported: ${engine} checks out the code`,
    );
  }
  const [depth = "1", submodules, lfs] = SUPPORTED.map((variable) =>
    env[variable]
  );
  return {
    depth: needsHistory ? 0 : Number(depth) || 0,
    submodules: submodules === "on" || submodules === "recursive"
      ? submodules
      : "off",
    lfs: lfs === "auto" || lfs === "off" ? lfs : undefined,
  };
}
