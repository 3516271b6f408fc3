import { isObject } from "../../json_value.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import {
  type JobObject,
  type ObjectManifest,
  type Pod,
  readObject,
  readString,
} from "./cluster_objects.ts";
import {
  ClusterError,
  type ClusterRequest,
  type ClusterTransport,
} from "./cluster_transport.ts";
import { RUN_LABEL } from "./job_manifest.ts";

/** Maximum time for which the API server may be unreachable, in milliseconds. */
export const CLUSTER_OUTAGE_MS = 300_000;

const RETRY: RetryPolicy = {
  attempts: 1_000,
  delayMs: 250,
  maxDelayMs: 5_000,
  maxElapsedMs: CLUSTER_OUTAGE_MS,
};

/** Maximum number of retries of a change that conflicts with another one. */
const MAX_CONFLICTS = 5;

/** Kinds of objects that a run creates, and their paths in the API. */
const RESOURCES = {
  jobs: "apis/batch/v1",
  pods: "api/v1",
  secrets: "api/v1",
  events: "api/v1",
};

/** Kind of objects. */
export type Resource = keyof typeof RESOURCES;

/** Options for {@linkcode Cluster}. */
export interface ClusterOptions {
  /**
   * Called when a request fails and will be retried.
   *
   * @default {nothing}
   */
  readonly onRetry?: (reason: string) => void;
}

/** Access to the objects of a namespace. Requests are retried after transient failures. */
export class Cluster {
  /** Connection to the API server. */
  readonly transport: ClusterTransport;
  readonly #onRetry: (reason: string) => void;

  constructor(transport: ClusterTransport, options: ClusterOptions = {}) {
    this.transport = transport;
    this.#onRetry = options.onRetry ?? (() => {});
  }

  /**
   * Checks whether Jobs can be listed.
   *
   * @throws {ClusterError} If they cannot; nothing is retried.
   */
  async checkAccess(signal: AbortSignal): Promise<void> {
    const path = `${this.path("jobs")}?limit=1`;
    await this.transport.send({ method: "GET", path }, signal);
  }

  /** Returns the path of objects, or of one of them. */
  path(resource: Resource, name?: string): string {
    const all = `/${RESOURCES[resource]}/namespaces/${
      encodeURIComponent(this.transport.namespace)
    }/${resource}`;
    return name === undefined ? all : `${all}/${encodeURIComponent(name)}`;
  }

  /**
   * Creates an object exactly once: if its request succeeded but the response was
   * lost, the existing object is returned.
   *
   * @throws {ClusterError} If it cannot be created, or another run has created an
   * object with this name.
   */
  async create(
    resource: "jobs" | "secrets",
    manifest: ObjectManifest,
    signal: AbortSignal,
  ): Promise<JobObject> {
    const { name, labels } = manifest.metadata;
    const path = this.path(resource);
    try {
      const body = manifest;
      const answer = await this.send({ method: "POST", path, body }, signal);
      const created = readObject(answer);
      if (created?.metadata.name === name) return created;
      throw new ClusterError(
        `Cannot create "${name}": the response is another object`,
        { status: 400 },
      );
    } catch (error) {
      if (!(error instanceof ClusterError) || error.status !== 409) throw error;
      const present = await this.get(resource, name, signal);
      const isFromRun = present?.metadata.labels?.[RUN_LABEL] ===
        labels?.[RUN_LABEL];
      if (present !== undefined && isFromRun) return present;
      throw error;
    }
  }

  /** Returns an object; `undefined` if it does not exist. */
  async get(
    resource: Resource,
    name: string,
    signal: AbortSignal,
  ): Promise<JobObject & Pod | undefined> {
    return readObject(await this.#get(resource, name, signal));
  }

  async #get(
    resource: Resource,
    name: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const path = this.path(resource, name);
    return await this.#unlessGone(this.send({ method: "GET", path }, signal));
  }

  /** Returns the objects of a resource with a label, and their version. */
  async list(
    resource: Resource,
    selector: string,
    signal: AbortSignal,
  ): Promise<{ items: (JobObject & Pod)[]; version: string }> {
    const path = `${this.path(resource)}?labelSelector=${
      encodeURIComponent(selector)
    }`;
    const list = await this.send({ method: "GET", path }, signal);
    if (!isObject(list) || !Array.isArray(list.items)) {
      throw new ClusterError(
        `Cannot list ${resource}: the response is not a list`,
        { status: undefined },
      );
    }
    const metadata = isObject(list.metadata) ? list.metadata : {};
    return {
      items: list.items.flatMap((item: unknown) => readObject(item) ?? []),
      version: readString(metadata.resourceVersion) ?? "",
    };
  }

  /**
   * Extends the deadline of a Job.
   *
   * @param seconds Seconds from the start of the Job.
   */
  async extendDeadline(
    name: string,
    seconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const job = await this.#get("jobs", name, signal);
      if (!isObject(job)) return;
      const spec = {
        ...isObject(job.spec) ? job.spec : {},
        activeDeadlineSeconds: seconds,
      };
      const path = this.path("jobs", name);
      try {
        await this.send(
          { method: "PUT", path, body: { ...job, spec } },
          signal,
        );
        return;
      } catch (error) {
        // The controller has updated its status in the meantime.
        const isConflict = error instanceof ClusterError &&
          error.status === 409 && attempt < MAX_CONFLICTS;
        if (!isConflict) throw error;
      }
    }
  }

  /**
   * Deletes an object and the objects that it owns, if it exists.
   *
   * @param graceSeconds Grace period of a Pod; by default, the one in its
   * specification.
   */
  async delete(
    resource: Resource,
    name: string,
    { graceSeconds, signal }: {
      readonly graceSeconds?: number;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: "Background",
      ...graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds },
    };
    const path = this.path(resource, name);
    await this.#unlessGone(this.send({ method: "DELETE", path, body }, signal));
  }

  /**
   * Sends a request, with retries.
   *
   * @throws {ClusterError} If it is refused, or fails for 5 minutes.
   */
  async send(request: ClusterRequest, signal: AbortSignal): Promise<unknown> {
    return await this.retry(
      () => this.transport.send(request, signal),
      signal,
    );
  }

  /** Repeats an action after transient failures. */
  async retry<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const backoff = createBackoff(RETRY, { signal, onRetry: this.#onRetry });
    for (;;) {
      try {
        return await action();
      } catch (error) {
        signal.throwIfAborted();
        const isTransient = error instanceof ClusterError && error.isTransient;
        if (!isTransient || !await backoff.next(error.message)) throw error;
      }
    }
  }

  async #unlessGone<T>(response: Promise<T>): Promise<T | undefined> {
    try {
      return await response;
    } catch (error) {
      if (error instanceof ClusterError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }
}
