/**
 * Writes the generated parts of `docs/`, the picture of a run and the source of
 * the options of `runJob`: `deno task docs`.
 *
 * With `--check`, writes nothing and exits with 1 if a file is stale or a link
 * in a page is broken.
 *
 * @module
 */
import { cliReference } from "./docs/cli_reference.ts";
import { environmentReference } from "./docs/environment_reference.ts";
import { fillPage, formatText } from "./docs/fill_page.ts";
import { jobFileReference } from "./docs/job_file_reference.ts";
import { jobOptionsSource } from "./docs/job_options.ts";
import { linkProblems } from "./docs/link_problems.ts";
import { runPicture } from "./docs/run_picture.ts";
import { optionsReference } from "./docs/options_reference.ts";
import { workflowFileReference } from "./docs/workflow_file_reference.ts";

const ROOT = new URL("../", import.meta.url);

/** Generated parts by the page that holds them. */
const PARTS: Readonly<Record<string, () => Promise<string> | string>> = {
  "docs/cli.md": cliReference,
  "docs/environment.md": environmentReference,
  "docs/job-file.md": jobFileReference,
  "docs/options.md": optionsReference,
  "docs/workflow-file.md": workflowFileReference,
};

/** Source files that are generated. */
const SOURCES: Readonly<Record<string, () => string>> = {
  "src/config/job_options.ts": jobOptionsSource,
};

/** Pictures that are generated. */
const PICTURES: Readonly<Record<string, () => Promise<string>>> = {
  "docs/run.svg": () => runPicture(ROOT),
};

/** Pages whose links are checked, besides those of `docs/`. */
const OTHER_PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

if (import.meta.main) {
  const isCheck = Deno.args.includes("--check");
  const problems = [
    ...await writeFiles(isCheck),
    ...await linkProblems(ROOT, [...await listPages(), ...OTHER_PAGES]),
  ];
  for (const problem of problems) console.error(problem);
  Deno.exitCode = problems.length > 0 ? 1 : 0;
}

async function writeFiles(isCheck: boolean): Promise<string[]> {
  const problems: string[] = [];
  for (const [path, generate] of Object.entries(PARTS)) {
    const before = await Deno.readTextFile(new URL(path, ROOT));
    const after = await fillPage(before, await generate());
    problems.push(...await replace(path, before, after, isCheck));
  }
  for (const [path, generate] of Object.entries(SOURCES)) {
    const before = await Deno.readTextFile(new URL(path, ROOT));
    const after = await formatText(generate(), "ts");
    problems.push(...await replace(path, before, after, isCheck));
  }
  for (const [path, generate] of Object.entries(PICTURES)) {
    const before = await Deno.readTextFile(new URL(path, ROOT))
      .catch(() => "");
    const after = await formatText(await generate(), "svg");
    problems.push(...await replace(path, before, after, isCheck));
  }
  return problems;
}

async function replace(
  path: string,
  before: string,
  after: string,
  isCheck: boolean,
): Promise<string[]> {
  if (after === before) return [];
  if (isCheck) return [`${path} is stale: run "deno task docs"`];
  await Deno.writeTextFile(new URL(path, ROOT), after);
  return [];
}

async function listPages(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL("docs", ROOT)));
  return entries.filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`)
    .sort();
}
