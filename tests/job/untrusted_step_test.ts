import { assertEquals, assertStringIncludes } from "@std/assert";
import { Job } from "../../src/job/job.ts";
import { findContainment } from "../../src/process/containment.ts";
import { soon } from "../helpers/soon.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Holds an inherited lock in processes that want to survive, and nothing else. */
const SURVIVE = `exec 9> lock; flock 9
  (setsid env -i /bin/sleep 1000 > /dev/null 2>&1 &)
  setsid env -i /bin/sh -c '/usr/bin/setsid /bin/sleep 1000 & exit' > /dev/null 2>&1
  sleep 0.1`;

Deno.test("no process of an untrusted step is left when the next one starts", async () => {
  await using test = await testRunner();
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("evil", SURVIVE, { untrusted: true, continueOnError: true })
      .addStep("beside", "sleep 0.5; echo done")
      .addStep("next", "flock -n lock echo free", { dependsOn: ["evil"] }),
  );
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), "free\n");
  assertStringIncludes(test.stdout(), "done\n");
  // Where it is luck, the log does not keep it to itself.
  const { problem } = await findContainment(false);
  const isWarned = test.stderr().includes("no process of an untrusted step");
  assertEquals(isWarned, problem !== undefined, test.stderr());
});

Deno.test("a step that puts a pipe in the place of its outputs fails, and holds nothing up", async () => {
  await using test = await testRunner();
  const swap = (kind: string) => `rm -f "$REACTORCIDE_OUTPUT"; ${kind}`;
  const result = await soon(
    test.runner.runJob(
      new Job("x")
        .addStep("pipe", swap('mkfifo "$REACTORCIDE_OUTPUT"'), {
          untrusted: true,
          continueOnError: true,
        })
        .addStep("link", swap('ln -s /dev/zero "$REACTORCIDE_OUTPUT"'), {
          continueOnError: true,
        })
        .addStep("after", "echo after", {
          dependsOn: ["pipe", "link"],
          condition: "always",
        }),
    ),
    "the end of the job",
  );
  assertEquals(
    result.steps.map(({ name, outcome }) => `${name} ${outcome}`),
    ["pipe failed", "link failed", "after success"],
  );
  const [pipe, link] = result.steps.map(({ reason = "" }) => reason);
  assertStringIncludes(pipe, "it is not a regular file");
  assertStringIncludes(link, "it is a symbolic link");
});
