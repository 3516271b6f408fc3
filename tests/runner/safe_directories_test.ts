import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "../../src/steps/job.ts";
import { GIT_ENV, makeRepository } from "../helpers/git_repository.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Only root can change the owner of a directory. */
const suite = Deno.uid() === 0 ? describe : () => {};

const LOG = "git log --format=%s; git config --get-all user.name";

suite("a source in a directory of another user", () => {
  const { HOME: _, ...gitEnv } = GIT_ENV;

  /** Runs a job on such a source; git prints its output. */
  async function run(
    options: Record<string, unknown>,
    job?: Job,
  ): Promise<string[]> {
    await using test = await testRunner({ ...gitEnv, GIT_CONFIG_COUNT: "0" });
    const origin = await makeRepository(`${test.path}/origin`);
    await origin.commit({ file: "1" });
    await makeFiles(test.path, { "job/src/": "" });
    await Deno.chown(`${test.path}/job/src`, 65534, 65534);
    const common = {
      source: { type: "git", url: origin.path },
      ...options,
    };
    const result = job === undefined
      ? await test.runner.runJob({ command: LOG, ...common })
      : await test.runner.runJob(job, common);
    return [result.status, ...test.stdout().trim().split("\n")];
  }

  it("lets the command use git", async () => {
    assertEquals(await run({ command: "git log --format=%s" }), [
      "success",
      "Change",
    ]);
    const env = {
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "user.name",
      GIT_CONFIG_VALUE_0: "me",
    };
    assertEquals(await run({ env }), ["success", "Change", "me"]);
  });

  it("lets every kind of step use git", async () => {
    const job = new Job("x").addStep("a", "git log --format=a-%s")
      .addStep("b", "git log --format=b-%s", { inheritEnv: false })
      .addStep("c", "git log --format=c-%s", { untrusted: true });
    const [status, ...lines] = await run({}, job);
    assertEquals(status, "success", lines.join("\n"));
    const printed = lines.map((line) => /[abc]-Change/.exec(line)?.[0]).sort();
    assertEquals(printed, ["a-Change", "b-Change", "c-Change"]);
  });
});

describe("a source in a directory of the runner", () => {
  it("does not change the configuration of git", async () => {
    await using test = await testRunner();
    const origin = await makeRepository(`${test.path}/origin`);
    await origin.commit({ file: "1" });
    const { status } = await test.runner.runJob({
      command: 'env | grep -c "^GIT_CONFIG" && exit 1 || exit 0',
      source: { type: "git", url: origin.path },
    });
    assertEquals([status, test.stdout().trim()], ["success", "0"]);
  });
});
