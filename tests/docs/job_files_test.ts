import { assertEquals } from "@std/assert";
import { testJob } from "@reactorcide/runnerlib/testing";
import { REPOSITORY } from "../helpers/cli.ts";
import { readPage } from "../helpers/page.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A job file: its steps or its command are at the top. */
const JOB_FILE = /^(?:steps|command|job):/m;

/** Shows mistakes on purpose. */
const WRONG_JOBS = "docs/troubleshooting.md";

/** Blocks of YAML that stand for themselves. */
const YAML = /^```yaml\n([\s\S]*?)^```$/gm;

const pages = [
  ...filesOf("docs", ".md").filter((path) => path !== WRONG_JOBS),
  ...filesOf("examples", ".yaml"),
];

for (const page of pages) {
  const text = await Deno.readTextFile(`${REPOSITORY}/${page}`);
  const files = page.endsWith(".md") ? filesIn(text) : new Map();
  const jobs = page.endsWith(".md") ? jobsIn(text) : [text].filter(isJob);
  if (jobs.length === 0) continue;
  Deno.test(`the jobs of ${page} run with the test kit`, async () => {
    for (const job of jobs) {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        ...Object.fromEntries(files),
        "job.yaml": job,
        "job/ci/config/a": "",
        "deploy.env": "TARGET=staging\n",
      });
      const { status, steps, stderr } = await testJob(
        `${directory.path}/job.yaml`,
        { cwd: directory.path },
      );
      assertEquals(status, "success", `${job}\n${stderr}`);
      assertEquals(steps.some(({ outcome }) => outcome === "failed"), false);
    }
  });
}

function filesOf(directory: string, extension: string): string[] {
  return [...Deno.readDirSync(`${REPOSITORY}/${directory}`)]
    .map(({ name }) => `${directory}/${name}`)
    .filter((path) => path.endsWith(extension))
    .sort();
}

function filesIn(text: string): Map<string, string> {
  return new Map(
    readPage(text).flatMap((block) =>
      block.kind === "file" ? [[block.name, block.text]] : []
    ),
  );
}

function jobsIn(text: string): string[] {
  const files = [...filesIn(text)]
    .flatMap(([name, yaml]) => /\.ya?ml$/.test(name) ? [yaml] : []);
  const others = [...text.matchAll(YAML)].map(([, yaml]) => yaml);
  return [...new Set([...files, ...others])].filter(isJob);
}

/** Secrets would have to be in a store of this machine. */
function isJob(yaml: string): boolean {
  return JOB_FILE.test(yaml) && !/^jobs:|^source|\$\{secret:/m.test(yaml);
}
