import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startCli } from "../helpers/cli.ts";
import { waitForExit } from "../helpers/process_table.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const CLEANUP_PLUGIN = `export default {
  name: "tidy",
  onError: ({ log, exitCode }) => log("failed with " + exitCode),
  cleanup: () => Deno.writeTextFile("cleaned", ""),
};`;

/** Prints the IDs of a child and a grandchild once both wait. */
const TREE =
  `sleep 1000 & echo "pid $!"; sh -c 'echo "pid $$"; exec sleep 1000' & wait`;

function pidsIn(text: string): number[] {
  return [...text.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
}

describe("runnerlib run, when it is cancelled,", () => {
  for (
    const [signal, code] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGQUIT", 131],
      ["SIGHUP", 129],
    ] as const
  ) {
    it(`forwards ${signal} to the whole tree and ends with ${code}`, async () => {
      await using directory = await temporaryDirectory();
      // Background jobs of a shell ignore SIGINT, so they end by SIGKILL.
      await using cli = startCli(
        ["run", "--grace", "500ms", "--job-command", `${TREE}; exit 9`],
        { cwd: directory.path },
      );
      await cli.sees("pid ");
      await cli.sees("\npid ");
      cli.child.kill(signal);
      const { code: exitCode, stdout, stderr } = await cli.end();
      assertEquals(exitCode, code, stderr);
      assertStringIncludes(stderr, `${signal} received`);
      for (const pid of pidsIn(stdout)) await waitForExit(pid);
    });
  }

  it("sends SIGTERM to programs when it receives SIGQUIT", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      "run",
      "--job-command",
      `trap 'echo got TERM; exit 3' TERM; trap 'echo got QUIT; exit 4' QUIT
       echo ready; while :; do sleep 0.01; done`,
    ], { cwd: directory.path });
    await cli.sees("ready");
    cli.child.kill("SIGQUIT");
    const { code, stdout, stderr } = await cli.end();
    assertEquals(code, 131);
    assert(stdout.endsWith("got TERM\n"), stdout);
    assert(!stdout.includes("got QUIT"), stdout);
    assertStringIncludes(stderr, "The job was cancelled by SIGQUIT");
  });

  it("continues after SIGHUP if it was started with SIGHUP ignored", async () => {
    await using directory = await temporaryDirectory();
    const gate = `${directory.path}/gate`;
    await using cli = startCli([
      "run",
      "--job-command",
      `echo ready; while [ ! -e ${gate} ]; do sleep 0.01; done
       echo finished`,
    ], { cwd: directory.path, ignoresHangup: true });
    await cli.sees("ready");
    cli.child.kill("SIGHUP");
    await Deno.writeTextFile(gate, "");
    const { code, stdout, stderr } = await cli.end();
    assertEquals([code, stdout], [0, "ready\nfinished\n"], stderr);
    assert(!stderr.includes("SIGHUP"), stderr);
  });

  it("runs clean-up and removes credentials", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "plugins/plugin_tidy.js": CLEANUP_PLUGIN,
      "job/.reactorcide/vcs-auth/credentials": "https://token@example.com",
    });
    await using cli = startCli(
      [
        "run",
        "--plugin-dir",
        "plugins",
        "--trust-plugins",
        "--job-command",
        "echo ready; sleep 1000",
      ],
      {
        cwd: path,
        env: { REACTORCIDE_VCS_AUTH_DIR: "/job/.reactorcide/vcs-auth" },
      },
    );
    await cli.sees("ready");
    cli.child.kill("SIGTERM");
    const { code, stderr } = await cli.end();
    assertEquals(code, 143);
    assertStringIncludes(stderr, "The job was cancelled by SIGTERM");
    assertMatch(stderr, /failed with \d+/);
    assertEquals(await exists(`${path}/cleaned`), true);
    assertEquals(await exists(`${path}/job/.reactorcide/vcs-auth`), false);
  });

  it("lets a command finish within its grace time, and prints its output", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      "run",
      "--job-command",
      `trap 'echo tidying; exit 3' TERM; echo ready; while :; do sleep 0.01; done`,
    ], { cwd: directory.path });
    await cli.sees("ready");
    cli.child.kill("SIGTERM");
    const { code, stdout } = await cli.end();
    assertEquals(code, 143);
    assertStringIncludes(stdout, "tidying\n");
  });

  it("kills processes that ignore the signal after the grace time", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      ...["run", "--grace", "200ms", "--job-command"],
      `trap '' TERM; echo "pid $$"; while :; do sleep 0.01; done`,
    ], { cwd: directory.path });
    await cli.sees("pid ");
    cli.child.kill("SIGTERM");
    const { code, stdout } = await cli.end();
    assertEquals(code, 143);
    await waitForExit(pidsIn(stdout)[0]);
  });

  it("kills immediately after a second signal", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      ...["run", "--grace", "1h", "--job-command"],
      `trap 'echo "asked"' TERM; echo "pid $$"; while :; do sleep 0.01; done`,
    ], { cwd: directory.path });
    await cli.sees("pid ");
    cli.child.kill("SIGTERM");
    await cli.sees("asked");
    cli.child.kill("SIGINT");
    const { code, stdout } = await cli.end();
    assertEquals(code, 143);
    await waitForExit(pidsIn(stdout)[0]);
  });
});

describe("runnerlib run does not wait for", () => {
  it("a daemon that holds its output", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli(
      ["run", "--job-command", `sleep 1000 & echo "pid $!"`],
      { cwd: directory.path },
    );
    const { code, stdout } = await cli.end();
    assertEquals(code, 0);
    await waitForExit(pidsIn(stdout)[0]);
  });

  it("a daemon that left its session and holds its output", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      "run",
      "--job-command",
      `setsid sh -c 'echo "pid $$"; echo > ready; exec sleep 1000' &
       until [ -s ready ]; do sleep 0.01; done; printf tail`,
    ], { cwd: directory.path });
    const { code, stdout } = await cli.end();
    const [pid] = pidsIn(stdout);
    assertEquals([code, stdout], [0, `pid ${pid}\ntail`]);
    await waitForExit(pid);
  });

  it("a daemon that left its session and holds no stream", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli([
      "run",
      "--job-command",
      `setsid sh -c 'echo $$ > pid; exec sleep 1000' > /dev/null 2>&1 &
       while [ ! -s pid ]; do sleep 0.01; done; echo "pid $(cat pid)"`,
    ], { cwd: directory.path });
    const { code, stdout } = await cli.end();
    assertEquals(code, 0);
    await waitForExit(pidsIn(stdout)[0]);
  });

  it("a command beyond its time limit", async () => {
    await using directory = await temporaryDirectory();
    await using cli = startCli(
      ["run", "--timeout", "300ms", "--job-command", TREE],
      { cwd: directory.path },
    );
    const { code, stdout, stderr } = await cli.end();
    assertEquals(code, 124);
    assertStringIncludes(stderr, "time limit of 300 ms");
    for (const pid of pidsIn(stdout)) await waitForExit(pid);
  });
});
