import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, runCli } from "../helpers/cli.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { openTmux, type Tmux } from "../helpers/tmux.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const IS_MISSING = isProgramMissing("tmux") || isProgramMissing("script");

const SECRET = "hunter2-s3cret-value";

const JOB = `concurrency: 1
steps:
  - name: lint
    shell: bash
    env: { API_TOKEN: ${SECRET}, WHO: world }
    run: echo linting; test -e repaired || exit 3
  - name: test
    run: echo tested > tested
`;

/** A prompt of `/bin/sh` in a shell of a step. */
const IN_SH = /^\[shell\][^]*^[#$] /m;

const RUNNERLIB = `${Deno.execPath()} run -A --no-check ${CLI}`;

/** Opens a terminal in a directory with a job, and runs the job. */
async function debug(
  options: string,
  files: Readonly<Record<string, string>> = { "job.yaml": JOB },
): Promise<AsyncDisposable & { terminal: Tmux; path: string }> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  await makeFiles(path, files);
  const terminal = stack.use(await openTmux({ cwd: path }));
  await terminal.enter(
    `PS1='outer> '; ${RUNNERLIB} run ${options}; echo "code=$?"`,
  );
  const resources = stack.move();
  return {
    terminal,
    path,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const isThere = (path: string) =>
  Deno.lstat(path).then(() => true, () => false);

describe("a shell on failure", () => {
  if (IS_MISSING) return;

  it("has the directory, environment and shell of the step, and masks secrets", async () => {
    await using session = await debug("--shell-on-failure");
    const { terminal, path } = session;
    await terminal.sees(/\[shell\] Step "lint" ended: exit code 3/);
    await terminal.sees(/^bash-[\d.]+[#$]/m);
    await terminal.enter('echo "in=$PWD who=$WHO step=$REACTORCIDE_STEP_NAME"');
    await terminal.sees(new RegExp(`^in=${path} who=world step=lint$`, "m"));
    await terminal.enter('echo "token=$API_TOKEN"');
    await terminal.sees(/^token=\[REDACTED\]$/m);
    await terminal.enter(`echo typed ${SECRET}`);
    await terminal.sees(/^typed \[REDACTED\]$/m);
    await terminal.enter("exit 0");
    const screen = await terminal.sees(/code=3/);
    assertNotMatch(screen, new RegExp(SECRET));
    assertMatch(screen, /✗ lint +exit code 3/);
  });

  it("opens for a command, too", async () => {
    await using session = await debug("--shell-on-failure -- sh -c 'exit 6'");
    const { terminal } = session;
    await terminal.sees(/\[shell\] Step "command" ended: exit code 6/);
    await terminal.sees(IN_SH);
    await terminal.enter("exit");
    await terminal.sees(/code=6/);
  });

  it("has job control, and the size of the terminal", async () => {
    await using session = await debug("--shell-on-failure");
    const { terminal } = session;
    await terminal.sees(/^bash-[\d.]+[#$]/m);
    await terminal.enter("stty size");
    await terminal.sees(/^40 100$/m);
    await terminal.resize(70, 30);
    await terminal.enter("stty size");
    await terminal.sees(/^30 70$/m);
    await terminal.enter("echo begun; sleep 31415");
    await terminal.sees(/^begun$/m);
    await terminal.pressUntil("C-z", /\[1\]\+ +Stopped +sleep 31415/);
    await terminal.enter("fg");
    await terminal.sees(/^sleep 31415$/m);
    await terminal.press("C-c");
    await terminal.sees(/^\^C$/m);
    await terminal.enter("echo still here");
    await terminal.sees(/^still here$/m);
    await terminal.enter("sleep 31416 &");
    await terminal.sees(/^\[\d\] \d+$/m);
    await terminal.enter("exit");
    await terminal.sees(/code=3/);
    const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args"] })
      .output();
    assertNotMatch(new TextDecoder().decode(stdout), /^sleep 3141[56]$/m);
    // The terminal is as it was.
    await terminal.enter("stty -a | grep -c ' icanon'");
    await terminal.sees(/^1$/m);
  });

  it("is in the namespaces of an untrusted step", async () => {
    await using session = await debug("--shell-on-failure", {
      "job.yaml":
        `steps:\n  - name: lint\n    untrusted: true\n    run: exit 4\n`,
    });
    const { terminal } = session;
    await terminal.sees(IN_SH);
    await terminal.enter("echo seen=$(ls -d /proc/[0-9]* | wc -l)");
    const screen = await terminal.sees(/^seen=\d+$/m);
    const [, count] = /^seen=(\d+)$/m.exec(screen)!;
    if (!/Cannot guarantee/.test(screen)) assertEquals(Number(count) < 8, true);
    // Ctrl-Z discards what was typed and not read yet.
    await terminal.enter("echo begun; sleep 31417");
    await terminal.sees(/^begun$/m);
    await terminal.pressUntil("C-z", /Stopped +sleep 31417/);
    await terminal.enter("exit");
    await terminal.enter("exit");
    await terminal.sees(/code=4/);
  });

  it("ends with the job when the runner is terminated", async () => {
    await using session = await debug("--shell-on-failure");
    const { terminal, path } = session;
    await terminal.sees(/^bash-[\d.]+[#$]/m);
    await terminal.enter("kill -TERM $(ps -o ppid= $PPID)");
    const screen = await terminal.sees(/code=143/);
    assertStringIncludes(screen, "SIGTERM received");
    assertEquals(await isThere(`${path}/tested`), false);
    await terminal.enter("stty -a | grep -c ' icanon'");
    await terminal.sees(/^1$/m);
  });
});

describe("a breakpoint", () => {
  if (IS_MISSING) return;

  it("before a step can let it run or fail it", async () => {
    await using session = await debug("--break before:lint");
    const { terminal, path } = session;
    await terminal.sees(/\[shell\] Step "lint" has not started/);
    await terminal.sees(/^bash-[\d.]+[#$]/m);
    await terminal.enter("touch repaired; exit 0");
    assertMatch(await terminal.sees(/code=\d/), /code=0/);
    assertEquals(await isThere(`${path}/tested`), true);
    await terminal.enter(
      `clear; rm tested; ${RUNNERLIB} run --break before:lint; echo "again=$?"`,
    );
    await terminal.sees(/\[shell\] Step "lint" has not started[^]*^bash-/m);
    await terminal.enter("exit 7");
    assertMatch(
      await terminal.sees(/again=\d/),
      /The shell of step "lint" ended with exit code 7[^]*again=7/,
    );
    assertEquals(await isThere(`${path}/tested`), false);
  });

  it("does not use up the time limit of the job", async () => {
    await using session = await debug("--break before:lint --timeout 5s");
    const { terminal } = session;
    await terminal.sees(/^bash-[\d.]+[#$]/m);
    await terminal.enter("touch repaired; sleep 6; echo slept");
    await terminal.sees(/^slept$/m);
    await terminal.enter("exit 0");
    assertMatch(await terminal.sees(/code=\d/), /code=0/);
  });

  it("after a step can keep its result or fail it", async () => {
    await using session = await debug("--break after:test", {
      "job.yaml": JOB,
      repaired: "",
    });
    const { terminal } = session;
    await terminal.sees(/\[shell\] Step "test" ended: success/);
    await terminal.sees(IN_SH);
    await terminal.enter("exit 5");
    assertMatch(await terminal.sees(/code=\d/), /code=5/);
  });

  it("of an unknown step is an error, and runs nothing", async () => {
    await using session = await debug("--break before:lnt");
    const { terminal } = session;
    assertMatch(
      await terminal.sees(/code=\d/),
      /the job has no step "lnt"; did you mean "lint"\?[^]*code=1/,
    );
  });
});

describe("without a terminal", () => {
  it("a shell is an error of usage before anything runs", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": "steps: [{ name: a, run: touch ran }]",
    });
    for (const option of ["--shell-on-failure", "--break=before:a"]) {
      for (const inContainer of ["false", "true"]) {
        const { code, stderr } = await runCli(["run", option], {
          cwd,
          env: {
            REACTORCIDE_IN_CONTAINER: inContainer,
            REACTORCIDE_JOB_DIR: cwd,
          },
        });
        assertEquals(code, 2, stderr);
        assertMatch(stderr, /A shell needs a terminal/);
      }
    }
    assertEquals(await isThere(`${cwd}/ran`), false);
  });

  it("a job file cannot request a shell", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml":
        "shell_on_failure: true\nsteps: [{ name: a, run: touch ran }]",
    });
    const { code } = await runCli(["run"], { cwd });
    assertEquals(code, 1);
    assertEquals(await isThere(`${cwd}/ran`), false);
  });
});
