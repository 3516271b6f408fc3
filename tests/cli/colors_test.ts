import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** `cliEnv()` turns colors off. */
const COLORS = { NO_COLOR: "", TERM: "xterm" };

describe("a terminal", () => {
  it("prints errors and the states of doctor in color on a terminal only", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const terminal = { cwd, columns: 80, env: COLORS };
    const error = await runMain(["report", "missing"], terminal);
    assertStringIncludes(error.stderr, "\x1b[31merror:\x1b[39m Cannot");
    const doctor = await runMain(["doctor"], terminal);
    assertStringIncludes(doctor.stdout, "\n  \x1b[32mok\x1b[39m");
    for (const command of [["report", "missing"], ["doctor"]]) {
      const plain = await runMain(command, { cwd, env: COLORS });
      assertEquals((plain.stdout + plain.stderr).includes("\x1b"), false);
      const off = await runMain(command, { cwd, columns: 80 });
      assertEquals((off.stdout + off.stderr).includes("\x1b[3"), false);
    }
  });

  it("shows the jobs of a workflow while they run, and how to resume", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "w.yaml": `
name: w
jobs:
  build: { command: echo built }
  test: { command: exit 3, depends_on: [build] }
`,
    });
    const { code, stdout, stderr } = await runMain(
      ["workflow", "run", "w.yaml"],
      { cwd, columns: 80, env: { TERM: "xterm" } },
    );
    assertEquals(code, 3);
    assertMatch(stdout + stderr, /1 running · 1 waiting/);
    assertMatch(stdout + stderr, /1 running · 1 done/);
    assertMatch(
      stderr,
      /To run only the jobs that have not succeeded, add --resume/,
    );
  });
});
