import { readWorkflow } from "../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../workflow/eval/load_tree.ts";
import type { CommandContext, NameKind } from "./command.ts";
import { readJobFileEntry } from "./inventory.ts";
import { findJobFile } from "./job_location.ts";
import { findWorkflowPlace } from "./workflow/load_workflow.ts";

/** Functions that list the names of a kind. */
const NAMES: Readonly<
  Record<
    NameKind,
    (context: CommandContext, words: readonly string[]) => Promise<string[]>
  >
> = {
  step: listStepNames,
  job: listJobNames,
  workflow: async ({ runner }) => [
    ...(await findDefinitions(runner.host.cwd)).workflows,
  ],
  command: ({ catalog }) => Promise.resolve(Object.keys(catalog.entries)),
};

/**
 * Lists the names that a shell offers as completions.
 *
 * @param words Words of the command line after the program. The last one is
 * incomplete, and may be a comma-separated list.
 * @returns Names; none if the files that define them cannot be read.
 */
export async function completedNames(
  context: CommandContext,
  kind: string,
  words: readonly string[],
): Promise<string[]> {
  if (!Object.hasOwn(NAMES, kind)) return [];
  const [, list = ""] = /^(.*,)/.exec(words.at(-1) ?? "") ?? [];
  try {
    const names = await NAMES[kind as NameKind](context, words);
    return names.filter((name) => !/[\n,]/.test(name))
      .map((name) => list + name);
  } catch {
    // A shell cannot show errors during completion.
    return [];
  }
}

async function listStepNames(
  { runner }: CommandContext,
  words: readonly string[],
): Promise<string[]> {
  const { cwd } = runner.host;
  const file = readOptionValue("job-file", words) ?? await findJobFile(cwd);
  if (file === undefined) return [];
  const { parts: steps } = await readJobFileEntry(cwd, file, runner);
  return steps.map(({ name }) => name);
}

async function listJobNames(
  { runner }: CommandContext,
  words: readonly string[],
): Promise<string[]> {
  const { cwd } = runner.host;
  const typed = readOptionValue("workflow-file", words) ??
    words.slice(0, -1).find((word) => /^[^-].*\.ya?ml$/.test(word));
  const files = typed === undefined
    ? (await findDefinitions(cwd)).workflows
    : [typed];
  if (files.length !== 1) return [];
  const { root, sourceFile } = findWorkflowPlace(files[0], cwd);
  const { jobs } = await readWorkflow(root, sourceFile);
  return jobs.map(({ name }) => name);
}

/** Returns the value of an option; bash splits words at "=". */
function readOptionValue(
  option: string,
  words: readonly string[],
): string | undefined {
  const flag = `--${option}`;
  for (const [at, word] of words.entries()) {
    if (word.startsWith(`${flag}=`)) return word.slice(flag.length + 1);
    if (word !== flag) continue;
    const value = words[at + 1] === "=" ? words[at + 2] : words[at + 1];
    return value || undefined;
  }
  return undefined;
}
