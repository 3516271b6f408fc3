import { assert, assertEquals } from "@std/assert";
import { nextJobsText } from "../../src/triggers/next_jobs.ts";

const done = new Set(["test", "build"]);

Deno.test("nextJobsText() lists the next jobs and their commands", () => {
  assertEquals(
    nextJobsText(
      [{ name: "deploy-staging", dependsOn: ["test", "build"] }],
      done,
      { workflowFile: "pipeline.yaml" },
    ),
    `📋 Next jobs to run:
  → deploy-staging (waiting on: test, build - all complete)

Run the next job:
  $ runnerlib run --job deploy-staging --workflow-file pipeline.yaml`,
  );
});

Deno.test("nextJobsText() shows commands only for jobs whose dependencies are complete", () => {
  assertEquals(
    nextJobsText([
      { name: "a", reason: "tests passed", jobCommand: "make a" },
      { name: "b", dependsOn: ["a", "test"], jobCommand: "make b" },
      { name: "c", dependsOn: ["test"], jobCommand: "echo 'it''s'\nexit" },
      { name: "d" },
    ], done),
    `📋 Next jobs to run:
  → a
    reason: tests passed
  → b (waiting on: a, test - not complete: a)
  → c (waiting on: test - all complete)
  → d

Run the next jobs:
  $ runnerlib run --job-command 'make a'
  $ runnerlib run --job-command 'echo '\\''it'\\'''\\''s'\\''
exit'`,
  );
});

Deno.test("nextJobsText() omits an unknown command", () => {
  assertEquals(
    nextJobsText([{ name: "a" }], done),
    "📋 Next jobs to run:\n  → a",
  );
  assertEquals(nextJobsText([], done), "");
});

Deno.test("nextJobsText() quotes characters that are special to a shell", () => {
  const text = nextJobsText([{ name: "-a b; $(rm)" }], done, {
    workflowFile: "my flow.yaml",
  });
  assert(
    text.endsWith(
      "  $ runnerlib run --job='-a b; $(rm)' --workflow-file 'my flow.yaml'",
    ),
    text,
  );
});

Deno.test("nextJobsText() escapes terminal control characters", () => {
  const evil = "a\u001b[2J\r\nb\u202e\u0085";
  const text = nextJobsText(
    [{ name: evil, dependsOn: [evil], reason: evil, jobCommand: "x\u001b[m" }],
    new Set([evil]),
  );
  assertEquals(
    text,
    `📋 Next jobs to run:
  → a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}\\u{85} (waiting on: a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}\\u{85} - all complete)
    reason: a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}\\u{85}`,
  );
});
