import { itemText } from "../../json_value.ts";
import {
  DefinitionPlaces,
  placeText,
} from "../definition/definition_source.ts";
import { writeYaml } from "./commented_yaml.ts";
import type { WorkflowEngine } from "./engines.ts";
import type {
  EngineRules,
  ExportedJob,
  ExportedWorkflow,
} from "./exported_job.ts";
import { type ExportInput, prepareExport } from "./exported_workflow.ts";
import type { ExportWarning } from "./export_warnings.ts";

/** First comment of every exported file, before the path of the workflow. */
export const EXPORT_MARK = "Written by runnerlib workflow export from";

/** Maximum number of items that a comment lists. */
const MAX_SHOWN_ITEMS = 20;

/** Exports workflows to an engine. */
interface EngineWriter {
  readonly rules: EngineRules;
  /** Creates the file. */
  readonly file: (
    workflow: ExportedWorkflow,
    getComments: (job: ExportedJob) => readonly string[],
  ) => Record<string, unknown>;
}

const WRITERS: Readonly<Record<WorkflowEngine, () => Promise<EngineWriter>>> = {
  async gitlab() {
    const { GITLAB, gitlabFile } = await import("./gitlab.ts");
    return { rules: GITLAB, file: gitlabFile };
  },
  async github() {
    const { GITHUB, githubFile } = await import("./github.ts");
    return { rules: GITHUB, file: githubFile };
  },
  async argo() {
    const { ARGO, argoFile } = await import("./argo.ts");
    return { rules: ARGO, file: argoFile };
  },
};

/** Result of {@linkcode exportWorkflow}. */
export interface WorkflowExport {
  /** Text of the file. */
  readonly text: string;
  /** Parts of the workflow that cannot be exported. */
  readonly warnings: readonly ExportWarning[];
}

/**
 * Exports a workflow to another engine. Its jobs run with our runner.
 *
 * Comments in the file tell where each job is defined and what cannot be exported.
 *
 * @throws {RunnerError} `invalid-workflow` if the workflow cannot be exported.
 */
export async function exportWorkflow(
  input: ExportInput,
  engine: WorkflowEngine,
): Promise<WorkflowExport> {
  const { rules, file } = await WRITERS[engine]();
  const workflow = await prepareExport(input, rules);
  const places = new DefinitionPlaces();
  const comments = new Map<string, readonly string[]>();
  for (const job of workflow.jobs) {
    const { sources: [source] } = job;
    const place = placeText(source, await places.placeOf(source));
    comments.set(job.id, jobComments(job, place));
  }
  const document = file(workflow, ({ id }) => comments.get(id) ?? []);
  const warnings = await workflow.warnings.list();
  const { mask } = input;
  const text = await writeYaml(document, [
    `${EXPORT_MARK} ${input.definition.sourceFile}`,
    ...secretComments(workflow),
    ...warnings.length === 0 ? [] : ["", "Not exported:"],
    ...warnings.map(({ place, text }) => `  ${place}: ${mask(text)}`),
  ]);
  return { text, warnings };
}

function jobComments(
  { definition: { name, description, body }, itemCount }: ExportedJob,
  place: string,
): string[] {
  const items = itemCount === undefined ? [] : (body.forEach ?? [])
    .slice(0, MAX_SHOWN_ITEMS)
    .map((item, at) => `  item ${at}: ${itemText(item)}`);
  const rest = (itemCount ?? 0) - items.length;
  return [
    "",
    `job ${JSON.stringify(name)} of ${place}`,
    ...description === undefined ? [] : [`  ${description}`],
    ...items,
    ...rest > 0 ? [`  and ${rest} more`] : [],
  ];
}

function secretComments({ secrets }: ExportedWorkflow): string[] {
  return secrets.length === 0 ? [] : [
    "",
    "Secrets to set in the engine:",
    ...secrets.map(({ variable, path, key }) =>
      `  ${variable}: ${path}, ${key}`
    ),
  ];
}
