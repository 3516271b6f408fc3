import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A plugin that can read the environment only in a trusted process. */
const PLUGIN = `export default {
  name: "reader",
  preExecution({ log }) { log("PATH is " + Deno.env.get("PATH")); },
};`;

describe("a switch that is turned off", () => {
  it("does not skip the job, or grant plugins permissions", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "plugins/plugin_reader.ts": PLUGIN });
    const { stdout, stderr } = await runCli([
      ...["run", "--trust-plugins=false", "--plugin-dir", "plugins"],
      ...["--dry-run=false", "--container=false"],
      ...["--job-command", "echo ran"],
    ], { cwd: directory.path });
    assertEquals(stdout.includes("PATH is"), false);
    assertEquals(stderr.includes("PATH is"), false);
    assertStringIncludes(stderr, "no env access");
  });

  it("prevents sending a token without encryption", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "next.yaml": "name: next\njob: { command: make }\n",
    });
    const { code, stderr } = await runMain([
      ...["trigger", "next.yaml", "--allow-insecure-transport=false"],
      ...["--trigger-transport", "api"],
    ], {
      cwd: directory.path,
      env: {
        REACTORCIDE_COORDINATOR_URL: "http://127.0.0.1:9",
        REACTORCIDE_API_TOKEN: "a-token-of-a-job",
        REACTORCIDE_JOB_ID: "j",
      },
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "plain HTTP");
  });
});

describe("an option with a variable", () => {
  it("reaches the programs of the job", async () => {
    await using directory = await temporaryDirectory();
    const print = 'echo "[$REACTORCIDE_ALLOW_INSECURE_TRANSPORT]"';
    for (const [given, expected] of [["=false", "[false]"], ["", "[true]"]]) {
      const { stdout } = await runMain([
        ...[
          "run",
          `--allow-insecure-transport${given}`,
          "--job-command",
          print,
        ],
      ], { cwd: directory.path });
      assertStringIncludes(stdout, expected);
    }
  });
});

describe("an invalid boolean", () => {
  const WRONG: readonly [
    name: string,
    args: string[],
    env: Record<string, string>,
    code: number,
  ][] = [
    ["an option", ["run", "--dry-run=maybe", "--", "true"], {}, 2],
    ["an option without its text", ["run", "--mask=", "--", "true"], {}, 2],
    [
      "a variable",
      ["run", "--plugin-dir", "plugins", "--", "true"],
      { REACTORCIDE_TRUST_PLUGINS: "yes" },
      1,
    ],
    [
      "a variable of a job without plugins",
      ["run", "--", "true"],
      { REACTORCIDE_TRUST_PLUGINS: "no" },
      1,
    ],
    ["a variable of doctor", ["doctor", "--plugin-dir", "plugins"], {
      REACTORCIDE_TRUST_PLUGINS: "on",
    }, 1],
    ["a variable of the workspace", ["run", "--", "true"], {
      REACTORCIDE_IN_CONTAINER: "maybe",
    }, 1],
    ["a variable of the credentials", ["run", "--", "true"], {
      REACTORCIDE_VCS_AUTH_CLEANUP: "never",
    }, 1],
    ["a job file", ["run", "--job-file", "job.yaml"], {}, 1],
    [
      "an option of eval",
      [
        ...["eval", "--event-type", "push", "--is-fork-pr", "True"],
      ],
      {},
      2,
    ],
    ["a variable of eval", ["eval", "--event-type", "push"], {
      REACTORCIDE_IS_FORK_PR: "1",
    }, 2],
  ];
  for (const [name, args, env, expected] of WRONG) {
    it(`is refused as ${name}`, async () => {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        "plugins/plugin_reader.ts": PLUGIN,
        "job.yaml": "command: echo ran\nlog_group: yes\n",
      });
      const options = { cwd: directory.path, env };
      const { code, stdout, stderr } = await runMain(args, options);
      assertEquals([code, stdout], [expected, ""], stderr);
      assertStringIncludes(stderr, "must be true or false");
    });
  }
});
