import { Variable } from "../../environment/variables.ts";
import type { EventType } from "../../schema/when.ts";
import { findKey } from "../definition/definition.ts";
import { resourceFlags } from "../local/container_command.ts";
import { Commented } from "./commented_yaml.ts";
import { branchPrefix, type EngineRules } from "./engines.ts";
import {
  checkoutSettings,
  EXPORT_DIRECTORY,
  type ExportedJob,
  type ExportedWorkflow,
  ITEM_VARIABLE,
} from "./exported_job.ts";

/** Time limits of GitHub are in whole minutes. */
const SECONDS_PER_MINUTE = 60;

/** Retention of artifacts on GitHub is in whole days. */
const MS_PER_DAY = 24 * 60 * 60_000;

/** Rules for exporting to GitHub. */
export const GITHUB: EngineRules = {
  engine: "GitHub",
  allowsUnderscore: true,
  reserved: [],
  maxItems: 256,
  unsupported: [
    {
      property: "priority",
      keys: ["priority"],
      note: "is not exported: GitHub has no job priorities",
    },
    ...([
      ["capabilities", "capabilities"],
      ["workerClass", "worker_class"],
      ["characteristics", "characteristics"],
    ] as const).map(([property, key]) => ({
      property,
      keys: [key],
      note: "is not exported; set the labels of matching runners in runs-on",
    })),
    {
      property: "imagePullSecrets",
      keys: ["image_pull_secrets"],
      note: "is not exported; add credentials to the container",
    },
  ],
  artifactStore: `${EXPORT_DIRECTORY}/artifacts`,
  result: (_id, name) => ({ file: '"$GITHUB_OUTPUT"', name }),
};

/** Activity types of the GitHub event `pull_request`, by our events. */
const PULL_TYPES: Readonly<Partial<Record<EventType, readonly string[]>>> = {
  pull_request_opened: ["opened"],
  pull_request_updated: ["synchronize", "reopened"],
  pull_request_merged: ["closed"],
  pull_request_closed: ["closed"],
};

/**
 * Variables that describe the event. The type is empty for a workflow that is
 * started manually.
 */
const EVENT_VARIABLES: Readonly<Record<string, string>> = {
  [Variable.eventType]:
    "github.event_name == 'push' && (github.ref_type == 'tag' && 'tag_created' || 'push') || github.event_name == 'pull_request' && (github.event.action == 'opened' && 'pull_request_opened' || github.event.action == 'closed' && (github.event.pull_request.merged && 'pull_request_merged' || 'pull_request_closed') || 'pull_request_updated') || ''",
  [Variable.branch]: "github.base_ref || github.ref_name",
  [Variable.prNumber]: "github.event.pull_request.number",
  [Variable.prRef]: "github.head_ref",
  [Variable.prBaseRef]: "github.base_ref",
  [Variable.diffBase]:
    "github.event.pull_request.base.sha || github.event.before",
};

/** Creates the workflow file for `.github/workflows`. */
export function githubFile(
  workflow: ExportedWorkflow,
  getComments: (job: ExportedJob) => readonly string[],
): Record<string, unknown> {
  return {
    name: escapeExpressions(workflow.definition.name),
    on: createTriggers(workflow),
    permissions: { contents: "read" },
    env: Object.fromEntries(
      Object.entries(EVENT_VARIABLES).map(([name, value]) => [
        name,
        formatExpression(value),
      ]),
    ),
    jobs: Object.fromEntries(
      workflow.jobs.map((job) => [
        job.id,
        new Commented(createJob(job, workflow), getComments(job)),
      ]),
    ),
  };
}

function createJob(job: ExportedJob, workflow: ExportedWorkflow) {
  const { needs, itemCount, results, timeoutSeconds, isNeeded } = job;
  return {
    name: escapeExpressions(job.definition.name) +
      (itemCount === undefined ? "" : ` [${formatExpression("matrix.item")}]`),
    "runs-on": "ubuntu-latest",
    container: createContainer(job),
    needs: needs.length === 0 ? undefined : needs.map(({ id }) => id),
    // The runner decides whether the job runs.
    if: workflow.isGated && needs.length > 0
      ? formatExpression("!cancelled()")
      : undefined,
    strategy: itemCount === undefined ? undefined : {
      "fail-fast": false,
      matrix: { item: Array.from({ length: itemCount }, (_, at) => at) },
    },
    "timeout-minutes": timeoutSeconds &&
      Math.ceil(timeoutSeconds / SECONDS_PER_MINUTE),
    outputs: isNeeded
      ? Object.fromEntries(
        results.map((
          name,
        ) => [name, formatExpression(`steps.job.outputs.${name}`)]),
      )
      : undefined,
    steps: [
      {
        uses: "actions/checkout@v4",
        with: createCheckout(job, workflow),
      },
      ...job.artifactNeeds.map(createDownload),
      {
        id: "job",
        shell: "sh",
        env: createVariables(job),
        run: job.script,
      },
      ...createUploads(job),
    ],
  };
}

/** Downloads the artifacts of a job. The runner reports missing artifacts. */
function createDownload({ results: [name], itemCount }: ExportedJob) {
  return {
    uses: "actions/download-artifact@v4",
    "continue-on-error": true,
    with: {
      [itemCount === undefined ? "name" : "pattern"]: itemCount === undefined
        ? name
        : name.replace(/0$/, "*"),
      "merge-multiple": itemCount === undefined ? undefined : true,
      path: GITHUB.artifactStore,
    },
  };
}

/** Uploads the artifacts that the runner has saved. */
function createUploads(
  { results: [name], itemCount, retentionMs }: ExportedJob,
) {
  if (retentionMs === undefined) return [];
  return [{
    uses: "actions/upload-artifact@v4",
    if: formatExpression("!cancelled()"),
    with: {
      name: itemCount === undefined
        ? name
        : name.replace(/0$/, formatExpression("matrix.item")),
      path: GITHUB.artifactStore,
      "include-hidden-files": true,
      "if-no-files-found": "ignore",
      "retention-days": Math.ceil(retentionMs / MS_PER_DAY),
    },
  }];
}

/** Returns variables with secrets, results of needed jobs, and the index of the item. */
function createVariables(
  { needs, secrets, itemCount }: ExportedJob,
): Record<string, string> | undefined {
  const entries = [
    ...secrets.map(({ variable }) => [variable, `secrets.${variable}`]),
    ...needs.flatMap(({ id, results }) =>
      results.map((name) => [name, `needs.${id}.outputs.${name}`])
    ),
    ...itemCount === undefined ? [] : [[ITEM_VARIABLE, "matrix.item"]],
  ];
  return entries.length === 0 ? undefined : Object.fromEntries(
    entries.map(([name, value]) => [name, formatExpression(value)]),
  );
}

function createContainer({ image, user, definition: { body } }: ExportedJob) {
  const options = [
    ...user === undefined ? [] : [`--user=${user}`],
    ...resourceFlags(body),
  ];
  return {
    image,
    options: options.length === 0 ? undefined : options.join(" "),
  };
}

function createCheckout(
  job: ExportedJob,
  { needsHistory, warnings }: ExportedWorkflow,
) {
  const { depth, submodules, lfs } = checkoutSettings(job, {
    needsHistory,
    warnings,
    engine: "GitHub",
  });
  return {
    "fetch-depth": depth,
    "persist-credentials": false,
    submodules: submodules === "off"
      ? undefined
      : submodules === "on"
      ? true
      : "recursive",
    lfs: lfs === "auto" ? true : undefined,
  };
}

/** Returns the events that may start the workflow, including a manual start. */
function createTriggers({ definition, source, warnings }: ExportedWorkflow) {
  const { events = [], branches = [] } = definition.triggers;
  const types = [
    ...new Set(events.flatMap((event) => PULL_TYPES[event] ?? [])),
  ];
  const startsOnOneClosing = events.includes("pull_request_merged") !==
    events.includes("pull_request_closed");
  if (startsOnOneClosing) {
    warnings.add(
      findKey([source.document], ["on", "triggers", "true"]) ?? source.document,
      "GitHub starts the workflow for both merged and closed pull requests",
    );
  }
  const names = createBranchFilter(branches);
  return {
    push: createPushFilter(events, names),
    pull_request: types.length === 0
      ? undefined
      : { types, branches: names.length === 0 ? undefined : names },
    workflow_dispatch: {},
  };
}

function createPushFilter(
  events: readonly EventType[],
  names: readonly string[],
) {
  const all = names.length === 0 ? ["**"] : names;
  const filter = {
    branches: events.includes("push") ? all : undefined,
    tags: events.includes("tag_created") ? all : undefined,
  };
  return filter.branches || filter.tags ? filter : undefined;
}

/**
 * Returns GitHub patterns that match at least the branches that our patterns match;
 * empty if all branches must match.
 */
function createBranchFilter(patterns: readonly string[]): string[] {
  const all = patterns.map((pattern) => {
    const { prefix, isExact } = branchPrefix(pattern);
    const plain = /^[\w./-]*/.exec(prefix)![0];
    return isExact && plain === prefix ? plain : `${plain}**`;
  });
  return all.includes("**") ? [] : [...new Set(all)];
}

/** Formats an expression that GitHub evaluates. */
function formatExpression(text: string): string {
  return `\${{ ${text} }}`;
}

/** Escapes a text so that GitHub does not evaluate expressions in it. */
function escapeExpressions(text: string): string {
  return text.replaceAll("${{", (start) => formatExpression(`'${start}'`));
}
