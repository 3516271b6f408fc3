import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Half a line on each stream. */
const HALVES = "printf out; printf err >&2";

/** A job of a worker. In a container it would use `/job` of this machine. */
const JOB = { REACTORCIDE_JOB_ID: "6a1f" };

const KILLED = `${HALVES}; kill -9 $$`;

/** Runs that print half lines: arguments of `run`, environment, exit code. */
const RUNS: readonly [
  string,
  readonly string[],
  Record<string, string>,
  number,
][] = [
  ["a command", ["--job-command", HALVES], JOB, 0],
  ["a program", ["--", "sh", "-c", HALVES], JOB, 0],
  [
    "a command that fails",
    [
      ...["--job-command", `${HALVES}; exit 3`],
    ],
    JOB,
    3,
  ],
  ["a command that is killed", ["--job-command", KILLED], JOB, 137],
  [
    "lines without a limit",
    [
      ...["--max-line-bytes", "80", "--job-command", HALVES],
    ],
    JOB,
    0,
  ],
  ["a step", ["--job-file", "step.yaml"], JOB, 0],
  ["a step that is killed", ["--job-file", "killed.yaml"], JOB, 137],
];

const FILES = {
  "step.yaml": JSON.stringify({ steps: [{ name: "one", run: HALVES }] }),
  "killed.yaml": JSON.stringify({ steps: [{ name: "one", run: KILLED }] }),
};

async function run(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, FILES);
  return await runMain(["run", ...args], { cwd: directory.path, env });
}

describe("the output of a job that a worker reads ends with a line break:", () => {
  for (const [name, args, env, code] of RUNS) {
    it(name, async () => {
      const separate = await run(["--stderr", "separate", ...args], env);
      assertEquals(separate.code, code, separate.stderr);
      assertEquals(separate.stdout, "out\n");
      assertMatch(separate.stderr, /err\n/);
      assert(separate.stderr.endsWith("\n"), separate.stderr);
      const merged = await run(args, env);
      assertEquals(merged.stdout, "outerr\n");
    });
  }

  it("a command that is cancelled", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli(
      [
        "run",
        "--grace",
        "50ms",
        "--job-command",
        `trap '' TERM; ${HALVES}; exec sleep 1000`,
      ],
      { cwd: directory.path, env: JOB },
    );
    await cli.sees("outerr");
    cli.child.kill("SIGTERM");
    const { code, stdout } = await cli.end();
    assertEquals([code, stdout], [143, "outerr\n"]);
  });
});

describe("the bytes of a command are unchanged", () => {
  it("on a machine without a worker", async () => {
    const args = ["--stderr", "separate", "--job-command", HALVES];
    const { stdout, stderr } = await run(args, {});
    assertEquals(stdout, "out");
    assert(stderr.endsWith("err"), stderr);
  });

  it("below a runner that ends the line itself", async () => {
    const env = { ...JOB, REACTORCIDE_SECRETS_SOCKET: "/a/socket" };
    assertEquals((await run(["--", "printf", "out"], env)).stdout, "out");
  });

  it("if they end with a line break, or there are none", async () => {
    for (const text of ["%s", "line\n", "line\n\n"]) {
      const { stdout } = await run(["--", "printf", text], JOB);
      assertEquals(stdout, text.replace("%s", ""));
    }
  });
});
