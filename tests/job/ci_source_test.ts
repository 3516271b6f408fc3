import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import type { PluginContext } from "../../src/plugins/plugin.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const SOURCES = {
  sourceType: "copy",
  sourceUrl: "from",
  ciSourceType: "copy",
  ciSourceUrl: "trusted",
} as const;

const FILES = {
  "from/file": "source",
  "trusted/deploy.sh": "echo deployed",
  "trusted/lib/a": "",
};

const TAMPER = "chmod -R u+w ../ci && echo evil >>../ci/deploy.sh && " +
  "touch ../ci/lib/new";

/** Runs a command between two sources, with a plugin that notes what it sees. */
async function run(command: string, phases?: PluginContext["phase"][]) {
  await using test = await testRunner();
  await makeFiles(test.path, FILES);
  const seen: string[] = [];
  test.runner.registerPlugin({
    name: "witness",
    ...phases ? { phases } : {},
    execute: ({ phase, ciSourcePath, error }) =>
      void seen.push(
        `${phase} ${ciSourcePath !== undefined} ${
          error instanceof RunnerError ? error.code : error
        }`,
      ),
  });
  const result = await test.runner.runJob({ ...SOURCES, command });
  return { result, seen, path: test.path };
}

describe("the trusted CI source", () => {
  it("is given to plugins as long as nobody changes it", async () => {
    const { result, seen } = await run("cat ../ci/deploy.sh");
    assertEquals(result.status, "success");
    assertEquals(seen.slice(2), [
      "pre_source_prep false undefined",
      "post_source_prep true undefined",
      "pre_execution true undefined",
      "post_execution true undefined",
      "cleanup true undefined",
    ]);
  });

  it("may not be written to", async () => {
    const { result } = await run(
      'test -z "$(find ../ci ! -type l -perm /222)"',
    );
    assertEquals(result.exitCode, 0);
  });

  it("ends the job when it was changed, and is not given away any more", async () => {
    const { result, seen, path } = await run(TAMPER);
    assertEquals(result.status, "failed");
    assertEquals(result.exitCode, 1);
    assert(result.error instanceof RunnerError);
    assertEquals(result.error.code, "ci-source-modified");
    assertStringIncludes(
      result.error.message,
      `Cannot use "${path}/job/ci": it was changed after its preparation: `,
    );
    for (const part of ["deploy.sh (changed)", "lib/new (added)"]) {
      assertStringIncludes(result.error.message, part);
    }
    assertEquals(seen.slice(-2), [
      "on_error false ci-source-modified",
      "cleanup false ci-source-modified",
    ]);
  });

  it("fails the job also when only the clean-up would use it", async () => {
    const { result, seen } = await run(TAMPER, ["cleanup"]);
    assertEquals(result.status, "failed");
    assertEquals(seen, ["cleanup false ci-source-modified"]);
    const failed = await run(`${TAMPER}; exit 3`, ["cleanup"]);
    assertEquals(failed.result.exitCode, 3);
    assertEquals(failed.seen, ["cleanup false command-failed"]);
    assertEquals(failed.result.laterErrors.length, 1);
  });

  it("that was removed or replaced is changed, too", async () => {
    for (
      const command of [
        "chmod -R u+w ../ci && rm -r ../ci",
        "mv ../ci ../old && ln -s /etc ../ci",
      ]
    ) {
      const { result } = await run(command);
      const { error } = result;
      assert(error instanceof RunnerError);
      assertEquals(error.code, "ci-source-modified");
    }
  });

  it("is replaced by the next run although it is closed", async () => {
    await using test = await testRunner();
    await makeFiles(test.path, FILES);
    for (const text of ["one", "two"]) {
      await makeFiles(test.path, { "trusted/deploy.sh": text });
      const { status } = await test.runner.runJob({
        ...SOURCES,
        command: `test "$(cat ../ci/deploy.sh)" = ${text}`,
      });
      assertEquals(status, "success");
    }
  });
});
