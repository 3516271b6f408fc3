import { assertEquals } from "@std/assert";
import { createRunner, type Host } from "@reactorcide/runnerlib";
import { BARE_ENV } from "../helpers/running.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("createRunner() works in another directory and environment", async () => {
  await using directory = await temporaryDirectory();
  await Deno.mkdir(`${directory.path}/inner`);
  const { runJob } = createRunner({
    cwd: `${directory.path}/inner`,
    env: { ...BARE_ENV, REACTORCIDE_IN_CONTAINER: "false", GREETING: "hello" },
  });
  const { status } = await runJob({
    command: 'echo "$GREETING" > here; [ -z "$HOME" ]',
  });
  assertEquals(status, "success");
  assertEquals(
    await Deno.readTextFile(`${directory.path}/inner/here`),
    "hello\n",
  );
});

Deno.test("createRunner() accepts a host without streams, as long as nothing is printed", async () => {
  await using directory = await temporaryDirectory();
  const env = { ...BARE_ENV, REACTORCIDE_IN_CONTAINER: "false" };
  const host = { cwd: directory.path, env } as unknown as Host;
  await createRunner({ host }).setWorkflowOutput("key", 1);
  assertEquals(
    JSON.parse(
      await Deno.readTextFile(`${directory.path}/job/workflow-output.json`),
    ),
    { outputs: { key: 1 } },
  );
});
