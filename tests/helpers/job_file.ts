import { assertEquals, assertRejects } from "@std/assert";
import { type JobFile, readJobFile } from "../../src/config/job_file.ts";
import type { StepConfig } from "../../src/config/step_config.ts";
import { RunnerError } from "../../src/errors.ts";
import { withoutExcerpts } from "./problem_text.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Reads a job file with the given text, named `job.yaml`. */
export async function readText(text: string): Promise<JobFile> {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/job.yaml`;
  await Deno.writeTextFile(path, text);
  return await readJobFile(path, "job.yaml");
}

/**
 * Reads a job file with the given text, and returns its steps as plain data.
 */
export async function readSteps(text: string): Promise<readonly StepConfig[]> {
  const { steps } = await readText(text);
  return structuredClone(steps ?? []);
}

/** Reads an invalid job file, and returns its problems. */
export async function readProblems(text: string): Promise<string[]> {
  const error = await assertRejects(() => readText(text), RunnerError);
  assertEquals(error.code, "invalid-job-file");
  const [first, ...lines] = withoutExcerpts(error.message).split("\n");
  return lines.length > 0
    ? lines.map((line) => line.replaceAll("job.yaml:", ""))
    : [first];
}
