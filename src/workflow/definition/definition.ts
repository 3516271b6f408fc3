import type { JsonValue } from "../../triggers/trigger.ts";
import type { PathFilter, TriggerFilter } from "./filters.ts";
import type { JobBody } from "./job_body.ts";

/** A job of a workflow, or of a job file, with everything laid over it. */
export interface JobDefinition {
  /** Name, unique in its workflow. */
  readonly name: string;
  /** Keys of the job. */
  readonly body: JobBody;
  /** Variables, as they are written, and those that say how code is checked out. */
  readonly env: Readonly<Record<string, string>>;
}

/** Filters that decide when a workflow or job starts. */
export interface Filters {
  /** For which events. */
  readonly triggers: TriggerFilter;
  /** For changes of which files. */
  readonly paths: PathFilter;
}

/** A workflow, as its file says. */
export interface WorkflowDefinition extends Filters {
  /** Id: letters, digits and dashes. */
  readonly id: string;
  /** Whether the file gives the id, or it follows from its path. */
  readonly hasOwnId: boolean;
  /** Name for people. */
  readonly name: string;
  /** What the workflow is for. */
  readonly description?: string;
  /** Path from the CI root. */
  readonly sourceFile: string;
  /** Paths from the CI root of all files that define the workflow. */
  readonly dependencyPaths: readonly string[];
  /** Initial variables. */
  readonly vars: Readonly<Record<string, JsonValue>>;
  /** Jobs, in the order of the file. */
  readonly jobs: readonly JobDefinition[];
}

/** What a file in `.reactorcide/jobs` says. */
export interface JobFileDefinition extends Filters {
  /** The job. */
  readonly job: JobDefinition;
  /** Path from the CI root. */
  readonly sourceFile: string;
}

/** Folder of workflow files, from the CI root. */
export const WORKFLOW_FOLDER = ".reactorcide/workflows";

/** Folder of job files, from the CI root. */
export const JOB_FOLDER = ".reactorcide/jobs";
