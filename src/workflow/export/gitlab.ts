import { Variable } from "../../environment/variables.ts";
import type { EventType } from "../../schema/when.ts";
import { findKey, type WorkflowDefinition } from "../definition/definition.ts";
import { Commented } from "./commented_yaml.ts";
import { branchPrefix, type EngineRules } from "./engines.ts";
import {
  checkoutSettings,
  EXPORT_DIRECTORY,
  type ExportedJob,
  type ExportedWorkflow,
  ITEM_VARIABLE,
} from "./exported_job.ts";

/** Maximum number of needs of a job in GitLab. */
const MAX_NEEDS = 50;

/** Rules for exporting to GitLab. */
export const GITLAB: EngineRules = {
  engine: "GitLab",
  allowsUnderscore: true,
  reserved: [
    ...["after_script", "before_script", "cache", "default", "image"],
    ...["include", "nil", "null", "pages", "services", "spec", "stage"],
    ...["stages", "true", "false", "types", "variables", "workflow"],
  ],
  maxItems: 200,
  unsupported: [
    {
      property: "priority",
      keys: ["priority"],
      note: "is not exported: GitLab has no job priorities",
    },
    ...([
      ["capabilities", "capabilities"],
      ["workerClass", "worker_class"],
      ["characteristics", "characteristics"],
    ] as const).map(([property, key]) => ({
      property,
      keys: [key],
      note: "is not exported; set the tags of matching runners",
    })),
    {
      property: "imagePullSecrets",
      keys: ["image_pull_secrets"],
      note: "is not exported; set the variable DOCKER_AUTH_CONFIG in GitLab",
    },
    {
      property: "resources",
      keys: ["resources"],
      note:
        "is not exported: GitLab sets limits in the configuration of the runner",
    },
  ],
  artifactStore: `${EXPORT_DIRECTORY}/artifacts`,
  result: (id, name) => ({ file: resultFile(id), name }),
};

/** Creates `.gitlab-ci.yml`. */
export function gitlabFile(
  workflow: ExportedWorkflow,
  getComments: (job: ExportedJob) => readonly string[],
): Record<string, unknown> {
  return {
    workflow: { rules: createRules(workflow) },
    variables: { GIT_DEPTH: workflow.needsHistory ? "0" : "1" },
    ...Object.fromEntries(
      workflow.jobs.map((job) => [
        job.id,
        new Commented(createJob(job, workflow), getComments(job)),
      ]),
    ),
  };
}

/** Returns the path of the file for the result of a job, relative to its checkout. */
function resultFile(id: string): string {
  return `${EXPORT_DIRECTORY}/${id}.env`;
}

function createJob(job: ExportedJob, workflow: ExportedWorkflow) {
  const { needs, itemCount, timeoutSeconds, isNeeded, retentionMs } = job;
  if (needs.length > MAX_NEEDS) {
    workflow.warnings.add(
      findKey(job.sources, ["needs", "depends_on"]) ?? job.sources[0],
      `job "${job.definition.name}": it has ${needs.length} needs, and GitLab allows at most ${MAX_NEEDS}`,
    );
  }
  return {
    image: createImage(job),
    needs: needs.map(({ id }) => id),
    // The runner decides whether the job runs.
    when: workflow.isGated && needs.length > 0 ? "always" : undefined,
    parallel: itemCount === undefined ? undefined : {
      matrix: [{
        [ITEM_VARIABLE]: Array.from({ length: itemCount }, (_, at) => `${at}`),
      }],
    },
    timeout: timeoutSeconds && `${timeoutSeconds} seconds`,
    variables: createCheckoutVariables(job, workflow),
    script: [job.script],
    artifacts: isNeeded || retentionMs !== undefined
      ? {
        // Only the runner knows for which outcomes it saves artifacts.
        when: "always",
        paths: retentionMs && [`${GITLAB.artifactStore}/`],
        expire_in: retentionMs && `${Math.ceil(retentionMs / 1_000)} seconds`,
        reports: isNeeded ? { dotenv: resultFile(job.id) } : undefined,
      }
      : undefined,
  };
}

function createImage({ image, user }: ExportedJob) {
  return user === undefined
    ? image
    : { name: image, docker: { user }, kubernetes: { user } };
}

function createCheckoutVariables(
  job: ExportedJob,
  { needsHistory, warnings }: ExportedWorkflow,
): Record<string, string> | undefined {
  const { depth, submodules, lfs } = checkoutSettings(job, {
    needsHistory,
    warnings,
    engine: "GitLab",
  });
  const variables = {
    ...needsHistory || depth === 1 ? {} : { GIT_DEPTH: `${depth}` },
    ...submodules === "off" ? {} : {
      GIT_SUBMODULE_STRATEGY: submodules === "on" ? "normal" : "recursive",
    },
    ...lfs === "off" ? { GIT_LFS_SKIP_SMUDGE: "1" } : {},
  };
  return Object.keys(variables).length === 0 ? undefined : variables;
}

/** Returns the rules for starting a pipeline, with variables that describe its event. */
function createRules({ definition, source, warnings }: ExportedWorkflow) {
  const { events = [], branches = [] } = definition.triggers;
  const unsupported = events.filter((event) =>
    event === "pull_request_merged" || event === "pull_request_closed"
  );
  const isOnlyOpened = events.includes("pull_request_opened") &&
    !events.includes("pull_request_updated");
  const triggers = findKey([source.document], ["on", "triggers", "true"]) ??
    source.document;
  for (const event of unsupported) {
    warnings.add(
      triggers,
      `${event} is not exported: GitLab has no pipelines for it`,
    );
  }
  if (isOnlyOpened) {
    warnings.add(
      triggers,
      "GitLab also starts the workflow when a merge request is updated",
    );
  }
  const has = (...types: EventType[]) =>
    types.some((type) => events.includes(type));
  return [
    ...has("push")
      ? [{
        if: `$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH${
          formatBranchCondition("$CI_COMMIT_BRANCH", branches)
        }`,
        variables: {
          [Variable.eventType]: "push",
          [Variable.branch]: "$CI_COMMIT_BRANCH",
        },
      }]
      : [],
    ...has("tag_created")
      ? [{
        if: `$CI_COMMIT_TAG${
          formatBranchCondition("$CI_COMMIT_TAG", branches)
        }`,
        variables: {
          [Variable.eventType]: "tag_created",
          [Variable.branch]: "$CI_COMMIT_TAG",
        },
      }]
      : [],
    ...has("pull_request_opened", "pull_request_updated")
      ? [{
        if: `$CI_PIPELINE_SOURCE == "merge_request_event"${
          formatBranchCondition(
            "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
            branches,
          )
        }`,
        variables: createPullVariables(isOnlyOpened),
      }]
      : [],
    // A pipeline that is started in another way runs without an event.
    {
      if:
        "$CI_PIPELINE_SOURCE =~ /^(web|api|trigger|schedule|pipeline|parent_pipeline|chat)$/",
    },
  ];
}

function createPullVariables(isOnlyOpened: boolean): Record<string, string> {
  return {
    [Variable.eventType]: isOnlyOpened
      ? "pull_request_opened"
      : "pull_request_updated",
    [Variable.branch]: "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    [Variable.prNumber]: "$CI_MERGE_REQUEST_IID",
    [Variable.prRef]: "$CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    [Variable.prBaseRef]: "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    [Variable.diffBase]: "$CI_MERGE_REQUEST_DIFF_BASE_SHA",
  };
}

/** Returns a condition that matches at least the branches that the patterns match. */
function formatBranchCondition(
  variable: string,
  patterns: WorkflowDefinition["triggers"]["branches"] = [],
): string {
  const words = patterns.map((pattern) => {
    const { prefix, isExact } = branchPrefix(pattern);
    // In GitLab, a slash ends a regular expression.
    const text = prefix.replace(
      /[^\w-]/g,
      (character) =>
        /[./+()|^$]/.test(character)
          ? `\\${character}`
          : `\\x{${character.codePointAt(0)!.toString(16)}}`,
    );
    return isExact ? `${text}$` : text;
  });
  return words.length === 0 || words.includes("")
    ? ""
    : ` && ${variable} =~ /^(${words.join("|")})/`;
}
