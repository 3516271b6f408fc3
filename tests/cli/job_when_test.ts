import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a job file on a branch. */
async function runOn(branch: string, text: string) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "job.yaml": text });
  const result = await runMain(["run"], {
    cwd: directory.path,
    env: { REACTORCIDE_EVENT_TYPE: "push", REACTORCIDE_BRANCH: branch },
  });
  return { ...result, output: result.stdout + result.stderr };
}

describe("run skips a job file", () => {
  for (
    const [form, text] of [
      ["at the top", "command: exit 7\nwhen: { branch: main }\n"],
      ["below job", "job: { command: exit 7, when: { branch: main } }\n"],
      [
        "with steps",
        "steps: [{ name: a, run: exit 7 }]\nwhen: { branch: main }",
      ],
    ]
  ) {
    it(`whose condition ${form} does not hold`, async () => {
      const { code, output } = await runOn("topic", text);
      assertEquals(code, 0);
      assertMatch(output, /Skipped: when\.branch: /);
      assertEquals(output.trim().split("\n").length, 1);
    });

    it(`only then, with the condition ${form}`, async () => {
      const { code, output } = await runOn("main", text);
      assertEquals(code, 7);
      assertNotMatch(output, /Skipped/);
    });
  }

  it("by a variable of the job", async () => {
    const text = (value: string) =>
      `command: exit 7\nenvironment: { STAGE: ${value} }\nwhen: { env: { STAGE: prod } }\n`;
    assertEquals((await runOn("main", text("test"))).code, 0);
    assertEquals((await runOn("main", text("prod"))).code, 7);
  });

  it("but refuses a condition with an unknown part", async () => {
    const { code, output } = await runOn(
      "main",
      "command: exit 7\nwhen: { branches: main }\n",
    );
    assertEquals(code, 1);
    assertMatch(output, /job\.yaml:2:9: unknown key "when\.branches"/);
  });
});
