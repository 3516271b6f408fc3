import type { JsonValue } from "../../json.ts";
import type { PathFilter, TriggerFilter } from "./filters.ts";
import type { StepConfig } from "../../config/step_config.ts";
import type { Condition } from "../../schema/condition.ts";

/** A job in a job file, or in an entry of a workflow file, without its variables. */
export interface JobBody {
  /** Image of the container. */
  readonly image?: string;
  /** Text for the shell. */
  readonly command?: string;
  /** Steps of the job, instead of a command; on this machine only. */
  readonly steps?: readonly StepConfig[];
  /** Time limit, in whole seconds. */
  readonly timeoutSeconds?: number;
  /** Priority in the queue. */
  readonly priority?: number;
  /** Whether the coordinator gets the command as it is. */
  readonly rawCommand?: boolean;
  /** Whether the job does not run on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** What the job needs of its worker. */
  readonly capabilities?: readonly string[];
  /** Jobs that must end before this one starts. */
  readonly dependsOn?: readonly string[];
  /** Condition for running the job, checked when its dependencies have ended. */
  readonly condition?: Condition;
  /** Values, for each of which the job runs. */
  readonly forEach?: readonly JsonValue[];
  /** Variable that holds the value. */
  readonly itemVar?: string;
  /** Secrets for pulling the image. */
  readonly imagePullSecrets?: readonly string[];
  /** Where the source goes. */
  readonly codeDir?: string;
  /** Where the command runs. */
  readonly jobDir?: string;
  /** Working directory of the container. */
  readonly workingDir?: string;
  /** Class of workers. */
  readonly workerClass?: string;
  /** User of the container. */
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
  /** How the job runs on a developer's machine. */
  readonly runLocal?: {
    /** Whether as the user of the runner. */
    readonly asRunner?: boolean;
    /** User. */
    readonly user?: string;
  };
  /** Processors of a container on this machine; the resources override it. */
  readonly cpuLimit?: string;
  /** Memory of a container on this machine; the resources override it. */
  readonly memoryLimit?: string;
}

/** A job as a file describes it. */
export interface JobContent extends JobBody {
  /** How code is checked out, as variables of the job's runner. */
  readonly checkout?: Readonly<Record<string, string>>;
  /** Variables, as they are written. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Where the code comes from when the file itself is submitted. A job that an
   * event starts gets the code of the event.
   */
  readonly source?: {
    readonly type?: string;
    readonly url?: string;
    readonly ref?: string;
    readonly path?: string;
  };
  /** Shell of the command when the file itself is run. */
  readonly commandPrefix?: string;
}

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
