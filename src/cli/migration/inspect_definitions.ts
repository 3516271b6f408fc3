import { OWN_DIRECTORY } from "../../job_path.ts";
import { RunnerError } from "../../errors.ts";
import type { JobDefinition } from "../../workflow/definition/definition.ts";
import { jobDefinition } from "../../workflow/definition/job_definition.ts";
import {
  readBaseJobFile,
  type ReadDefinitionOptions,
  readJobDefinition,
} from "../../workflow/definition/read_job_definition.ts";
import { readWorkflow } from "../../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import { type DefinitionText, readDefinitionText } from "./definition_text.ts";
import {
  type Inspection,
  isDefinition,
  type MigrationFinding,
  traitsOf,
} from "./inspection.ts";
import { isOldImage } from "./python_runner.ts";
import { shellCommands } from "./shell_commands.ts";
import { checkCommands } from "./text_rules.ts";
import type { TreeFile, UntrustedTree } from "./untrusted_tree.ts";

/** Definition files of a repository. */
export interface Definitions {
  /** Contents of job and workflow files, by path. */
  readonly texts: ReadonlyMap<string, DefinitionText>;
  /** Job files outside the CI folder. */
  readonly otherFiles: readonly TreeFile[];
}

/**
 * Reads job and workflow files, and other job files that they refer to.
 *
 * @param files Files of its CI folder.
 */
export async function readDefinitions(
  tree: UntrustedTree,
  files: readonly TreeFile[],
): Promise<Definitions> {
  const texts = new Map<string, DefinitionText>();
  const otherFiles: TreeFile[] = [];
  for (const { path, text } of files) {
    if (isDefinition(path)) texts.set(path, readDefinitionText(text));
  }
  for (const { jobFiles } of [...texts.values()]) {
    for (const jobFile of jobFiles) {
      const path = jobFile.split("/").filter((part) =>
        part !== "" && part !== "."
      ).join("/");
      if (jobFile.startsWith("/") || !await tree.hasFile(path)) continue;
      if (path.startsWith(`${OWN_DIRECTORY}/`) || texts.has(path)) continue;
      const file = await tree.read(path);
      if (file === undefined) continue;
      otherFiles.push(file);
      texts.set(path, readDefinitionText(file.text));
    }
  }
  return { texts, otherFiles };
}

/**
 * Reads the definitions as for an event.
 *
 * @param root Absolute path of a copy without links.
 * @param findings Receives the problems of invalid definitions.
 * @returns The jobs, with all overrides applied.
 */
export async function loadJobs(
  root: string,
  findings: MigrationFinding[],
): Promise<JobDefinition[]> {
  const { workflows, jobs: jobFiles } = await findDefinitions(root);
  const jobs: JobDefinition[] = [];
  const reported = new Set<string>();
  const add = (
    file: string,
    message: string,
    state: MigrationFinding["state"],
  ) => {
    for (const finding of problemFindings(file, message, state)) {
      const { file, line, change } = finding;
      const key = JSON.stringify([file, line, change]);
      if (!reported.has(key)) findings.push(finding);
      reported.add(key);
    }
  };
  const attempt = async (
    file: string,
    read: (options: ReadDefinitionOptions) => Promise<unknown>,
  ) => {
    try {
      await read({ onWarning: (warning) => add(file, warning, "note") });
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      add(file, error.message, "needed");
    }
  };
  for (const file of workflows) {
    await attempt(file, async (options) => {
      jobs.push(...(await readWorkflow(root, file, options)).jobs);
    });
  }
  for (const file of jobFiles) {
    await attempt(file, async (options) => {
      if (workflows.length === 0) {
        jobs.push((await readJobDefinition(root, file, options)).job);
        return;
      }
      const { name = "", job } = await readBaseJobFile(root, file, options);
      const isUsed = jobs.some(({ body }) => body.command === job.command);
      if (!isUsed) jobs.push(jobDefinition(name, job));
    });
  }
  return jobs;
}

/** Splits an error by position; one without a position is about the whole file. */
function problemFindings(
  file: string,
  message: string,
  state: MigrationFinding["state"],
): MigrationFinding[] {
  const places = message.split("\n").flatMap((line): MigrationFinding[] => {
    const [, path, number, problem] = /^(.+?):(\d+):\d+: (.*)$/.exec(line) ??
      [];
    if (path === undefined) return [];
    return [{
      file: path,
      line: Number(number),
      kind: "definition",
      state,
      change: problem,
    }];
  });
  if (places.length > 0) return places;
  const [first] = message.split("\n");
  return [{ file, kind: "definition", state, change: first }];
}

/** Checks the contents of a definition. */
export async function inspectDefinition(
  context: Inspection,
  file: string,
  { commands, values, images }: DefinitionText,
): Promise<void> {
  const { findings } = context;
  for (const { key, line, before, after, fix } of values) {
    findings.push({
      file,
      line,
      kind: "value",
      state: "needed",
      change: `${key} is now ${JSON.stringify(after)} instead of ${
        JSON.stringify(before)
      }. To keep the old value, write:`,
      fix,
    });
  }
  for (const { text, line } of images) {
    if (!isOldImage(text)) continue;
    findings.push({
      file,
      line,
      kind: "image",
      state: "note",
      change:
        `the job runs in "${text}": push the new image under this name, or change the name`,
    });
  }
  for (const { text, line } of commands) {
    const check = {
      file,
      commands: shellCommands(text, line),
      traits: traitsOf(context, text),
      isDefinition: true,
    };
    findings.push(...await checkCommands(check, context));
  }
}
