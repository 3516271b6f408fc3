/**
 * Writes the generated parts of `docs/`: `deno task docs`.
 *
 * With `--check` nothing is written; it ends with 1 when a page is stale, or a
 * link in a page leads nowhere.
 *
 * @module
 */
import { cliReference } from "./docs/cli_reference.ts";
import { environmentReference } from "./docs/environment_reference.ts";
import { fillPage } from "./docs/fill_page.ts";
import { jobFileReference } from "./docs/job_file_reference.ts";
import { linkProblems } from "./docs/link_problems.ts";

const ROOT = new URL("../", import.meta.url);

/** Generated parts by the page that holds them. */
const PARTS: Readonly<Record<string, () => Promise<string> | string>> = {
  "docs/cli.md": cliReference,
  "docs/environment.md": environmentReference,
  "docs/job-file.md": jobFileReference,
};

/** Pages whose links are checked, besides those of `docs/`. */
const OTHER_PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

if (import.meta.main) {
  const isCheck = Deno.args.includes("--check");
  const problems = [
    ...await writePages(isCheck),
    ...await linkProblems(ROOT, [...await listPages(), ...OTHER_PAGES]),
  ];
  for (const problem of problems) console.error(problem);
  Deno.exitCode = problems.length > 0 ? 1 : 0;
}

async function writePages(isCheck: boolean): Promise<string[]> {
  const problems: string[] = [];
  for (const [path, generate] of Object.entries(PARTS)) {
    const url = new URL(path, ROOT);
    const before = await Deno.readTextFile(url);
    const after = await fillPage(before, await generate());
    if (after === before) continue;
    if (isCheck) problems.push(`${path} is stale: run "deno task docs"`);
    else await Deno.writeTextFile(url, after);
  }
  return problems;
}

async function listPages(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL("docs", ROOT)));
  return entries.filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`)
    .sort();
}
