import type { Condition } from "../../schema/condition.ts";
import type { StepConfig } from "../../config/step_config.ts";
import type { JsonValue } from "../../triggers/trigger.ts";

/** What a job file, or an entry of a workflow file, says of a job, beside its variables. */
export interface JobBody {
  /** Image of the container. */
  readonly image?: string;
  /** Text for the shell. */
  readonly command?: string;
  /** What the job is made of in place of a command; on this machine only. */
  readonly steps?: readonly StepConfig[];
  /** Longest time, in whole seconds. */
  readonly timeoutSeconds?: number;
  /** Rank in the queue. */
  readonly priority?: number;
  /** Whether the coordinator gets the command as it is. */
  readonly rawCommand?: boolean;
  /** Whether the job does not run on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** What the job needs of its worker. */
  readonly capabilities?: readonly string[];
  /** Jobs that must be over before this one starts. */
  readonly dependsOn?: readonly string[];
  /** When the job runs, once its dependencies are over. */
  readonly condition?: Condition;
  /** Values, for each of which the job runs. */
  readonly forEach?: readonly JsonValue[];
  /** Variable that holds the value. */
  readonly itemVar?: string;
  /** Secrets with which the image is fetched. */
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
  /** What the worker must be like. */
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
