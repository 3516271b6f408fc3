import { createCondition, type Node } from "./node.ts";
import { type ApiObject, now, type ObjectStore } from "./object_store.ts";

/** Grace time of a Pod that sets none, in seconds. */
const DEFAULT_GRACE_SECONDS = 30;

/** Creates the Pods of Jobs, ends Jobs, and removes what has no owner. */
export class JobController implements Disposable {
  readonly #store: ObjectStore;
  readonly #node: Node;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #listener: Disposable;
  /** Skipped time, in milliseconds. */
  #skippedMs = 0;
  /** Why Pods cannot be created; `undefined` if they can. */
  quotaProblem: string | undefined;

  constructor(store: ObjectStore, node: Node) {
    this.#store = store;
    this.#node = node;
    this.#timer = setInterval(() => this.#check(), 50);
    this.#listener = store.listen(({ resource, object, type }) => {
      if (resource !== "pods") return;
      const name = object.metadata.labels?.["job-name"];
      const isOver = ["Succeeded", "Failed"].includes(object.status?.phase);
      if (type === "DELETED" || isOver) {
        this.#finish(name, object.status?.phase === "Succeeded", {
          reason: "BackoffLimitExceeded",
          message: "Job has reached the specified backoff limit",
        });
      }
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#listener[Symbol.dispose]();
  }

  /** Skips time of deadlines, times to live and grace times. */
  skip(ms: number): void {
    this.#skippedMs += ms;
    this.#node.skip(ms);
    this.#check();
  }

  onCreate(resource: string, object: ApiObject): void {
    if (resource === "jobs") {
      const { name } = object.metadata;
      this.#store.update("jobs", name, (job) => {
        job.status = { startTime: now(), active: 1 };
      });
      this.#times.set(name, this.#now());
      this.#createPod(object);
    } else this.#collect();
  }

  /** Deletes an object, and what it owns. */
  delete(resource: string, name: string): void {
    this.#store.delete(resource, name);
    this.#collect();
  }

  /** Ends a Pod, then deletes it. */
  deletePod(name: string, graceSeconds?: number): void {
    const pod = this.#store.get("pods", name);
    if (pod === undefined) return;
    const grace = graceSeconds ?? pod.spec.terminationGracePeriodSeconds ??
      DEFAULT_GRACE_SECONDS;
    if (grace > 0) {
      this.#store.update("pods", name, ({ metadata }) => {
        metadata.deletionTimestamp ??= now();
        metadata.deletionGracePeriodSeconds = grace;
      });
    }
    void this.#node.stop(name, grace)
      .then(() => this.#store.delete("pods", name));
    if (grace === 0) this.#store.delete("pods", name);
  }

  readonly #times = new Map<string, number>();

  #now(): number {
    return Date.now() + this.#skippedMs;
  }

  #createPod(job: ApiObject): void {
    const { name, uid } = job.metadata;
    if (this.quotaProblem !== undefined) {
      this.#store.create("events", {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: `${name}.1` },
        type: "Warning",
        reason: "FailedCreate",
        message: this.quotaProblem,
        involvedObject: { kind: "Job", name, uid },
      });
      return;
    }
    const { metadata, spec } = job.spec.template;
    const suffix = crypto.randomUUID().slice(0, 5);
    const pod = this.#store.create("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...metadata,
        name: `${name}-${suffix}`,
        namespace: "ci",
        labels: { ...metadata.labels, "job-name": name, "controller-uid": uid },
        ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid }],
      },
      spec,
      status: { phase: "Pending" },
    });
    this.#node.start(pod);
  }

  #finish(
    name: string,
    hasSucceeded: boolean,
    failure: { readonly reason: string; readonly message: string },
  ): void {
    const job = this.#store.get("jobs", name);
    if (job === undefined || job.status.conditions !== undefined) return;
    this.#store.update("jobs", name, ({ status }) => {
      delete status.active;
      status.conditions = [
        hasSucceeded
          ? createCondition("Complete", "True", {})
          : createCondition("Failed", "True", failure),
      ];
    });
    this.#times.set(name, this.#now());
  }

  #check(): void {
    for (
      const { metadata: { name }, spec, status } of this.#store.list("jobs")
    ) {
      const passedMs = this.#now() - (this.#times.get(name) ?? Infinity);
      const isOver = status.conditions !== undefined;
      const limit = isOver
        ? spec.ttlSecondsAfterFinished
        : spec.activeDeadlineSeconds;
      if (limit === undefined || passedMs < limit * 1_000) continue;
      if (isOver) {
        this.delete("jobs", name);
        continue;
      }
      this.#finish(name, false, {
        reason: "DeadlineExceeded",
        message: "Job was active longer than specified deadline",
      });
      for (const pod of this.#listPods(name)) this.deletePod(pod);
    }
  }

  #listPods(job: string): string[] {
    return this.#store.list("pods")
      .filter(({ metadata }) => metadata.labels["job-name"] === job)
      .map(({ metadata }) => metadata.name);
  }

  /** Removes objects whose owner is gone. */
  #collect(): void {
    const uids = new Set(
      this.#store.list("jobs").map(({ metadata }) => metadata.uid),
    );
    for (const resource of ["pods", "secrets"]) {
      for (const { metadata } of this.#store.list(resource)) {
        const owners: ApiObject[] = metadata.ownerReferences ?? [];
        if (owners.length === 0 || owners.some(({ uid }) => uids.has(uid))) {
          continue;
        }
        if (resource === "pods") this.deletePod(metadata.name);
        else this.#store.delete(resource, metadata.name);
      }
    }
  }
}
