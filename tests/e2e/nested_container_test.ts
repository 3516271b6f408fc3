import { assert, assertEquals, assertMatch } from "@std/assert";
import { runShell } from "../helpers/archives.ts";
import { type CliResult, runCli, startCli } from "../helpers/cli.ts";
import { soon } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/**
 * A fake container engine, which records its calls, keeps the env file for the
 * test, and runs the command without a container.
 */
const ENGINE = `#!/bin/sh
echo "$*" >>"$CALLS"
case "$1" in
  --version) echo "Docker version 0" ;;
  create)
    for word; do
      case "$word" in --env-file=*) file="\${word#*=}" ;; esac
    done
    { stat -c %a "$file"; cat "$file"; } >"$CALLS.env"
    for word; do command="$word"; done
    echo "$command" >"$CALLS.command"
    [ -z "$BROKEN" ] || { echo "no such image" >&2; exit 125; }
    ;;
  start) echo $$ >"$CALLS.pid"; exec sh "$CALLS.command" ;;
  kill) kill -TERM "$(cat "$CALLS.pid")" ;;
esac
`;

Deno.test("run --runner-image creates, starts and removes a container", async () => {
  await using machine = await fakeMachine();
  const { code, stdout, stderr } = await machine.run([
    ...["--runner-image", "image:1", "--job-command", "echo $0; exit 3"],
    ...["--job-env", "DEPLOY_TOKEN=s3cr3t-value"],
  ]);
  assertEquals(code, 3, stderr);
  assertMatch(stderr, /Running in "image:1": this mode is transitional/);
  assert(!(stdout + stderr).includes("s3cr3t-value"));
  const calls = await machine.calls();
  assertEquals(calls.map(([verb]) => verb), [
    ...["--version", "create", "start", "rm"],
  ]);
  const name = calls[1].find((item) => item.startsWith("--name="))!.slice(7);
  assertEquals(calls[2], ["start", "--attach", name]);
  assertEquals(calls[3], ["rm", "--force", "--volumes", name]);
  assert(!calls.flat().some((item) => item.includes("s3cr3t-value")));
});

Deno.test("run --runner-image does not wait for a pipe that replaces the secrets file", async () => {
  await using machine = await fakeMachine();
  await Deno.mkdir(`${machine.path}/job`, { recursive: true });
  await runShell(machine.path, "mkfifo job/secrets");
  const run = machine.run([
    ...["--runner-image", "image:1", "--job-command", "true"],
    ...["--secrets-file", "job/secrets"],
  ]);
  const { code, stderr } = await soon(run, "run");
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /Cannot use secrets_file ".*": it is not a regular file/);
});

Deno.test("run-job runs a job file in a container of its image, or of the default one", async () => {
  await using machine = await fakeMachine();
  await makeFiles(machine.path, {
    "named.yaml": "image: image:1\ncommand: exit 4\nsource: {type: local}\n",
    "plain.yaml": "command: exit 5\nsecrets: [A]\n",
  });
  for (
    const [file, exitCode, image] of [
      ["named.yaml", 4, "image:1"],
      ["plain.yaml", 5, "alpine:latest"],
    ] as const
  ) {
    const { code, stderr } = await machine.run([file], {}, "run-job");
    assertEquals(code, exitCode, stderr);
    const calls = await machine.calls();
    const create = calls.findLast(([verb]) => verb === "create")!;
    assert(create.includes(image), create.join(" "));
  }
  const missing = await machine.run([], {}, "run-job");
  assertEquals(missing.code, 2);
  assertMatch(missing.stderr, /A job file is required/);
});

Deno.test("run --runner-image applies limits that a plugin sets to the container", async () => {
  await using machine = await fakeMachine();
  const run = async (limits: string) => {
    await makeFiles(machine.path, {
      "plugins/plugin_limits.ts":
        `export default { name: "limits", preExecution({ shared }) {
          shared.set("resource_limits", ${limits});
        } };`,
    });
    const { code, stderr } = await machine.run([
      ...["--runner-image", "image:1", "--job-command", "true"],
      ...["--plugin-dir", "plugins"],
    ]);
    return { code, stderr };
  };
  const { code, stderr } = await run(`{ memory: "512m", cpus: 1.5 }`);
  assertEquals(code, 0, stderr);
  const create = (await machine.calls()).find(([verb]) => verb === "create")!;
  assert(create.includes("--memory=512m") && create.includes("--cpus=1.5"));
  const refused = await run(`{ memory: "1g --privileged" }`);
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /"memory" of resource_limits is not an amount/);
});

Deno.test("run --runner-image passes secrets in a file that only its user can read", async () => {
  await using machine = await fakeMachine();
  await machine.run([
    ...["--runner-image", "image:1", "--job-command", "true"],
    ...["--job-env", "DEPLOY_TOKEN=s3cr3t-value"],
  ], { REACTORCIDE_SECRETS_PASSWORD: "of-the-store", PLAIN: "of-the-machine" });
  const [mode, ...lines] = (await machine.read(".env")).trim().split("\n");
  assertEquals(mode, "600");
  assert(lines.includes("DEPLOY_TOKEN=s3cr3t-value"));
  assert(!/of-the-(store|machine)/.test(lines.join("\n")));
  assertEquals(await machine.leftovers(), []);
});

Deno.test("run --runner-image removes its files and container if the engine fails", async () => {
  await using machine = await fakeMachine();
  const { code, stderr } = await machine.run(
    ["--runner-image", "image:1", "--job-command", "true"],
    { BROKEN: "1" },
  );
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /Cannot create a container from image "image:1": no such image/,
  );
  assertEquals((await machine.calls()).at(-1)![0], "rm");
  assertEquals(await machine.leftovers(), []);
});

Deno.test("run --runner-image lets the engine forward SIGTERM", async () => {
  await using machine = await fakeMachine();
  const running = machine.start([
    ...["--runner-image", "image:1", "--job-command"],
    `trap "echo got it; exit" TERM; echo ready; while :; do sleep 0.05; done`,
  ]);
  await running.sees("ready");
  running.child.kill("SIGTERM");
  const { code, stdout } = await running.end();
  assertEquals(code, 143);
  assertMatch(stdout, /got it/);
  const verbs = (await machine.calls()).map(([verb]) => verb);
  assertEquals(verbs.filter((verb) => verb === "kill" || verb === "rm"), [
    ...["kill", "rm"],
  ]);
  assertEquals(await machine.leftovers(), []);
});

Deno.test("run --runner-image reports a missing engine", async () => {
  await using directory = await temporaryDirectory();
  const { code, stderr } = await runCli([
    ...["run", "--runner-image", "image:1", "--docker", "/no/engine"],
    ...["--", "true"],
  ], { cwd: directory.path });
  assertEquals(code, 1);
  assertMatch(stderr, /Cannot find "\/no\/engine": command not found/);
});

Deno.test("run --container refuses images that look like options, and jobs with steps", async () => {
  await using machine = await fakeMachine();
  for (const image of ["--privileged", "-v/:/host", "a b"]) {
    const { code, stderr } = await machine.run([
      ...[`--runner-image=${image}`, "--", "true"],
    ]);
    assertEquals(code, 1);
    assertMatch(stderr, /not an image reference/);
  }
  await Deno.writeTextFile(
    `${machine.path}/steps.yaml`,
    "steps:\n  - name: a\n    run: touch ran\n",
  );
  const { stderr } = await machine.run([
    ...["--runner-image", "image:1", "--job-file", "steps.yaml"],
  ]);
  assertMatch(stderr, /a job with steps does not run in it/);
  assertEquals(await machine.calls(), []);
});

/** Creates a directory with the fake engine. */
async function fakeMachine() {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const calls = `${path}/calls`;
  await Deno.writeTextFile(`${path}/engine`, ENGINE, { mode: 0o755 });
  const options = (env: Record<string, string> = {}) => ({
    cwd: path,
    env: { DOCKER: `${path}/engine`, CALLS: calls, TMPDIR: path, ...env },
  });
  return {
    path,
    run: (
      args: string[],
      env?: Record<string, string>,
      command = "run",
    ): Promise<CliResult> => runCli([command, ...args], options(env)),
    start: (args: string[]) => startCli(["run", ...args], options()),
    read: (suffix: string) => Deno.readTextFile(calls + suffix),
    /** Arguments of each call. */
    async calls(): Promise<string[][]> {
      const text = await Deno.readTextFile(calls).catch(() => "");
      return text.trimEnd().split("\n").filter((part) => part !== "")
        .map((line) => line.split(" "));
    },
    /** Files of the container, and of the socket. */
    async leftovers(): Promise<string[]> {
      const entries = await Array.fromAsync(Deno.readDir(path));
      return entries.map(({ name }) => name)
        .filter((item) => /^(container|secrets)-/.test(item));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
