import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { eventFacts } from "../../src/runner/event_facts.ts";
import { Job } from "../../src/steps/job.ts";
import type { ConditionContext } from "../../src/steps/step.ts";
import { GIT_ENV, makeRepository } from "../helpers/git_repository.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const PULL_REQUEST = {
  REACTORCIDE_EVENT_TYPE: "pull_request_opened",
  REACTORCIDE_BRANCH: "main",
  REACTORCIDE_PR_NUMBER: "7",
  REACTORCIDE_PR_REF: "main",
  REACTORCIDE_PR_BASE_REF: "main",
};

function factsOf(
  env: Record<string, string>,
  directory = "/nonexistent",
  hasPaths = false,
) {
  return eventFacts({ env: { ...GIT_ENV, ...env }, directory, hasPaths });
}

/** Name of a branch that a shell would execute. */
const HOSTILE = "x$(touch${IFS}pwned)'\"";

describe("eventFacts()", () => {
  it("uses a described event, without reading git", async () => {
    const push = await factsOf({
      REACTORCIDE_EVENT_TYPE: "push",
      REACTORCIDE_BRANCH: "main",
    });
    assertEquals([push.event, push.branch, push.tags], ["push", "main", []]);
    const tag = await factsOf({
      REACTORCIDE_EVENT_TYPE: "tag_created",
      REACTORCIDE_BRANCH: "main",
    });
    assertEquals([tag.branch, tag.tags], [null, ["main"]]);
    const merged = await factsOf({
      ...PULL_REQUEST,
      REACTORCIDE_EVENT_TYPE: "pull_request_merged",
    });
    assertEquals(merged.branch, "main");
    const incomplete = await factsOf({ REACTORCIDE_EVENT_TYPE: "push" });
    assertEquals(incomplete.branch, undefined);
  });

  it("returns no branch for a pull request, whatever the names of its branches", async () => {
    for (
      const env of [PULL_REQUEST, {
        ...PULL_REQUEST,
        REACTORCIDE_EVENT_TYPE: "",
      }]
    ) {
      const { branch, tags } = await factsOf(env);
      assertEquals([branch, tags], [null, []]);
    }
  });

  it("reads git without a described event", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const nothing = await factsOf({}, path, true);
    assertEquals(
      [nothing.branch, nothing.tags, nothing.changedFiles],
      [undefined, undefined, undefined],
    );
    const { git, commit } = await makeRepository(`${path}/repository`);
    const repository = `${path}/repository`;
    await commit({ a: "1" });
    // The first commit has no parent.
    const first = await factsOf({}, repository, true);
    assertEquals([first.branch, first.changedFiles], ["main", undefined]);
    await commit({ "line\nbreak": "1", "ümlaut": "2" });
    const { branch, tags, changedFiles } = await factsOf({}, repository, true);
    assertEquals([branch, tags], ["main", []]);
    assertEquals(changedFiles, ["line\nbreak", "ümlaut"]);
    await git("checkout", "--quiet", "--detach");
    assertEquals((await factsOf({}, repository)).branch, undefined);
    await git("tag", "v1");
    // A tag of the same name does not hide the branch.
    await git("tag", "main");
    assertEquals(
      (await factsOf({}, repository)).tags,
      ["v1", "main"].toSorted(),
    );
    await git("checkout", "--quiet", "main", "--");
    await git("symbolic-ref", "HEAD", "refs/heads/main");
    assertEquals((await factsOf({}, repository)).branch, "main");
    await git("checkout", "--quiet", "-b", HOSTILE);
    assertEquals((await factsOf({}, repository)).branch, HOSTILE);
  });

  it("finds no changed files in a shallow clone", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { git, commit } = await makeRepository(`${path}/origin`);
    await commit({ a: "1" });
    await commit({ a: "2" });
    await git(
      ...["clone", "--quiet", "--depth=1", `file://${path}/origin`],
      `${path}/clone`,
    );
    const facts = await factsOf({}, `${path}/clone`, true);
    assertEquals(facts.changedFiles, undefined);
    assertEquals(facts.branch, "main");
  });
});

describe("conditions on the event of a job", () => {
  it("skip steps and their dependents, with the reason", async () => {
    await using test = await testRunner(PULL_REQUEST);
    const result = await test.runner.runJob(
      new Job("x").addStep("deploy", "echo deployed", {
        when: { branch: "main" },
      })
        .addStep("after", "true", { dependsOn: ["deploy"] })
        .addStep("always", "true", {
          dependsOn: ["deploy"],
          condition: "always",
        })
        .addStep("matrix", "true", {
          matrix: { axes: { OS: ["linux", "macos"] } },
          when: { env: { OS: "linux" } },
        }),
    );
    assertEquals(result.status, "success");
    assertEquals(
      result.steps.map(({ name, outcome, reason }) => [name, outcome, reason]),
      [
        [
          "deploy",
          "skipped",
          "when.branch: the run has no branch (the event is a pull request)",
        ],
        ["after", "skipped", '"deploy" was skipped'],
        ["always", "success", undefined],
        ["matrix (linux)", "success", undefined],
        [
          "matrix (macos)",
          "skipped",
          'when.env.OS: the value is not "linux"',
        ],
      ],
    );
  });

  it("are not affected by the job's variables, outputs or steps", async () => {
    await using test = await testRunner();
    const { git, commit } = await makeRepository(test.path);
    await commit({ a: "1" });
    await git("checkout", "--quiet", "-b", "feature");
    const result = await test.runner.runJob(
      new Job("x").addStep(
        "hostile",
        `git checkout -q -b main2 && git branch -f -q main && git checkout -q main
         echo REACTORCIDE_BRANCH=main >> "$REACTORCIDE_OUTPUT"
         echo DEPLOY=yes >> "$REACTORCIDE_OUTPUT"`,
        { untrusted: true },
      )
        .addStep("branch", "true", {
          dependsOn: ["hostile"],
          when: { branch: "main" },
        })
        .addStep("output", "true", {
          dependsOn: ["hostile"],
          when: { env: { REACTORCIDE_OUTPUT_HOSTILE_DEPLOY: "yes" } },
        }),
      { env: { REACTORCIDE_BRANCH: "main" } },
    );
    assertEquals(
      result.steps.map(({ outcome }) => outcome),
      ["success", "skipped", "skipped"],
    );
  });

  it("are passed to a condition that is a function", async () => {
    await using test = await testRunner(PULL_REQUEST);
    let seen: ConditionContext | undefined;
    await test.runner.runJob(
      new Job("x").addStep("a", "true", {
        env: { A: "1" },
        condition(context) {
          seen = context;
          return true;
        },
      }),
    );
    assertEquals(seen?.facts.event, "pull_request_opened");
    assertEquals(seen?.facts.branch, null);
    assertEquals(seen?.env.A, "1");
  });

  it("are validated before anything runs", async () => {
    await using test = await testRunner();
    const job = new Job("x").addStep("a", "touch ran", {
      // deno-lint-ignore no-explicit-any
      when: { branhc: "main" } as any,
    });
    const error = await test.runner.runJob(job).catch((error) => error);
    assertStringIncludes(
      error.message,
      'its when must not have the key "branhc"',
    );
  });
});
