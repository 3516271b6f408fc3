import { assertEquals } from "@std/assert";
import { createRunner } from "@reactorcide/runnerlib";
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
