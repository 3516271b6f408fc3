import type {
  ArtifactDefinition,
  ArtifactNeed,
} from "../../artifacts/artifact.ts";
import type { EnvFile } from "../../config/env_file.ts";
import type { StepConfig } from "../../config/step_config.ts";
import type { JsonValue } from "../../json_value.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { TextPlace } from "../../schema/excerpt.ts";
import type { Condition } from "../../schema/scalars.ts";
import type { When } from "../../schema/when.ts";
import type { Filters } from "./filters.ts";

/**
 * A job of a job file, or of an entry of a workflow file, without its
 * variables.
 */
export interface JobBody {
  /** Image of the container. */
  readonly image?: string;
  /** Shell command. */
  readonly command?: string;
  /** Steps of the job instead of a command. */
  readonly steps?: readonly StepConfig[];
  /** The steps as JSON, with the keys of the file. */
  readonly writtenSteps?: string;
  /** Time limit, in whole seconds. */
  readonly timeoutSeconds?: number;
  /** Priority in the queue. */
  readonly priority?: number;
  /** Whether the worker runs the command itself, without the runner. */
  readonly rawCommand?: boolean;
  /** Whether the job is skipped on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Capabilities that the worker must have. */
  readonly capabilities?: readonly string[];
  /** Jobs that must end before this one starts. */
  readonly dependsOn?: readonly string[];
  /** Artifacts that the job needs from some of them. */
  readonly artifactNeeds?: readonly ArtifactNeed[];
  /** Artifacts that the job saves. */
  readonly artifacts?: readonly ArtifactDefinition[];
  /** Condition for running the job, evaluated when its dependencies have ended. */
  readonly condition?: Condition;
  /** Condition on the event; the coordinator does not support it. */
  readonly when?: When;
  /** Items; the job runs once per item. */
  readonly forEach?: readonly JsonValue[];
  /** Variable that contains the item. */
  readonly itemVar?: string;
  /** Secrets for pulling the image. */
  readonly imagePullSecrets?: readonly string[];
  /** Directory of the source. */
  readonly codeDir?: string;
  /** Directory in which the command runs. */
  readonly jobDir?: string;
  /** Working directory of the container. */
  readonly workingDir?: string;
  /** Class of workers. */
  readonly workerClass?: string;
  /** User that the job runs as. */
  readonly runAs?: {
    /** `runner`, `root` or `uid[:gid]`. */
    readonly user?: string;
  };
  /** Characteristics that the worker must have. */
  readonly characteristics?: Readonly<Record<string, string | boolean>>;
  /** Resources of the container. */
  readonly resources?: {
    /** Processors. */
    readonly cpu?: { readonly request?: string; readonly limit?: string };
    /** Memory. */
    readonly memory?: { readonly limit?: string };
  };
  /** Labels that the node of the job must have, on Kubernetes. */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** Taints that the job tolerates, on Kubernetes. */
  readonly tolerations?: readonly {
    readonly key?: string;
    readonly operator?: "Equal" | "Exists";
    readonly value?: string;
    readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
    readonly tolerationSeconds?: number;
  }[];
  /** Settings for a developer's machine. */
  readonly runLocal?: {
    /** Whether the job runs as the user of the runner. */
    readonly asRunner?: boolean;
    /** User that the job runs as. */
    readonly user?: string;
  };
  /** CPU limit of a local container; overridden by `resources`. */
  readonly cpuLimit?: string;
  /** Memory limit of a local container; overridden by `resources`. */
  readonly memoryLimit?: string;
}

/** A job that another one needs, as written. */
export interface JobNeed {
  readonly job: string;
  /** Names of the artifacts that it gets. */
  readonly artifacts?: readonly string[];
}

/** A job as defined in a file. */
export interface JobContent
  extends Omit<JobBody, "dependsOn" | "artifactNeeds" | "writtenSteps"> {
  /** Jobs that must end before this one starts. */
  readonly needs?: readonly JobNeed[];
  /** Options of a job file, as variables of the job's runner. */
  readonly [variable: Uppercase<string>]: string | undefined;
  /** Checkout settings, as variables of the job's runner. */
  readonly checkout?: Readonly<Record<string, string>>;
  /** Variables, as written. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Env files, until they are read. */
  readonly envFiles?: readonly EnvFile[];
  /**
   * Source of the code if the file itself is submitted. A job that an event
   * starts uses the code of the event.
   */
  readonly source?: {
    readonly type?: string;
    readonly url?: string;
    readonly ref?: string;
    readonly path?: string;
  };
  /** Permissions of a pipeline, which `runnerlib exec` reads from the file. */
  readonly pipelinePermissions?: unknown;
  /** Shell of the command if the file itself is run. */
  readonly commandPrefix?: string;
}

/** A job of a workflow or job file, with all overrides applied. */
export interface JobDefinition {
  /** Name, unique in its workflow. */
  readonly name: string;
  /** Description for people. */
  readonly description?: string;
  /** Properties of the job. */
  readonly body: JobBody;
  /** Variables, as written, including checkout settings. */
  readonly env: Readonly<Record<string, string>>;
}

/** A workflow as defined in a file. */
export interface WorkflowDefinition extends Filters {
  /** ID: letters, digits and dashes. */
  readonly id: string;
  /** Whether the file sets the ID; otherwise it is derived from the path. */
  readonly hasOwnId: boolean;
  /** Display name. */
  readonly name: string;
  /** Purpose of the workflow. */
  readonly description?: string;
  /** Path relative to the CI root. */
  readonly sourceFile: string;
  /** Paths of all files that define the workflow, relative to the CI root. */
  readonly dependencyPaths: readonly string[];
  /** Initial variables. */
  readonly vars: Readonly<Record<string, JsonValue>>;
  /** Jobs, in the order of the file. */
  readonly jobs: readonly JobDefinition[];
}

/** Content of a file in `.reactorcide/jobs`. */
export interface JobFileDefinition extends Filters {
  /** The job. */
  readonly job: JobDefinition;
  /** Path relative to the CI root. */
  readonly sourceFile: string;
}

/** Folder of workflow files, relative to the CI root. */
export const WORKFLOW_FOLDER = ".reactorcide/workflows";

/** Folder of job files, relative to the CI root. */
export const JOB_FOLDER = ".reactorcide/jobs";

/** A value of a file, with the file that contains it. */
export interface SourcedNode {
  /** Path of the file relative to the CI root. */
  readonly file: string;
  /** Text of the file. */
  readonly text: string;
  /** The value. */
  readonly node: DocumentNode;
}

/** Where a workflow is written. */
export interface DefinitionSource {
  /** The workflow file. */
  readonly document: SourcedNode;
  /**
   * Values that define each job, by its name: the entry of the workflow file,
   * then the job file that it overrides.
   */
  readonly jobs: ReadonlyMap<string, readonly SourcedNode[]>;
}

/**
 * Finds a key of a job, below `job` or at the top level, as a definition does.
 *
 * @param sources Values that define the job; earlier ones override later ones.
 * @param keys The key and its other names.
 * @returns The value of the key; `undefined` if no source sets it.
 */
export function findKey<T extends Pick<SourcedNode, "node">>(
  sources: readonly T[],
  keys: readonly string[],
): T | undefined {
  for (const source of sources) {
    const entries = source.node.entries ?? [];
    const nested = entries.find(([key]) => key === "job")?.[1].entries ?? [];
    for (const members of [nested, entries]) {
      const found = members.find(([key]) => keys.includes(key));
      if (found !== undefined) return { ...source, node: found[1] };
    }
  }
  return undefined;
}

/**
 * Returns a value as it is written. A scalar becomes a number or boolean only if
 * that has the same text: `1.50` and `yes` stay text.
 */
export function writtenValue(node: DocumentNode): unknown {
  if (node.isNull) return null;
  const { text, value, items, entries = [] } = node;
  if (text !== undefined) {
    return typeof value !== "string" && String(value) === text ? value : text;
  }
  return items?.map(writtenValue) ??
    Object.fromEntries(
      entries.map(([key, member]) => [key, writtenValue(member)]),
    );
}

/**
 * Adds the steps of a job as they are written.
 *
 * @param sources Values that define the job.
 */
export function withWrittenSteps(
  job: JobDefinition,
  sources: readonly Pick<SourcedNode, "node">[],
): JobDefinition {
  const written = job.body.steps && findKey(sources, ["steps"]);
  if (written === undefined) return job;
  const writtenSteps = JSON.stringify(writtenValue(written.node));
  return { ...job, body: { ...job.body, writtenSteps } };
}

/** Finds positions in the files of a definition. */
export class DefinitionPlaces {
  readonly #locators = new Map<
    string,
    Promise<(path: readonly (string | number)[]) => TextPlace>
  >();

  /** Returns the position of a value in its file. */
  async placeOf({ file, text, node }: SourcedNode): Promise<TextPlace> {
    const locator = this.#locators.get(file) ??
      import("../../schema/locate.ts")
        .then(({ makeLocator }) => makeLocator(text));
    this.#locators.set(file, locator);
    return (await locator)(node.path);
  }
}

/** Formats a position as `file:line:column`. */
export function formatPlace(
  { file }: SourcedNode,
  { line, column }: TextPlace,
): string {
  return `${file}:${line}:${column}`;
}
