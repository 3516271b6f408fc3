import type { Condition } from "../schema/condition.ts";

/** A value that JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** How a triggered job gets its code. */
export type TriggerSourceType = "git" | "copy" | "none";

/** What a triggered job needs of the machine that runs it. */
export interface TriggerResources {
  /** Processors: cores as a number or text (`0.5`), or thousandths (`"500m"`). */
  readonly cpu?: {
    /** Share that is set aside for the job. */
    readonly request?: string | number;
    /** Share that the job may use. */
    readonly limit?: string | number;
  };
  /** Memory: bytes as a number, or text with a unit (`"4Gi"`). */
  readonly memory?: {
    /** Memory that the job may use. */
    readonly limit?: string | number;
  };
}

/** Everything about a triggered job except its name. */
export interface TriggerOptions {
  /**
   * Environment variables, laid over those of the job that triggers. A value
   * may hold a `${secret:path:key}` reference.
   *
   * @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Names of jobs, triggered together with this one, that come first.
   *
   * @default {[]}
   */
  readonly dependsOn?: readonly string[];
  /**
   * When the job runs, seen from the jobs in `dependsOn`.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition;
  /**
   * How the source is prepared.
   *
   * @default {none; the source of the triggering job is not handed down}
   */
  readonly sourceType?: TriggerSourceType;
  /** Address or path of the source. */
  readonly sourceUrl?: string;
  /** Branch, tag or commit of the source. */
  readonly sourceRef?: string;
  /** How the trusted CI code is prepared. */
  readonly ciSourceType?: TriggerSourceType;
  /** Address of the trusted CI code; the coordinator may put its own instead. */
  readonly ciSourceUrl?: string;
  /** Branch, tag or commit of the trusted CI code; as `ciSourceUrl`. */
  readonly ciSourceRef?: string;
  /**
   * Image of the container.
   *
   * @default {the image of the triggering job}
   */
  readonly containerImage?: string;
  /** Command of the job. A job without one fails when it starts. */
  readonly jobCommand?: string;
  /**
   * Directory of the source inside the container.
   *
   * @default {that of the triggering job, else "/job/src"}
   */
  readonly codeDir?: string;
  /**
   * Directory in which the command runs.
   *
   * @default {the value of `codeDir`}
   */
  readonly jobDir?: string;
  /** Working directory of the container; overrides `jobDir`. */
  readonly workingDir?: string;
  /**
   * User of the command: `runner`, `root` or `uid[:gid]`.
   *
   * @default {"runner"}
   */
  readonly runAsUser?: string;
  /**
   * Place in the queue; a higher number is served first.
   *
   * @default {0}
   */
  readonly priority?: number;
  /**
   * Longest time the job may run, in whole seconds.
   *
   * @default {that of the triggering job}
   */
  readonly timeoutSeconds?: number;
  /** Capabilities that the job asks for: `docker`, `builder`, `gpu`. */
  readonly capabilities?: readonly string[];
  /** Names of Kubernetes secrets with which the image is fetched. */
  readonly imagePullSecrets?: readonly string[];
  /**
   * Items for each of which the job runs once; an item that is a number is
   * sent as text.
   *
   * @default {[], which means that the job runs once and without an item}
   */
  readonly forEach?: readonly JsonValue[];
  /**
   * Environment variable that holds the item.
   *
   * @default {"ITEM"}
   */
  readonly itemVar?: string;
  /** Class of workers; the coordinator may put its own instead. */
  readonly workerClass?: string;
  /**
   * What a worker must be, such as `{ arch: "arm64" }`; replaces as a whole.
   *
   * @default {that of the triggering job}
   */
  readonly characteristics?: Readonly<Record<string, string | boolean>>;
  /** What the job needs of the machine. */
  readonly resources?: TriggerResources;
  /** Keeps the job from being run on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Settings for a run on a developer's machine. */
  readonly runLocal?: { readonly [key: string]: JsonValue };
}

/** A follow-up job. */
export interface Trigger extends TriggerOptions {
  /** Name of the job; no other job that is triggered with it has the same. */
  readonly name: string;
}
