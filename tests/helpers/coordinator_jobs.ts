import {
  type DecodedJob,
  decodeDocument,
  type DecodedWorkflow,
} from "./trigger_decoder.ts";
import {
  findStartProblem,
  findStoreProblem,
  findSubmitProblem,
  formatItem,
  type ParentJob,
} from "./trigger_rules.ts";

/** A job as the coordinator returns it. */
export interface JobRow {
  job_id: string;
  name: string;
  status: string;
  created_at: string;
  [key: string]: unknown;
}

const FAILURES = ["failed", "cancelled", "timeout"];

/** A node of a workflow. */
interface WorkflowNode {
  workflow: string;
  display: string;
  status: string;
  job: DecodedJob;
  env: Record<string, string>;
  jobId?: string;
}

/** A workflow of a document. */
export interface WorkflowInstance {
  workflow_id: string;
  name: string;
  status: string;
  operationId: string;
  /** Job that submitted it. */
  parentId: string;
  /** Workflow of that job. */
  parentWorkflow: string | undefined;
  nodes: WorkflowNode[];
  vars: Map<string, unknown>;
  /** Whether a node has failed without its job. */
  hasConflict: boolean;
}

/** How a job has ended. */
export interface JobEnd {
  status: "completed" | "failed" | "cancelled" | "timeout";
  exit_code?: number;
  last_error?: string;
  /** Content of the file with its outputs. */
  output?: string;
}

/**
 * The jobs of a coordinator, and the rules by which documents become jobs.
 *
 * A document is one transaction of the database, but not of the queue: when a job
 * is refused, those in front of it stay in the queue without being in the
 * database, and a worker tries each of these orphans forever.
 */
export class CoordinatorJobs {
  /** All jobs. */
  readonly rows: JobRow[];
  /** Why documents were refused; not part of responses. */
  readonly refusals: string[] = [];
  /** All workflows. */
  readonly workflows: WorkflowInstance[] = [];
  /**
   * IDs of the jobs in the queue, including those that are not in the database.
   */
  readonly queue: string[] = [];
  /** Why jobs can never run. */
  readonly doomed: string[] = [];
  /** Called when a job is in the database and in the queue. */
  onQueued: () => void = () => {};
  readonly #parent: ParentJob;
  readonly #parentId: string;
  readonly #known = new Set<string>();
  #count = 0;

  constructor(
    parentId: string,
    rows: readonly JobRow[],
    parent: ParentJob = {},
  ) {
    this.#parentId = parentId;
    this.#parent = parent;
    this.rows = [...rows];
  }

  /** Difference of its clock and ours, in milliseconds. */
  clockMs = 0;

  /** Returns its time; Go writes nine digits, or none. */
  now(): string {
    const date = new Date(Date.now() + this.clockMs);
    return date.toISOString().replace("Z", "000001Z");
  }

  /** Nodes of all submitted workflows, whether they are jobs or not. */
  get nodes(): WorkflowNode[] {
    return this.workflows.flatMap(({ nodes }) => nodes);
  }

  /** Names of the jobs of all documents so far, including waiting ones. */
  get submitted(): string[] {
    return this.nodes.map(({ display }) => display);
  }

  /** IDs of the jobs in the queue that are not in the database. */
  get orphans(): string[] {
    return this.queue.filter((id) =>
      !this.rows.some(({ job_id }) => job_id === id)
    );
  }

  /**
   * Accepts a document, and returns the IDs of the jobs that it starts
   * immediately.
   *
   * @param parentId The job that submits it.
   */
  submit(json: string, parentId = this.#parentId): string[] {
    const { operation_id, workflows } = decodeDocument(json);
    const { length: rows } = this.rows;
    const { length: instances } = this.workflows;
    const { length: doomed } = this.doomed;
    const keys: string[] = [];
    const ids: string[] = [];
    try {
      for (const workflow of workflows) {
        const name = workflow.id || workflow.name || "Reactorcide Jobs";
        const key = [parentId, operation_id || "none", name].join(" ");
        // The jobs of a second document with the same ID are silently dropped.
        if (this.#known.has(key) || workflow.jobs.length === 0) continue;
        this.#known.add(key);
        keys.push(key);
        ids.push(...this.#start(workflow, operation_id, parentId));
      }
    } catch (error) {
      this.rows.length = rows;
      this.workflows.length = instances;
      this.doomed.length = doomed;
      for (const key of keys) this.#known.delete(key);
      throw error;
    }
    this.onQueued();
    return ids;
  }

  /** Creates a job outside a workflow, each time that it is called. */
  create(json: string): JobRow {
    const job = JSON.parse(json);
    const { name, job_command, source_type, source_url, source_path } = job;
    const isWhole = typeof name === "string" && name !== "" &&
      name.length <= 255 && typeof job_command === "string" &&
      job_command !== "" &&
      (source_type === "git" ? !!source_url : source_type === "copy") &&
      (source_type === "git" || !!source_path);
    if (!isWhole) throw new Error(`not a job: ${json}`);
    const row = {
      ...job,
      job_id: crypto.randomUUID(),
      status: "submitted",
      created_at: this.now(),
    };
    this.rows.push(row);
    this.queue.push(row.job_id);
    this.onQueued();
    return row;
  }

  /** Returns a page of jobs, the newest first. */
  page(query: URLSearchParams): object {
    const [limit, offset] = readPage(query);
    const jobs = this.rows
      .filter((row) =>
        ["workflow_id", "project_id", "status"].every((key) =>
          !query.has(key) || row[key] === query.get(key)
        )
      )
      .sort((a, b) => a.created_at < b.created_at ? 1 : -1)
      .slice(offset, offset + limit);
    // For a service token, the total is the length of the page.
    return {
      jobs: jobs.length > 0 ? jobs : null,
      total: jobs.length,
      limit,
      offset,
    };
  }

  /** Returns a page of workflows, the newest first. */
  workflowPage(query: URLSearchParams): object {
    const [limit, offset] = readPage(query);
    const workflows = this.workflows.toReversed()
      .slice(offset, offset + limit)
      .map((instance) => this.summary(instance));
    return { workflows, total: workflows.length, limit, offset };
  }

  /** Describes a workflow, with those that its jobs have submitted. */
  summary(instance: WorkflowInstance): Record<string, unknown> {
    const { workflow_id, name, operationId, parentId, parentWorkflow } =
      instance;
    const children = this.workflows
      .filter((other) => other.parentWorkflow === workflow_id)
      .map((child) => this.summary(child));
    return {
      workflow_id,
      kind: "workflow",
      name,
      status: this.statusOf(instance),
      created_at: new Date(0).toISOString(),
      trigger_operation_id: operationId,
      trigger_type: "runnerlib",
      parent_job_id: parentId,
      ...parentWorkflow === undefined
        ? {}
        : { parent_workflow_id: parentWorkflow, origin_job_id: parentId },
      ...children.length > 0 ? { children } : {},
    };
  }

  /** A workflow ends with those that its jobs have submitted. */
  statusOf(instance: WorkflowInstance): string {
    const children = this.workflows
      .filter((other) => other.parentWorkflow === instance.workflow_id)
      .map((child) => this.statusOf(child));
    const own = ownStatus(instance);
    if (own === "failed" || children.includes("failed")) return "failed";
    const isOpen = ["running", "evaluating", "cancelling"];
    return children.find((status) => isOpen.includes(status)) ?? own;
  }

  /** A worker takes a job; returns whether it is still to be run. */
  begin(id: string): boolean {
    const row = this.rows.find(({ job_id }) => job_id === id);
    if (row?.status !== "submitted") return false;
    Object.assign(row, { status: "running", started_at: this.now() });
    return true;
  }

  /** A worker reports the end of a job. */
  finish(id: string, { output, ...end }: JobEnd): void {
    const row = this.rows.find(({ job_id }) => job_id === id)!;
    const isCancelled = row.status === "cancelling";
    Object.assign(row, end, { completed_at: this.now() });
    if (isCancelled) row.status = "cancelled";
    const instance = this.workflows
      .find(({ workflow_id }) => workflow_id === row.workflow_id);
    const node = instance?.nodes.find(({ jobId }) => jobId === id);
    if (instance === undefined || node === undefined) return;
    node.status = row.status;
    const problem = mergeOutput(instance, node, output);
    if (problem !== undefined) {
      // The workflow starts no further jobs.
      node.status = "failed";
      instance.hasConflict = true;
      return;
    }
    this.#evaluate(instance);
    this.onQueued();
  }

  /** Cancels a job; returns whether it could be cancelled. */
  cancel(id: string, how: "cancel" | "kill"): boolean {
    const row = this.rows.find(({ job_id }) => job_id === id);
    const isOpen = row !== undefined &&
      [
        "submitted",
        "queued",
        "running",
        ...how === "kill" ? ["cancelling"] : [],
      ]
        .includes(row.status);
    if (!isOpen) return false;
    if (row.status === "running" && how === "cancel") row.status = "cancelling";
    else {
      row.status = "cancelling";
      this.finish(id, { status: "cancelled" });
    }
    return true;
  }

  /** Cancels a workflow. */
  cancelWorkflow(instance: WorkflowInstance): void {
    for (const node of instance.nodes) {
      if (["pending", "waiting"].includes(node.status)) {
        node.status = "cancelled";
      }
    }
    for (const { jobId } of instance.nodes) {
      if (jobId !== undefined) this.cancel(jobId, "cancel");
    }
    for (const other of this.workflows) {
      if (other.parentWorkflow === instance.workflow_id) {
        this.cancelWorkflow(other);
      }
    }
  }

  #start(
    { name, vars, jobs }: DecodedWorkflow,
    operationId: string,
    parentId: string,
  ): string[] {
    const workflow_id = crypto.randomUUID();
    const nodes = jobs.flatMap((job): WorkflowNode[] => {
      const node = { workflow: workflow_id, status: "pending", job };
      const items = job.for_each;
      if (items.length === 0) {
        return [{ ...node, display: job.job_name, env: job.env }];
      }
      return items.map((item, index) => ({
        ...node,
        display: `${job.job_name}[${index}]`,
        env: { ...job.env, [job.item_var || "ITEM"]: formatItem(item) },
      }));
    });
    for (const { job } of nodes) {
      const problem = findStoreProblem(job);
      if (problem !== undefined) throw new Error(problem);
    }
    const instance: WorkflowInstance = {
      workflow_id,
      name: name || "Reactorcide Jobs",
      status: "evaluating",
      operationId,
      parentId,
      parentWorkflow: this.rows
        .find(({ job_id }) => job_id === parentId)?.workflow_id as string,
      nodes,
      vars: new Map(Object.entries(vars)),
      hasConflict: false,
    };
    this.workflows.push(instance);
    return this.#evaluate(instance);
  }

  /** A single pass, in the order of the document. */
  #evaluate({ workflow_id, nodes, parentId }: WorkflowInstance): string[] {
    const parent = parentId === this.#parentId ? this.#parent : {};
    const ids: string[] = [];
    for (const node of nodes) {
      if (node.status !== "pending" && node.status !== "waiting") continue;
      const needs = node.job.depends_on
        .map((name) => nodes.filter(({ job }) => job.job_name === name));
      const isTerminal = needs.every((group) =>
        group.length > 0 &&
        group.every(({ status }) =>
          ["completed", "skipped", ...FAILURES].includes(status)
        )
      );
      const problem = findSubmitProblem(node.job, parent);
      if (!isTerminal) {
        node.status = "waiting";
        if (problem !== undefined) this.#recordDoomed(node, problem);
        if (needs.some((group) => group.length === 0)) {
          this.#recordDoomed(node, "waits for a job that does not exist");
        }
        continue;
      }
      const statuses = needs.flat().map(({ status }) => status);
      if (!holds(node.job.condition.trim(), statuses)) {
        node.status = "skipped";
        if (!isCondition(node.job.condition)) {
          this.#recordDoomed(node, "condition");
        }
        continue;
      }
      if (problem !== undefined) throw new Error(`${node.display}: ${problem}`);
      const start = findStartProblem(node.job, node.env, parent);
      if (start !== undefined) this.#recordDoomed(node, start);
      node.status = "submitted";
      const job_id = `job-${++this.#count}`;
      node.jobId = job_id;
      this.rows.push({
        job_id,
        name: node.job.job_name,
        status: "submitted",
        created_at: this.now(),
        workflow_id,
        workflow_node_name: node.display,
        parent_job_id: parentId,
      });
      this.queue.push(job_id);
      ids.push(job_id);
    }
    return ids;
  }

  #recordDoomed({ display }: WorkflowNode, problem: string): void {
    this.doomed.push(`${display}: ${problem}`);
  }
}

function readPage(query: URLSearchParams): [limit: number, offset: number] {
  const asked = Number(query.get("limit") ?? 20);
  const limit = asked >= 1 && asked <= 100 ? asked : 20;
  return [limit, Number(query.get("offset") ?? 0)];
}

function ownStatus({ nodes, hasConflict }: WorkflowInstance): string {
  const has = (...wanted: string[]) =>
    nodes.some(({ status }) => wanted.includes(status));
  if (hasConflict || has("failed", "timeout")) return "failed";
  if (has("pending", "waiting", "submitted", "running")) return "running";
  if (has("cancelled")) return "cancelled";
  return has("completed") ? "success" : "skipped";
}

/** Merges the outputs of a job; returns why they cannot be merged. */
function mergeOutput(
  { vars }: WorkflowInstance,
  { job: { job_name } }: WorkflowNode,
  output: string | undefined,
): string | undefined {
  if (output === undefined || output.length > 1_048_576) return undefined;
  let document: { vars?: object | null; outputs?: object | null };
  try {
    document = JSON.parse(output);
  } catch {
    return "not JSON";
  }
  const added = [
    ...Object.entries(document.vars ?? {}),
    ...Object.entries(document.outputs ?? {})
      .map(([key, value]) => [`${job_name}.${key}`, value] as const),
  ];
  for (const [key, value] of added) {
    const known = vars.get(key);
    if (known === undefined) vars.set(key, value);
    else if (JSON.stringify(known) !== JSON.stringify(value)) return key;
  }
  return undefined;
}

const CONDITIONS: Record<string, (statuses: readonly string[]) => boolean> = {
  "": succeeded,
  "all_success": succeeded,
  "all_success(needs)": succeeded,
  "any_failed": failed,
  "any_failed(needs)": failed,
  "always": () => true,
  "always()": () => true,
};

function isCondition(text: string): boolean {
  return Object.hasOwn(CONDITIONS, text.trim());
}

/** An unknown condition counts as false, without an error. */
function holds(condition: string, statuses: readonly string[]): boolean {
  return isCondition(condition) && CONDITIONS[condition.trim()](statuses);
}

function succeeded(statuses: readonly string[]): boolean {
  return statuses.every((status) => status === "completed");
}

function failed(statuses: readonly string[]): boolean {
  return statuses.some((status) => FAILURES.includes(status));
}
