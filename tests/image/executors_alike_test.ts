import { assertEquals } from "@std/assert";
import { readRunResult, type RunResult, WORKFLOW } from "../helpers/alike.ts";
import { runCli } from "../helpers/cli.ts";
import { describeImage, IMAGE } from "../helpers/image.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** The workflow, whose jobs run in the image that is tested. */
const CONTAINED = WORKFLOW.replace(
  /^ {2}\w+:$/gm,
  (job) => `${job}\n    image: ${IMAGE}`,
);

async function runAt(path: string, ...args: string[]): Promise<RunResult> {
  await makeFiles(path, { "ci.yaml": CONTAINED });
  const host = Deno.env.get("DOCKER_HOST");
  const result = await runCli(
    ["workflow", "run", "ci.yaml", "--source", "none", ...args],
    { cwd: path, env: host === undefined ? {} : { DOCKER_HOST: host } },
  );
  return await readRunResult(path, result);
}

describeImage("a workflow", (it) => {
  it("ends alike on this machine and in containers", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const local = await runAt(`${path}/local`);
    const contained = await runAt(
      `${path}/contained`,
      ...["--executor", "docker", "--network", "none"],
    );
    assertEquals(contained, local);
    assertEquals([local.code, local.table.length], [3, 10]);
  });
});
