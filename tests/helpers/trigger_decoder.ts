/**
 * Decodes trigger documents as strictly as the coordinator does. Its later
 * checks of jobs are in `trigger_rules.ts`.
 */

/** Properties of a job in a document. */
export interface DecodedJob {
  job_name: string;
  depends_on: string[];
  condition: string;
  env: Record<string, string>;
  for_each: unknown[];
  item_var: string;
  job_command: string;
  [key: string]: unknown;
}

/** A workflow of a document, in a uniform form. */
export interface DecodedWorkflow {
  id: string;
  name: string;
  vars: Record<string, unknown>;
  jobs: DecodedJob[];
}

/** A document, in a uniform form. */
export interface DecodedDocument {
  operation_id: string;
  trigger_type: string;
  workflows: DecodedWorkflow[];
}

/** A number and how it was written. */
class Numeral {
  constructor(readonly source: string) {}
}

type Decoder = (value: unknown, path: string) => unknown;

const text: Decoder = (value, path) => {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw new Error(`${path}: not a string`);
  return value;
};

/** Neither `1.0` nor `1e1` is an integer. */
const integer: Decoder = (value, path) => {
  if (value === null || value === undefined) return undefined;
  if (!(value instanceof Numeral) || !/^-?\d+$/.test(value.source)) {
    throw new Error(`${path}: not an integer`);
  }
  if (!Number.isSafeInteger(Number(value.source))) {
    throw new Error(`${path}: out of range`);
  }
  return Number(value.source);
};

const flag: Decoder = (value, path) => {
  if (value === null || value === undefined) return false;
  if (typeof value !== "boolean") throw new Error(`${path}: not a bool`);
  return value;
};

const anything: Decoder = (value) => toPlain(value);

const listOf = (member: Decoder): Decoder => (value, path) => {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new Error(`${path}: not an array`);
  return value.map((item, index) => member(item, `${path}[${index}]`));
};

const mapOf = (member: Decoder): Decoder => (value, path) => {
  if (value === null || value === undefined) return {};
  if (!isObject(value)) throw new Error(`${path}: not an object`);
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, member(item, `${path}.${key}`)]),
  );
};

/** Keys match in any case, the last one wins, unknown ones are ignored. */
const struct = (fields: Record<string, Decoder>): Decoder => (value, path) => {
  if (value !== null && value !== undefined && !isObject(value)) {
    throw new Error(`${path}: not an object`);
  }
  const given = new Map<string, unknown>();
  for (const [key, member] of Object.entries(value ?? {})) {
    given.set(key.toLowerCase(), member);
  }
  return Object.fromEntries(
    Object.entries(fields)
      .map(([key, decode]) => [key, decode(given.get(key), `${path}.${key}`)]),
  );
};

const JOB = struct({
  job_name: text,
  depends_on: listOf(text),
  condition: text,
  env: mapOf(text),
  source_type: text,
  source_url: text,
  source_ref: text,
  ci_source_type: text,
  ci_source_url: text,
  ci_source_ref: text,
  container_image: text,
  job_command: text,
  code_dir: text,
  job_dir: text,
  working_dir: text,
  run_as_user: text,
  priority: integer,
  timeout: integer,
  capabilities: listOf(text),
  image_pull_secrets: listOf(text),
  for_each: listOf(anything),
  item_var: text,
  worker_class: text,
  // Numbers of both arrive as floats; their values are validated much later.
  characteristics: mapOf(anything),
  resources: mapOf(anything),
  job_file: text,
  ci_origin: text,
  execution_profile: text,
  disable_run_local: flag,
  run_local: anything,
});

const WORKFLOW = {
  id: text,
  name: text,
  source_file: text,
  ci_origin: text,
  ci_repository: text,
  ci_sha: text,
  execution_profile: text,
  worker_class: text,
  policy_revision: text,
  policy_rule_id: text,
  approval_id:
    ((value, path) =>
      value === null || value === undefined
        ? null
        : text(value, path)) as Decoder,
  dependency_paths: listOf(text),
  vars: mapOf(anything),
  jobs: listOf(JOB),
};

const ENVELOPE = struct({
  type: text,
  operation_id: text,
  trigger_type: text,
  workflows: listOf(struct(WORKFLOW)),
  workflow: struct(WORKFLOW),
  jobs: listOf(JOB),
  policy_violations: listOf(mapOf(text)),
  changed_ci_paths: listOf(text),
  actor_subjects: listOf(text),
});

/**
 * Decodes a document.
 *
 * @throws {SyntaxError} If it is not JSON.
 * @throws {Error} If anything in it has the wrong type.
 */
export function decodeDocument(json: string): DecodedDocument {
  const raw = parseJson(json);
  if (!isObject(raw)) throw new Error("not an object");
  // deno-lint-ignore no-explicit-any
  const envelope = ENVELOPE(raw, "document") as any;
  if (envelope.type !== "trigger_job") throw new Error("wrong type");
  if (Object.hasOwn(raw, "version")) throw new Error("version is forbidden");
  const workflow = { ...envelope.workflow, jobs: envelope.jobs };
  const workflows: DecodedWorkflow[] = envelope.workflows.length > 0
    ? envelope.workflows
    : workflow.name !== "" || workflow.jobs.length > 0
    ? [workflow]
    : [];
  for (const job of workflows.flatMap(({ jobs }) => jobs)) {
    if (job.job_file !== "") throw new Error("job_file is refused");
    const isEval = envelope.trigger_type.trim() === "runnerlib_eval";
    if (!isEval && (job.ci_origin !== "" || job.execution_profile !== "")) {
      throw new Error("a job claims authority");
    }
  }
  return {
    operation_id: envelope.operation_id.trim(),
    trigger_type: envelope.trigger_type.trim() || "runnerlib",
    workflows,
  };
}

/** Checks for keys, at any depth, to which the coordinator responds with 500. */
export function hasReservedKey(json: string): boolean {
  const visit = (value: unknown): boolean =>
    Array.isArray(value)
      ? value.some(visit)
      : isObject(value) && Object.entries(value).some(([key, member]) =>
        ["org", "org_id", "organization"].includes(key) || visit(member)
      );
  return visit(parseJson(json));
}

function parseJson(json: string): unknown {
  const reviver = (
    _key: string,
    value: unknown,
    context?: { source: string },
  ) => typeof value === "number" ? new Numeral(context!.source) : value;
  return JSON.parse(json, reviver);
}

function toPlain(value: unknown): unknown {
  if (value instanceof Numeral) return Number(value.source);
  if (Array.isArray(value)) return value.map(toPlain);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, toPlain(member)]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    !Array.isArray(value) && !(value instanceof Numeral);
}
