import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatExplanations } from "../../src/cli/workflow/explanation.ts";
import { displayWidth } from "../../src/terminal/width.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const FILE = `id: ci
name: CI
on: { events: [push], branches: [main] }
paths: { include: [src/**] }
jobs:
  test: { command: "false" }
  local: { command: "false", disable_run_local: true }
  report: { command: "false", needs: test, condition: any_failed }
  deploy: { command: "false", needs: [local] }
`;

/** Runs `workflow run` on the file and shows that no job has run. */
async function explain(...args: string[]) {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "ci.yaml": FILE });
  const { code, stdout, stderr } = await runMain(
    ["workflow", "run", "ci.yaml", "--explain", ...args],
    { cwd: path, env: { NO_COLOR: "1" } },
  );
  assertEquals([code, stderr], [0, ""]);
  assert(!await exists(`${path}/.reactorcide`));
  return stdout;
}

describe("runnerlib workflow run --explain", () => {
  it("prints which jobs run, and runs none", async () => {
    assertEquals(
      await explain(),
      `WORKFLOW OR JOB  STATUS   REASON
ci               starts   no event was given with --event
  test           starts
  local          skipped  disable_run_local is set
  report         maybe    runs only if test fails
  deploy         skipped  "local" was skipped
`,
    );
    assertEquals(
      await explain("--only", "test"),
      `WORKFLOW OR JOB  STATUS   REASON
ci               starts   no event was given with --event
  test           starts
  local          skipped  not selected by --only
  report         skipped  not selected by --only
  deploy         skipped  not selected by --only
`,
    );
  });

  it("prints why an event does not start the workflow", async () => {
    const push = ["--event", "push", "--branch"];
    assertEquals(
      await explain(...push, "dev"),
      `WORKFLOW OR JOB  STATUS   REASON
ci               skipped  branch "dev" does not match main
`,
    );
    assertEquals(
      await explain(...push, "main", "--changed-file", "docs/a"),
      `WORKFLOW OR JOB  STATUS   REASON
ci               skipped  the only changed file does not match src/**
`,
    );
    const [{ status, reason, jobs }] = JSON.parse(
      await explain(...push, "main", "--changed-file", "src/a", "--json"),
    );
    assertEquals([status, reason], [
      "starts",
      'event push, branch "main", "src/a" has changed',
    ]);
    assertEquals(jobs[3], {
      name: "deploy",
      status: "skipped",
      reason: '"local" was skipped',
    });
  });
});

describe("formatExplanations()", () => {
  it("fits into the columns and keeps every word of a reason", () => {
    const random = new Random();
    for (let round = 0; round < 500; round++) {
      const words = Array.from(
        { length: random.below(30) },
        () => random.text(1 + random.below(60), "ab漢é*/"),
      );
      const columns = 60 + random.below(100);
      const table = formatExplanations([{
        name: random.text(1 + random.below(80), "xy漢"),
        file: "x",
        origin: "base",
        status: "skipped",
        reason: words.join(" "),
      }], columns);
      for (const line of table.split("\n")) {
        assert(displayWidth(line) <= columns, `seed ${random.seed}\n${table}`);
      }
      const letters = table.replace(/^.*\n/, "").replace(/\s/g, "");
      assert(letters.endsWith(words.join("")), `seed ${random.seed}\n${table}`);
    }
  });

  it("escapes terminal control characters", () => {
    const table = formatExplanations([{
      name: "a\x1b[31m",
      file: "x",
      origin: "head",
      status: "starts",
      reason: "b\r\x07",
      jobs: [{ name: "\x9b2J", status: "starts", reason: "\u202e" }],
    }], 80);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/.test(table), table);
  });
});
