import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "../../src/steps/job.ts";
import { runCli, startCli } from "../helpers/cli.ts";
import { endProcess, waitForExit } from "../helpers/process_table.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Writes a job that holds the place, and one that needs it. */
async function makeJobs(path: string): Promise<void> {
  await makeFiles(path, {
    "a/job.yaml": `steps:
  - name: holds
    concurrency: deploy
    run: echo "pid $$ holds"; exec sleep 300
  - { name: other, run: "true" }
`,
    "b/job.yaml": `steps:
  - name: waits
    concurrency: { group: deploy, limit: 1 }
    run: echo got the place
  - { name: other, run: "true" }
`,
  });
}

describe("a concurrency group", () => {
  it("limits steps of other processes, and a killed one frees its place", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeJobs(path);
    const env = { HOME: path };
    await using holder = startCli(["run"], { cwd: `${path}/a`, env });
    await holder.sees("holds");
    const pid = Number(/pid (\d+) holds/.exec(holder.stdout)![1]);
    await using waiter = startCli(["run"], { cwd: `${path}/b`, env });
    await waiter.sees(
      'waits: waiting for a place in the concurrency group "deploy" (limit 1)',
      "stderr",
    );
    assertEquals(waiter.stdout.includes("got the place"), false);
    holder.child.kill("SIGKILL");
    const { code, stdout } = await waiter.end();
    assertEquals(code, 0);
    assertStringIncludes(stdout, "got the place");
    endProcess(pid);
    await waitForExit(pid);
  });

  it("is not waited for after a cancellation", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeJobs(path);
    const env = { HOME: `${path}/home`, XDG_STATE_HOME: `${path}/state` };
    await using holder = startCli(["run"], { cwd: `${path}/a`, env });
    await holder.sees("holds");
    await using waiter = startCli(["run"], { cwd: `${path}/b`, env });
    await waiter.sees("waiting for a place", "stderr");
    waiter.child.kill("SIGTERM");
    const { code, stderr } = await waiter.end();
    assertEquals(code, 143);
    assertStringIncludes(stderr, "waits: cancelled");
  });

  it("limits the steps of one job", async () => {
    await using directory = await temporaryDirectory();
    await using test = await testRunner({ HOME: directory.path });
    let running = 0;
    let most = 0;
    const both = Promise.withResolvers<void>();
    const { status } = await test.runner.runJob(
      new Job("x").addStep("test", async () => {
        most = Math.max(most, ++running);
        if (running === 2) both.resolve();
        await both.promise;
        running--;
      }, {
        forEach: ["a", "b", "c", "d"],
        concurrency: { group: "db", limit: 2 },
      }),
      { limits: { concurrency: 4 } },
    );
    assertEquals([status, most], ["success", 2]);
    const files = await listFiles(directory.path);
    const names = Object.keys(files).filter((name) => !name.endsWith("/"));
    assertEquals(names, [
      ".local/state/reactorcide/concurrency/db.1",
      ".local/state/reactorcide/concurrency/db.2",
    ]);
  });

  it("needs a directory, and a name that can be a file", async () => {
    await using test = await testRunner();
    const { error } = await test.runner.runJob(
      new Job("x").addStep("a", "true", { concurrency: { group: "a" } }),
    );
    assertEquals(
      error?.message,
      "Cannot use a concurrency group: neither XDG_STATE_HOME nor HOME is an absolute path",
    );
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml":
        "steps:\n  - name: a\n    run: x\n    concurrency: ../../etc\n",
    });
    const { code, stderr } = await runCli(["validate"], { cwd: path });
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      "job.yaml:4:5: steps[0].concurrency must consist of up to 100 letters, digits, ., _ and -, such as deploy",
    );
  });
});
