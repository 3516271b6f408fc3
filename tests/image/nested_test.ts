import { assert, assertEquals, assertMatch } from "@std/assert";
import { type RunningCli, startCli } from "../helpers/cli.ts";
import { describeImage, engine, IMAGE } from "../helpers/image.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describeImage("runnerlib run --runner-image", (it) => {
  it("runs the command in a container without rights, with its workspace only", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await nested(directory.path, [
      `id -u; pwd; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status
       touch /job/src/made; ls /job; test ! -e ${directory.path} && exit 9`,
    ]).end();
    assertEquals(code, 9, stderr);
    assertEquals(stdout.replaceAll("\t", " ").split("\n"), [
      ...["1001", "/job/src", "CapEff: 0000000000000000", "NoNewPrivs: 1"],
      ...["artifacts", "src", ""],
    ]);
    assertMatch(stderr, /this mode is transitional/);
    assert(await exists(`${directory.path}/job/src/made`));
    await leavesNothing(directory.path);
  });

  it("masks the secrets file, variables and what the job registers", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "secrets.env": "DEPLOY_KEY=from-the-file\n",
    });
    const { code, stdout, stderr } = await nested(directory.path, [
      `echo "$DEPLOY_KEY, $OF_THE_JOB, $LINES"; cat /run/secrets/env
       runnerlib register-secret made-up-later >&2; echo made-up-later`,
      ...["--secrets-file", "secrets.env", "--inherit-env", "LINES"],
      ...["--secret-env-names", "OF_THE_JOB,LINES"],
    ], { OF_THE_JOB: "of-the-job", LINES: "line-one\nline-two" }).end();
    assertEquals(code, 0, stderr);
    assert(!/from-the-file|of-the-job|line-|made-up/.test(stdout), stdout);
    assertMatch(stdout, /^\[REDACTED\], \[REDACTED\], \[REDACTED\]/);
    await leavesNothing(directory.path);
  });

  it("passes no variables of the machine to a container", async () => {
    await using directory = await temporaryDirectory();
    const { stdout } = await nested(directory.path, [
      "echo $PATH $HOME ${OF_THE_MACHINE-unset} $RC_WF_RUN_ID",
    ], { OF_THE_MACHINE: "x", RC_WF_RUN_ID: "run-1" }).end();
    assertEquals(
      stdout,
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /home/runner unset run-1\n",
    );
  });

  it("ends the container in its grace time, and removes it", async () => {
    await using directory = await temporaryDirectory();
    const running = nested(directory.path, [
      `trap "echo got it; exit 0" TERM; echo ready; while :; do sleep 0.1; done`,
    ]);
    await running.sees("ready");
    running.child.kill("SIGTERM");
    const { code, stdout } = await running.end();
    assertEquals(code, 143);
    assertMatch(stdout, /got it/);
    await leavesNothing(directory.path);
  });

  it("kills a container that ignores signals", async () => {
    await using directory = await temporaryDirectory();
    const running = nested(directory.path, [
      `trap "" TERM; echo ready; while :; do sleep 0.1; done`,
      ...["--grace", "1s"],
    ]);
    await running.sees("ready");
    running.child.kill("SIGTERM");
    assertEquals((await running.end()).code, 143);
    await leavesNothing(directory.path);
  });

  it("ends at its time limit", async () => {
    await using directory = await temporaryDirectory();
    const args = ["sleep 60", "--timeout", "1s"];
    assertEquals((await nested(directory.path, args).end()).code, 124);
    await leavesNothing(directory.path);
  });

  it("reports that there is no such image", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await nested(directory.path, [
      "true",
      ...["--runner-image", "localhost:1/nobody/nothing:1"],
    ]).end();
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /Cannot create a container from image "localhost:1\/nobody/,
    );
    await leavesNothing(directory.path);
  });
});

function nested(
  cwd: string,
  [command, ...args]: string[],
  env: Record<string, string> = {},
): RunningCli {
  const image = args.includes("--runner-image")
    ? []
    : ["--runner-image", IMAGE];
  return startCli(["run", "--job-command", command, ...image, ...args], {
    cwd,
    env: {
      TMPDIR: cwd,
      DOCKER_HOST: Deno.env.get("DOCKER_HOST") ?? "",
      DOCKER: Deno.env.get("DOCKER") ?? "",
      ...env,
    },
  });
}

/** No container, no file with secrets, no socket. */
async function leavesNothing(directory: string): Promise<void> {
  const { stdout } = await engine(
    ...["ps", "--all", "--quiet", "--filter", "name=runnerlib-"],
  );
  assertEquals(stdout, "");
  const names = (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name);
  assertEquals(names.filter((it) => /^(container|secrets)-/.test(it)), []);
}
