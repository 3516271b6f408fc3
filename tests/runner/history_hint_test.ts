import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "../../src/steps/job.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { type TestRunner, testRunner } from "../helpers/test_runner.ts";

const HINT = "REACTORCIDE_FETCH_DEPTH=0";

/** Commands that need more than a clone of depth 1. */
const FAILING = [
  "git describe",
  "git describe --tags",
  "git describe --exact-match --tags HEAD",
  "git describe --contains HEAD",
  "git checkout v1",
  "git checkout -b new v1",
  "git switch side",
  "git switch --detach v1",
  "git rev-parse --verify HEAD^",
  "git rev-parse v1",
  "git log HEAD~1",
  "git log v1..HEAD",
  "git diff HEAD^ HEAD",
  "git diff origin/side...HEAD",
  "git diff --stat v1",
  "git show v1:file",
  "git merge origin/side",
  "git rebase origin/side",
  "git cherry-pick v1",
  "git revert --no-edit HEAD~1",
  "git reset --hard HEAD^",
  "git merge-base HEAD v1",
  "git branch --contains v1",
  "git branch new v1",
  "git archive v1",
  "git worktree add --detach ../tree v1",
  "git cat-file -p v1",
  "git ls-tree v1",
  "git tag --verify v1",
  "git push /nowhere v1",
  "git format-patch -o .. origin/side",
  "git restore --source v1 file",
  "git blame v1 -- file",
  "git rev-list --count HEAD..origin/side",
  "git show $FIRST",
  "git checkout $FIRST",
  "git reset --hard $FIRST",
  "git diff $FIRST",
  "git log $FIRST..HEAD",
  "git branch --contains $FIRST",
  // Output after the reason does not hide it.
  "git describe || { seq 500; exit 1; }",
  'sh -c "git describe 2>&1" | sed "s/^/npm error stderr: /"; exit 1',
];

/** Commands that fail for other reasons, or succeed. */
const OTHER = [
  "false",
  "echo 'expected shallow(<App />) to equal 1'; exit 1",
  "echo 'fatal: out of memory'; exit 1",
  "git log -1; exit 3",
  "git clone /nowhere; exit 3",
  "git fetch http://127.0.0.1:1/x; exit 3",
  "echo 'fatal: could not read Username for x'; exit 3",
  "echo 'fatal: Could not read from remote repository.'; exit 3",
  "cat missing",
];

/** Three commits, the first of which is `v1`, and the branches `main` and `side`. */
async function makeOrigin(path: string): Promise<string> {
  const origin = await makeRepository(path);
  const first = await origin.commit({ file: "1" });
  await origin.git("tag", "--annotate", "--message=v1", "v1");
  await origin.git("branch", "side");
  for (const text of ["2", "3"]) await origin.commit({ file: text });
  return first;
}

function jobOf(commands: readonly string[]): Job {
  const job = new Job("git");
  for (const [index, command] of commands.entries()) {
    job.addStep(`${index}`, command);
  }
  return job;
}

/** Returns the last lines of each failed step in the summary. */
function tails(test: TestRunner): string[] {
  const [, ...parts] = test.stderr().split(/^✗ /m);
  return parts;
}

describe("a failed step in a clone of depth 1", () => {
  it("gets a hint about the option that fetches the history", async () => {
    await using directory = await temporaryDirectory();
    const FIRST = await makeOrigin(`${directory.path}/origin`);
    await using test = await testRunner();
    const result = await test.runner.runJob(jobOf(FAILING), {
      source: {
        type: "git",
        url: `file://${directory.path}/origin`,
        ref: "main",
      },
      limits: { concurrency: 1 },
      failurePolicy: "continue",
      env: { FIRST },
    });
    const unexplained = result.steps.flatMap(({ name, outcome }) => {
      const tail = tails(test).find((text) => text.startsWith(`${name}:`));
      const isExplained = outcome === "failed" && tail?.includes(HINT);
      return isExplained ? [] : [`${FAILING[Number(name)]}: ${tail}`];
    });
    assertEquals(unexplained, []);
    // The hint is logged once.
    assertEquals(test.stderr().split("[source] warning").length, 2);
  });

  it("gets no hint for any other failure", async () => {
    await using directory = await temporaryDirectory();
    await makeOrigin(`${directory.path}/origin`);
    await using test = await testRunner();
    const { status } = await test.runner.runJob(jobOf(OTHER), {
      source: { type: "git", url: `file://${directory.path}/origin` },
    });
    assertEquals(status, "failed");
    assert(!test.stderr().includes(HINT), test.stderr());
  });

  it("gets no hint with the complete history, or without a source", async () => {
    await using directory = await temporaryDirectory();
    await makeOrigin(`${directory.path}/origin`);
    const whole = {
      source: { type: "git", url: `file://${directory.path}/origin` },
      checkout: { fetchDepth: 0 },
    };
    for (const options of [whole, {}]) {
      await using test = await testRunner();
      const command = "echo fatal: bad revision; exit 1";
      await test.runner.runJob({ command, ...options });
      assert(!test.stderr().includes(HINT), test.stderr());
    }
  });

  it("gets a hint about branches and tags that are missing from a short history", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    await origin.commit({ file: "1" });
    await origin.git("tag", "v1");
    for (
      const [fetchDepth, exitCode, isHinted] of [
        [1, 128, true],
        [9, 128, true],
        [0, 0, false],
      ] as const
    ) {
      await using test = await testRunner();
      const result = await test.runner.runJob({
        command: "git describe --tags",
        source: { type: "git", url: origin.path, ref: "main" },
        checkout: { fetchDepth },
      });
      assertEquals(result.exitCode, exitCode);
      assertEquals(test.stderr().includes(HINT), isHinted, test.stderr());
    }
  });

  it("can be the command of a job", async () => {
    await using directory = await temporaryDirectory();
    await makeOrigin(`${directory.path}/origin`);
    for (
      const [env, options] of [
        [{}, {}],
        [{}, { output: { stderr: "separate" } }],
        [{}, { output: { maxLineBytes: 4_096 } }],
        [{ LOG_FORMAT: "json" }, {}],
      ] as const
    ) {
      await using test = await testRunner(env);
      const { exitCode } = await test.runner.runJob({
        command: "git describe",
        source: { type: "git", url: `${directory.path}/origin` },
        ...options,
      });
      assertEquals(exitCode, 128);
      assertStringIncludes(test.stderr(), HINT);
    }
  });
});
