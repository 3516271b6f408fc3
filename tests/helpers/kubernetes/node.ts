import { removeTree } from "../../../src/workspace/remove.ts";
import { ContainerProcess } from "./container_process.ts";
import { type ApiObject, now, type ObjectStore } from "./object_store.ts";

/** Labels of the only node. */
const NODE_LABELS: Readonly<Record<string, string>> = { disk: "ssd" };

/** Number of processors of the node. */
const NODE_CPUS = 8;

/** A Pod that runs on the node. */
interface RunningPod {
  readonly name: string;
  readonly directory: string;
  readonly containers: Map<string, ContainerProcess>;
  isStopping: boolean;
  /** Resolves when all of it has ended. */
  ended: Promise<void>;
}

/** The scheduler, and a node that runs Pods as processes of this machine. */
export class Node {
  /** Images that can be pulled. */
  readonly images: Set<string> = new Set(["image:1"]);
  /** Difference of its clock and ours, in milliseconds. */
  clockMs = 0;
  readonly #store: ObjectStore;
  readonly #directory: string;
  readonly #cache: string;
  readonly #pods = new Map<string, RunningPod>();
  /** Times at which Pods that are being stopped are killed. */
  readonly #limits = new Set<{ pod: RunningPod; endMs: number }>();
  #skippedMs = 0;

  /**
   * @param directory Absolute path of a directory for the Pods.
   * @param cache Absolute path of Deno's cache.
   */
  constructor(store: ObjectStore, directory: string, cache: string) {
    this.#store = store;
    this.#directory = directory;
    this.#cache = cache;
  }

  /** Returns a container of a Pod, if it has been started. */
  container(pod: string, name: string): ContainerProcess | undefined {
    return this.#pods.get(pod)?.containers.get(name);
  }

  /** Schedules and runs a new Pod. */
  start(pod: ApiObject): void {
    const { name } = pod.metadata;
    const problem = findSchedulingProblem(pod.spec);
    if (problem !== undefined) {
      this.#setStatus(name, (status) => {
        status.conditions = [createCondition("PodScheduled", "False", {
          reason: "Unschedulable",
          message: `0/1 nodes are available: ${problem}.`,
        })];
      });
      return;
    }
    this.#setStatus(name, (status) => {
      status.conditions = [createCondition("PodScheduled", "True", {})];
      status.initContainerStatuses = createWaitingStatuses(
        pod.spec.initContainers,
      );
      status.containerStatuses = createWaitingStatuses(pod.spec.containers);
    });
    const running: RunningPod = {
      name,
      directory: `${this.#directory}/${name}`,
      containers: new Map(),
      isStopping: false,
      ended: Promise.resolve(),
    };
    this.#pods.set(name, running);
    running.ended = this.#run(pod, running);
  }

  /** Ends a Pod: gracefully, or immediately. */
  async stop(name: string, graceSeconds: number): Promise<void> {
    const pod = this.#pods.get(name);
    if (pod === undefined) return;
    const isFirst = !pod.isStopping;
    pod.isStopping = true;
    if (graceSeconds > 0 && isFirst) {
      for (const container of pod.containers.values()) {
        void container.signal("SIGTERM");
      }
    }
    const limit = { pod, endMs: this.#now() + graceSeconds * 1_000 };
    this.#limits.add(limit);
    const timer = setTimeout(() => kill(pod), graceSeconds * 1_000);
    await pod.ended;
    clearTimeout(timer);
    this.#limits.delete(limit);
    this.#pods.delete(name);
  }

  /** Skips time of the grace time of Pods. */
  skip(ms: number): void {
    this.#skippedMs += ms;
    for (const { pod, endMs } of this.#limits) {
      if (endMs <= this.#now()) kill(pod);
    }
  }

  #now(): number {
    return Date.now() + this.#skippedMs;
  }

  /** Ends a Pod for lack of resources of the node. */
  async evict(name: string): Promise<void> {
    this.#setStatus(name, (status) => {
      status.phase = "Failed";
      status.reason = "Evicted";
      status.message = "The node was low on resource: ephemeral-storage.";
    });
    await this.stop(name, 0);
  }

  /** Kills a container as the kernel does when memory is short. */
  killForMemory(pod: string, container: string): void {
    this.#reasons.set(`${pod}/${container}`, "OOMKilled");
    void this.container(pod, container)?.signal("SIGKILL");
  }

  readonly #reasons = new Map<string, string>();

  async stopAll(): Promise<void> {
    await Promise.all([...this.#pods.keys()].map((name) => this.stop(name, 0)));
  }

  async #run(pod: ApiObject, running: RunningPod): Promise<void> {
    for (const { name } of pod.spec.volumes) {
      await Deno.mkdir(`${running.directory}/volumes/${name}`, {
        recursive: true,
      });
      await Deno.chmod(`${running.directory}/volumes/${name}`, 0o777);
    }
    let isFailed = false;
    for (const container of pod.spec.initContainers ?? []) {
      isFailed ||= await this.#runContainer(pod, running, container) !== 0;
    }
    if (!isFailed && !running.isStopping) {
      const codes = await Promise.all(
        pod.spec.containers.map((container: ApiObject) =>
          this.#runContainer(pod, running, container)
        ),
      );
      isFailed = codes.some((code) => code !== 0);
    }
    this.#setStatus(running.name, (status) => {
      if (status.phase === "Failed") return;
      status.phase = isFailed ? "Failed" : "Succeeded";
    });
    await removeTree(running.directory);
  }

  /** Runs a container to its end, and returns its exit code. */
  async #runContainer(
    pod: ApiObject,
    running: RunningPod,
    spec: ApiObject,
  ): Promise<number> {
    const { name } = running;
    if (!this.images.has(spec.image)) {
      return await this.#failToPull(running, spec);
    }
    const env = this.#environment(spec);
    if (env === undefined) {
      this.#setState(name, spec.name, {
        waiting: {
          reason: "CreateContainerConfigError",
          message: "secret not found",
        },
      });
      return 1;
    }
    const root = `${running.directory}/roots/${spec.name}`;
    await Deno.mkdir(root, { recursive: true });
    if (running.isStopping) return 137;
    const { runAsUser, runAsGroup } = pod.spec.securityContext;
    const container = new ContainerProcess({
      command: spec.command.map((word: string) => expand(word, env)),
      env,
      root,
      cache: this.#cache,
      clockMs: this.clockMs,
      uid: runAsUser,
      gid: runAsGroup,
      mounts: Object.fromEntries(
        spec.volumeMounts.map(({ name, mountPath }: ApiObject) => [
          mountPath,
          `${running.directory}/volumes/${name}`,
        ]),
      ),
    });
    running.containers.set(spec.name, container);
    await container.started;
    this.#setState(name, spec.name, { running: { startedAt: now() } });
    const ended = await container.exitCode;
    const killed = this.#reasons.get(`${name}/${spec.name}`);
    const exitCode = killed === undefined ? ended : 137;
    const reason = killed ?? (exitCode === 0 ? "Completed" : "Error");
    this.#setState(name, spec.name, {
      terminated: { exitCode, reason, finishedAt: now() },
    });
    return exitCode;
  }

  async #failToPull(running: RunningPod, spec: ApiObject): Promise<number> {
    for (const reason of ["ErrImagePull", "ImagePullBackOff"]) {
      this.#setState(running.name, spec.name, {
        waiting: { reason, message: `manifest for ${spec.image} not found` },
      });
    }
    while (!running.isStopping) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return 1;
  }

  /** Returns the variables of a container; `undefined` without its Secret. */
  #environment(spec: ApiObject): Record<string, string> | undefined {
    const env: Record<string, string> = {};
    for (const { secretRef } of spec.envFrom ?? []) {
      const secret = this.#store.get("secrets", secretRef.name);
      if (secret === undefined) return undefined;
      for (const [name, value] of Object.entries(secret.data)) {
        const bytes = Uint8Array.from(
          atob(String(value)),
          (character) => character.charCodeAt(0),
        );
        env[name] = new TextDecoder().decode(bytes);
      }
    }
    for (const { name, value } of spec.env ?? []) {
      env[name] = expand(value, env);
    }
    return env;
  }

  #setState(pod: string, container: string, state: ApiObject): void {
    this.#setStatus(pod, (status) => {
      const all = [
        ...status.initContainerStatuses ?? [],
        ...status.containerStatuses ?? [],
      ];
      for (const one of all) if (one.name === container) one.state = state;
      const isRunning = (status.containerStatuses ?? [])
        .some((one: ApiObject) => one.state?.running !== undefined);
      if (isRunning && status.phase === "Pending") status.phase = "Running";
    });
  }

  #setStatus(pod: string, change: (status: ApiObject) => void): void {
    this.#store.update("pods", pod, (object) => change(object.status));
  }
}

function kill({ containers }: RunningPod): void {
  for (const container of containers.values()) void container.signal("SIGKILL");
}

function findSchedulingProblem(spec: ApiObject): string | undefined {
  const isFit = Object.entries(spec.nodeSelector ?? {})
    .every(([name, value]) => NODE_LABELS[name] === value);
  if (!isFit) {
    return "1 node(s) didn't match Pod's node affinity/selector";
  }
  const cpus = spec.containers.map(({ resources }: ApiObject) =>
    Number(resources?.requests?.cpu ?? 0)
  );
  return Math.max(...cpus) > NODE_CPUS ? "1 Insufficient cpu" : undefined;
}

function createWaitingStatuses(containers: ApiObject[]): ApiObject[] {
  return containers.map(({ name, image }) => ({
    name,
    image,
    state: { waiting: { reason: "PodInitializing" } },
  }));
}

/** Creates a condition of an object. */
export function createCondition(
  type: string,
  status: string,
  rest: { readonly reason?: string; readonly message?: string },
): ApiObject {
  return { type, status, lastTransitionTime: now(), ...rest };
}

/** Replaces variables as Kubernetes does. */
function expand(text: string, env: Record<string, string>): string {
  return text.replace(
    /\$(?:\$|\(([^()]*)\))/g,
    (whole, name) => whole === "$$" ? "$" : env[name] ?? whole,
  );
}
