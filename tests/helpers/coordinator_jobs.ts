import {
  type DecodedJob,
  decodeDocument,
  type DecodedWorkflow,
} from "./trigger_decoder.ts";
import {
  itemText,
  type ParentJob,
  startProblem,
  storeProblem,
  submitProblem,
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
  /** Why documents were refused; not part of answers. */
  readonly refusals: string[] = [];
  /** Nodes of all submitted workflows, whether they are jobs or not. */
  readonly nodes: WorkflowNode[] = [];
  /**
   * Ids of the jobs in the queue, including those that are not in the database.
   */
  readonly queue: string[] = [];
  /** Why jobs can never run. */
  readonly doomed: string[] = [];
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

  /** Names of the jobs of all documents so far, including waiting ones. */
  get submitted(): string[] {
    return this.nodes.map(({ display }) => display);
  }

  /** Ids of the jobs in the queue that no refused document has rolled back. */
  get orphans(): string[] {
    return this.queue.filter((id) =>
      !this.rows.some(({ job_id }) => job_id === id)
    );
  }

  /**
   * Accepts a document, and returns the ids of the jobs that it starts
   * immediately.
   */
  submit(json: string): string[] {
    const { operation_id, workflows } = decodeDocument(json);
    const before = [this.rows.length, this.nodes.length, this.doomed.length];
    const keys: string[] = [];
    const ids: string[] = [];
    try {
      for (const workflow of workflows) {
        const name = workflow.id || workflow.name || "Reactorcide Jobs";
        const key = [this.#parentId, operation_id || "none", name].join(" ");
        // A second document under the same id loses its jobs without a word.
        if (this.#known.has(key) || workflow.jobs.length === 0) continue;
        this.#known.add(key);
        keys.push(key);
        ids.push(...this.#start(key, workflow));
      }
      return ids;
    } catch (error) {
      const [rows, nodes, doomed] = before;
      this.rows.length = rows;
      this.nodes.length = nodes;
      this.doomed.length = doomed;
      for (const key of keys) this.#known.delete(key);
      throw error;
    }
  }

  /** Returns a page of jobs, the newest first. */
  page(query: URLSearchParams): object {
    const asked = Number(query.get("limit") ?? 20);
    const limit = asked >= 1 && asked <= 100 ? asked : 20;
    const offset = Number(query.get("offset") ?? 0);
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

  #start(workflow: string, { jobs }: DecodedWorkflow): string[] {
    const nodes = jobs.flatMap((job): WorkflowNode[] => {
      const node = { workflow, status: "pending", job };
      const items = job.for_each;
      if (items.length === 0) {
        return [{ ...node, display: job.job_name, env: job.env }];
      }
      return items.map((item, index) => ({
        ...node,
        display: `${job.job_name}[${index}]`,
        env: { ...job.env, [job.item_var || "ITEM"]: itemText(item) },
      }));
    });
    for (const { job } of nodes) {
      const problem = storeProblem(job);
      if (problem !== undefined) throw new Error(problem);
    }
    this.nodes.push(...nodes);
    const ids: string[] = [];
    // A single pass, in the order of the document.
    for (const node of nodes) {
      const needs = node.job.depends_on
        .map((name) => nodes.filter(({ job }) => job.job_name === name));
      const isTerminal = needs.every((group) =>
        group.length > 0 &&
        group.every(({ status }) =>
          ["completed", "skipped", ...FAILURES].includes(status)
        )
      );
      const problem = submitProblem(node.job, this.#parent);
      if (!isTerminal) {
        node.status = "waiting";
        if (problem !== undefined) this.#doom(node, problem);
        if (needs.some((group) => group.length === 0)) {
          this.#doom(node, "waits for a job that there is not");
        }
        continue;
      }
      const statuses = needs.flat().map(({ status }) => status);
      if (!holds(node.job.condition.trim(), statuses)) {
        node.status = "skipped";
        if (!isCondition(node.job.condition)) this.#doom(node, "condition");
        continue;
      }
      if (problem !== undefined) throw new Error(`${node.display}: ${problem}`);
      const start = startProblem(node.job, node.env, this.#parent);
      if (start !== undefined) this.#doom(node, start);
      node.status = "submitted";
      const job_id = `job-${++this.#count}`;
      this.rows.push({
        job_id,
        name: node.job.job_name,
        status: "submitted",
        created_at: new Date().toISOString(),
        workflow_node_name: node.display,
        parent_job_id: this.#parentId,
      });
      this.queue.push(job_id);
      ids.push(job_id);
    }
    return ids;
  }

  #doom({ display }: WorkflowNode, problem: string): void {
    this.doomed.push(`${display}: ${problem}`);
  }
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
