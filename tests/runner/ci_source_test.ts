import { dirname } from "@std/path/posix/dirname";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "../../src/steps/job.ts";
import { RunnerError } from "../../src/errors.ts";
import type { Plugin, PluginContext } from "../../src/plugins/plugin.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { cacheVariables } from "../helpers/passed_variables.ts";
import { testRunner } from "../helpers/test_runner.ts";

const SOURCES = {
  source: { type: "copy", url: "from" },
  ciSource: { type: "copy", url: "trusted" },
};

const FILES = {
  "from/file": "source",
  "trusted/deploy.sh": "echo deployed",
  "trusted/lib/a": "",
};

const TAMPER = "chmod -R u+w ../ci && echo evil >>../ci/deploy.sh && " +
  "touch ../ci/lib/new";

/**
 * Runs a command between two sources, with a plugin that records what it sees.
 */
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

/** A plugin that changes the CI source in the workspace between two checks. */
const INTRUDER: Plugin = {
  name: "intruder",
  priority: 1_000,
  async postExecution({ jobPath, state }) {
    if (state.has("done")) return;
    state.set("done", true);
    for (const name of ["", "/policy.txt", "/.reactorcide/plugins/part.ts"]) {
      await Deno.chmod(`${jobPath}/ci${name}`, 0o755);
    }
    await Deno.writeTextFile(`${jobPath}/ci/policy.txt`, "evil");
    await Deno.writeTextFile(
      `${jobPath}/ci/.reactorcide/plugins/part.ts`,
      `export const word = "evil";`,
    );
  },
};

/** A plugin of the CI source that reads it, and imports a part of it late. */
function reader(directory: string): string {
  return `export const manifest = {
      permissions: { read: ["${directory}", "$PLUGIN_DIR"] } };
    export default { name: "reader", async postExecution({ log, ciSourcePath }) {
      log("policy: " + await Deno.readTextFile(ciSourcePath + "/policy.txt"));
      const part = "./part.ts";
      log("part: " + (await import(part)).word);
    } };`;
}

describe("the copy of the trusted CI source", () => {
  for (const directory of ["$CI_DIR", "$JOB_DIR", "$JOB_DIR/ci"]) {
    it(`is what a plugin with read access to ${directory} reads`, async () => {
      await using test = await testRunner(cacheVariables());
      await makeFiles(test.path, {
        "trusted/policy.txt": "good",
        "trusted/.reactorcide/plugins/plugin_reader.ts": reader(directory),
        "trusted/.reactorcide/plugins/part.ts": `export const word = "good";`,
      });
      test.runner.registerPlugin(INTRUDER);
      await test.runner.runJob({
        command: "true",
        ciSource: { type: "copy", url: "trusted" },
        plugins: {
          permissions: {
            reader: { read: ["$CI_DIR", "$JOB_DIR"] },
          },
        },
      });
      assertStringIncludes(test.stderr(), "[plugin:reader] policy: good\n");
      assertStringIncludes(test.stderr(), "[plugin:reader] part: good\n");
    });
  }

  it("is outside the workspace, private to its owner, and removed after the run", async () => {
    await using temporary = await temporaryDirectory();
    await using test = await testRunner({ TMPDIR: temporary.path });
    await makeFiles(test.path, FILES);
    const seen: unknown[] = [];
    test.runner.registerPlugin({
      name: "witness",
      phases: ["post_source_prep"],
      async execute({ ciSourcePath = "" }) {
        const parent = await Deno.stat(dirname(ciSourcePath));
        const file = await Deno.stat(`${ciSourcePath}/deploy.sh`);
        seen.push(
          ciSourcePath.startsWith(`${temporary.path}/runnerlib-`),
          parent.mode! & 0o777,
          file.mode! & 0o222,
        );
      },
    });
    await test.runner.runJob({ ...SOURCES, command: "true" });
    assertEquals(seen, [true, 0o700, 0]);
    assertEquals(await Array.fromAsync(Deno.readDir(temporary.path)), []);
  });

  it("is what trusted steps get in a job with untrusted steps", async () => {
    await using temporary = await temporaryDirectory();
    await using test = await testRunner({
      TMPDIR: temporary.path,
      REACTORCIDE_CI_SOURCE_DIR: "/job/ci",
    });
    await makeFiles(test.path, FILES);
    const job = new Job("mixed")
      .addStep(
        "trusted",
        "mkfifo gate && touch started && cat gate >/dev/null && " +
          'sh "$REACTORCIDE_CI_SOURCE_DIR/deploy.sh"',
      )
      .addStep(
        "untrusted",
        "set +e; until test -e started; do sleep 0.01; done; " +
          'echo "untrusted sees $REACTORCIDE_CI_SOURCE_DIR"; ' +
          "env | grep runnerlib-ci; chmod -R u+w ../ci && " +
          "echo echo evil >../ci/deploy.sh; echo >gate",
        { untrusted: true },
      );
    const result = await test.runner.runJob(job, {
      ...SOURCES,
      limits: { concurrency: 2 },
    });
    assertEquals(result.steps.map(({ exitCode }) => exitCode), [0, 0]);
    assertMatch(test.stdout(), /deployed/);
    assertMatch(test.stdout(), /untrusted sees \/job\/ci\n/);
    assert(!/evil|runnerlib-ci/.test(test.stdout()), test.stdout());
  });

  for (
    const [change, path] of [
      ["touch ../package.json", "../package.json (added)"],
      [
        "chmod u+w ../deno.json && echo {} >../deno.json",
        "../deno.json (changed)",
      ],
      ["rm ../.git && mkfifo ../.git", "../.git (changed)"],
    ]
  ) {
    it(`is no longer used after ${change}`, async () => {
      await using test = await testRunner();
      await makeFiles(test.path, FILES);
      const job = new Job("mixed")
        .addStep("untrusted", "true", { untrusted: true })
        .addStep("change", `cd "$REACTORCIDE_CI_SOURCE_DIR" && ${change}`)
        .addStep("next", "echo no", {
          dependsOn: ["untrusted", "change"],
        });
      const { error } = await test.runner.runJob(job, SOURCES);
      assert(error instanceof RunnerError, String(error));
      assertEquals(error.code, "ci-source-modified");
      assertStringIncludes(error.message, path);
      assertEquals(test.stdout().includes("no"), false);
    });
  }

  it("is not created for a job that does not read it", async () => {
    await using temporary = await temporaryDirectory();
    await using test = await testRunner({ TMPDIR: temporary.path });
    await makeFiles(test.path, FILES);
    const command = 'ls -A "$TMPDIR" | grep runnerlib-ci; true';
    await test.runner.runJob({ ...SOURCES, command });
    for (const untrusted of [true, false]) {
      const job = new Job("alike").addStep("a", command, { untrusted });
      await test.runner.runJob(job, SOURCES);
    }
    assert(!/^.*runnerlib-ci-/m.test(test.stdout()), test.stdout());
  });
});

describe("the trusted CI source", () => {
  it("is passed to plugins while it is unchanged", async () => {
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

  it("is read-only", async () => {
    const { result } = await run(
      'test -z "$(find ../ci ! -type l -perm /222)"',
    );
    assertEquals(result.exitCode, 0);
  });

  it("fails the job after a change, and is no longer passed to plugins", async () => {
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

  it("fails the job even if only the cleanup would use it", async () => {
    const { result, seen } = await run(TAMPER, ["cleanup"]);
    assertEquals(result.status, "failed");
    assertEquals(seen, ["cleanup false ci-source-modified"]);
    const failed = await run(`${TAMPER}; exit 3`, ["cleanup"]);
    assertEquals(failed.result.exitCode, 3);
    assertEquals(failed.seen, ["cleanup false command-failed"]);
    assertEquals(failed.result.laterErrors.length, 1);
  });

  it("counts as changed if it was removed or replaced", async () => {
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

  it("is replaced by the next run although it is read-only", async () => {
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
