import { readJobFile } from "../../src/config/job_file.ts";
import { followPage } from "../helpers/follow_page.ts";
import { REPOSITORY } from "../helpers/cli.ts";
import { localShell } from "../helpers/page_shell.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Has its own test, because it starts in the repository. */
const QUICK_START = "docs/quick-start.md";

/** YAML blocks that are neither files of the page nor illustrations. */
const UNMARKED_YAML = /(?<!-->\n\n)^```yaml\n([\s\S]*?)^```$/gm;

const pages = ["README.md"];
for (const { name } of Deno.readDirSync(`${REPOSITORY}/docs`)) {
  if (name.endsWith(".md")) pages.push(`docs/${name}`);
}

Deno.test("job files in pages are valid", async () => {
  await using directory = await temporaryDirectory();
  for (const page of pages) {
    const text = await Deno.readTextFile(`${REPOSITORY}/${page}`);
    for (const [, yaml] of text.matchAll(UNMARKED_YAML)) {
      await makeFiles(directory.path, { "job.yaml": yaml });
      await readJobFile(`${directory.path}/job.yaml`, page);
    }
  }
});

for (const page of pages.sort()) {
  if (page === QUICK_START) continue;
  Deno.test(`the commands of ${page} print what it shows`, async () => {
    await followPage(await Deno.readTextFile(`${REPOSITORY}/${page}`));
  });
}

Deno.test("docs/quick-start.md can be followed word for word", async () => {
  const page = await Deno.readTextFile(`${REPOSITORY}/${QUICK_START}`);
  await followPage(page, { shell: localShell(REPOSITORY) });
});
