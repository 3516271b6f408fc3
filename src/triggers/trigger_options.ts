import type { JsonValue } from "../json_value.ts";
import type { Condition } from "../schema/scalars.ts";

/** Type of the source of a triggered job. */
export type TriggerSourceType = "git" | "copy" | "none";

/** Resources of a triggered job. */
export interface TriggerResources {
  /** CPU: cores as a number or string (`0.5`), or thousandths (`"500m"`). */
  readonly cpu?: {
    /** Share that is reserved for the job. */
    readonly request?: string | number;
    /** Maximum share of the job. */
    readonly limit?: string | number;
  };
  /** Memory: bytes as a number, or a string with a unit (`"4Gi"`). */
  readonly memory?: {
    /** Maximum memory of the job. */
    readonly limit?: string | number;
  };
}

/** Properties of a triggered job except its name. */
export interface TriggerOptions {
  /**
   * Environment variables, which override those of the triggering job. A value
   * can contain a `${secret:path:key}` reference, and has at most 128 KiB.
   *
   * @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Names of jobs that are triggered together with this one and run before it.
   *
   * @default {[]}
   */
  readonly dependsOn?: readonly string[];
  /**
   * Condition for running the job, checked when the jobs in `dependsOn` have
   * ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition;
  /**
   * Type of the source.
   *
   * @default {none; the source of the triggering job is not inherited}
   */
  readonly sourceType?: TriggerSourceType;
  /** URL or path of the source. */
  readonly sourceUrl?: string;
  /** Branch, tag or commit of the source. */
  readonly sourceRef?: string;
  /**
   * Type of the source of the trusted CI code. Only a job that an event started
   * can set it.
   */
  readonly ciSourceType?: TriggerSourceType;
  /** URL of the trusted CI code, which the coordinator may replace. */
  readonly ciSourceUrl?: string;
  /**
   * Branch, tag or commit of the trusted CI code, which the coordinator may
   * replace.
   */
  readonly ciSourceRef?: string;
  /**
   * Image of the container.
   *
   * @default {the image of the triggering job}
   */
  readonly containerImage?: string;
  /** Command of the job, at most 128 KiB. A job without one fails when it starts. */
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
   * Priority in the queue; higher numbers come first.
   *
   * @default {0}
   */
  readonly priority?: number;
  /**
   * Time limit of the job, in whole seconds.
   *
   * @default {that of the triggering job}
   */
  readonly timeoutSeconds?: number;
  /**
   * Capabilities that the job needs: `docker`, `builder`, `gpu`. Only a job
   * that an event started can request them, and only those of its profile.
   */
  readonly capabilities?: readonly string[];
  /** Names of the Kubernetes secrets for pulling the image. */
  readonly imagePullSecrets?: readonly string[];
  /**
   * Items; the job runs once for each of them. Numbers are sent as strings.
   *
   * @default {none; the job runs once, without an item}
   */
  readonly forEach?: readonly JsonValue[];
  /**
   * Environment variable that contains the item.
   *
   * @default {"ITEM"}
   */
  readonly itemVar?: string;
  /** Class of workers, which the coordinator may replace. */
  readonly workerClass?: string;
  /**
   * Properties of the worker, such as `{ arch: "arm64" }`.
   *
   * @default {that of the triggering job}
   */
  readonly characteristics?: Readonly<Record<string, string | boolean>>;
  /** Resources that the job needs. */
  readonly resources?: TriggerResources;
  /** Whether the job is skipped on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Settings for a developer's machine. */
  readonly runLocal?: { readonly [key: string]: JsonValue };
}

/** A follow-up job. */
export interface Trigger extends TriggerOptions {
  /** Name of the job, unique among the jobs that are triggered together. */
  readonly name: string;
}
