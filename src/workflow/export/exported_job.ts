import type {
  JobBody,
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type {
  DefinitionSource,
  SourcedNode,
} from "../definition/definition_source.ts";
import type { EngineSecret } from "./engine_secrets.ts";
import type { IdRules } from "./job_ids.ts";
import type { ExportWarnings } from "./export_warnings.ts";

/** Directory for files of exported jobs, in the code; artifacts never contain it. */
export const EXPORT_DIRECTORY = ".reactorcide/exported";

/** Rules for exporting to an engine. */
export interface EngineRules extends IdRules {
  /** Name of the engine, for messages. */
  readonly engine: string;
  /** Maximum number of items of a job that can run as separate jobs. */
  readonly maxItems: number;
  /** Directory for artifacts, which the engine passes to other jobs. */
  readonly artifactStore: string;
  /** Properties of jobs that the engine does not support. */
  readonly unsupported: readonly UnsupportedProperty[];
  /**
   * Returns the file for the result of a job, and the name that precedes the result
   * in the file, as shell words.
   *
   * @param id Id of the job.
   * @param variable Variable that contains the result in other jobs.
   */
  readonly result: (
    id: string,
    variable: string,
  ) => { readonly file: string; readonly name?: string };
}

/** A property of a job that an engine does not support. */
export interface UnsupportedProperty {
  /** The property. */
  readonly property: keyof JobBody;
  /** Its key, and its other names. */
  readonly keys: readonly string[];
  /** What the warning says after the key. */
  readonly note: string;
}

/** A job, prepared for the file of an engine. */
export interface ExportedJob {
  /** Id in the engine. */
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
