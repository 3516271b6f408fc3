/** Pipelines of the documentation, run without running their commands. */

import { assertEquals } from "@std/assert";
import { Job } from "../../mod.ts";
import { testJob } from "../../testing.ts";
import { REPOSITORY } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const BLOCK = /(?<!<!-- illustration -->\n\n)^```(yaml|ts)\n([\s\S]*?)^```$/gm;

const TYPESCRIPT_JOB = /^const job = (new Job\([\s\S]*?\);)$(?=\n\n)/gm;

const pages = ["README.md"];
for (const { name } of Deno.readDirSync(`${REPOSITORY}/docs`)) {
  if (name.endsWith(".md")) pages.push(`docs/${name}`);
}

for (const page of pages.sort()) {
  const blocks = [
    ...(await Deno.readTextFile(`${REPOSITORY}/${page}`)).matchAll(BLOCK),
  ].map(([, language, text]) => ({ language, text }));
  const files = blocks.filter(isJobFile).map(({ text }) => text);
  const jobs = blocks.filter(({ language }) => language === "ts")
    .flatMap(({ text }) => [...text.matchAll(TYPESCRIPT_JOB)])
    .map(([, code]) => code);
  if (files.length + jobs.length === 0) continue;

  Deno.test(`pipelines of ${page} succeed if their commands do`, async () => {
    await using directory = await temporaryDirectory();
    for (const file of files) {
      await makeFiles(directory.path, { "job.yaml": file });
      const test = await testJob(`${directory.path}/job.yaml`);
      assertEquals(test.status, "success", file + test.stderr);
    }
    for (const code of jobs) {
      const job = new Function("Job", "fetch", `return ${code}`)(Job, answer);
      const test = await testJob(job);
      assertEquals(test.status, "success", code + test.stderr);
    }
  });
}

/** Stands in for `fetch`, as no service runs. */
function answer(): Promise<Response> {
  return Promise.resolve(new Response("<html></html>"));
}

function isJobFile({ language, text }: Record<string, string>): boolean {
  return language === "yaml" && /^steps:/m.test(text);
}
