import {
  type DecodedJob,
  decodeDocument,
  type DecodedWorkflow,
} from "./trigger_decoder.ts";

/** A job as the coordinator tells of it. */
export interface JobRow {
  job_id: string;
  name: string;
  status: string;
  created_at: string;
  [key: string]: unknown;
}

const FAILURES = ["failed", "cancelled", "timeout"];

/** The jobs of a coordinator, and the rules by which documents become jobs. */
export class CoordinatorJobs {
  /** All jobs. */
  readonly rows: JobRow[];
  /** Why documents were refused; the caller is never told. */
  readonly refusals: string[] = [];
  /** Nodes of all workflows that were submitted, jobs or not. */
  readonly nodes: {
    workflow: string;
    display: string;
    status: string;
    job: DecodedJob;
  }[] = [];
  readonly #parentId: string;
  readonly #known = new Set<string>();
  #count = 0;

  constructor(parentId: string, rows: readonly JobRow[]) {
    this.#parentId = parentId;
    this.rows = [...rows];
  }

  /** Names of the jobs that documents have made so far, waiting ones too. */
  get submitted(): string[] {
    return this.nodes.map(({ display }) => display);
  }

  /** Takes a document and returns the ids of the jobs that it starts at once. */
  submit(json: string): string[] {
    const { operation_id, workflows } = decodeDocument(json);
    const ids: string[] = [];
    for (const workflow of workflows) {
      const name = workflow.id || workflow.name || "Reactorcide Jobs";
      const key = [this.#parentId, operation_id || "none", name].join(" ");
      // A second document under the same id loses its jobs without a word.
      if (this.#known.has(key) || workflow.jobs.length === 0) continue;
      this.#known.add(key);
      ids.push(...this.#start(key, workflow));
    }
    return ids;
  }

  /** One page of jobs, the newest first. */
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
    // A token for services is told the length of the page, not the total.
    return {
      jobs: jobs.length > 0 ? jobs : null,
      total: jobs.length,
      limit,
      offset,
    };
  }

  #start(workflow: string, { jobs }: DecodedWorkflow): string[] {
    const nodes = jobs.flatMap((job) => {
      const items = job.for_each;
      const names = items.length === 0
        ? [job.job_name]
        : items.map((_, index) => `${job.job_name}[${index}]`);
      return names.map((display) => ({
        workflow,
        display,
        status: "pending",
        job,
      }));
    });
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
      if (!isTerminal) {
        node.status = "waiting";
        continue;
      }
      const statuses = needs.flat().map(({ status }) => status);
      if (!holds(node.job.condition.trim(), statuses)) {
        node.status = "skipped";
        continue;
      }
      if (node.job.job_command === "none at all") {
        throw new Error("queue is out of order");
      }
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
      ids.push(job_id);
    }
    return ids;
  }
}

function holds(condition: string, statuses: readonly string[]): boolean {
  switch (condition.replace(/\((needs)?\)$/, "")) {
    case "":
    case "all_success":
      return statuses.every((status) => status === "completed");
    case "any_failed":
      return statuses.some((status) => FAILURES.includes(status));
    case "always":
      return true;
    default:
      return false;
  }
}
