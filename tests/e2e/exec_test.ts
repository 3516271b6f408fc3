import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { REPOSITORY, runCli } from "../helpers/cli.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PIPELINE = `${REPOSITORY}/tests/fixtures/restricted_pipeline.ts`;

const ENV = { REACTORCIDE_STAGE: "dev", OTHER: "unseen" };

Deno.test("runnerlib exec runs a pipeline with few permissions", async () => {
  await using directory = await temporaryDirectory();
  const options = { cwd: directory.path, env: ENV };
  const { code, stdout } = await runCli(["exec", PIPELINE, "one"], options);
  assertEquals(code, 7);
  assertStringIncludes(stdout, 'arguments ["one"]\n');
  for (const what of ["read", "write", "net", "run", "env", "sys"]) {
    assertMatch(stdout, new RegExp(`^${what}: Requires ${what} access`, "m"));
  }
  assertMatch(stdout, /^first +\| dev $/m);
  assertEquals(await exists(`${directory.path}/job/left`), true);
});

Deno.test("runnerlib exec replaces files of an earlier run, and loses nothing", async () => {
  await using directory = await temporaryDirectory();
  const file = "job/workflow-output.json";
  await makeFiles(directory.path, { [file]: '{"vars":{"stale":1}}' });
  const pipeline = `${REPOSITORY}/tests/fixtures/variables_pipeline.ts`;
  const { code, stderr } = await runCli(["exec", pipeline], {
    cwd: directory.path,
  });
  assertEquals(code, 0, stderr);
  const text = await Deno.readTextFile(`${directory.path}/${file}`);
  assertEquals(JSON.parse(text), {
    vars: { version: "1.2" },
    outputs: { files: ["x"] },
  });
});

Deno.test({
  name: "runnerlib exec names a workspace that it cannot create",
  // Not even root can create a directory in /proc, which other systems lack.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { code, stderr } = await runCli(["exec", PIPELINE], { cwd: "/proc" });
    assertEquals(code, 1);
    assertMatch(stderr, /error: Cannot create "\/proc\/job": /);
  },
});

Deno.test("runnerlib exec grants the permissions of flags and a job file", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "job.yaml": "pipeline_permissions: { env: OTHER, sys: [hostname] }\n",
  });
  const options = { cwd: directory.path, env: ENV };
  const { stdout } = await runCli([
    ...["exec", PIPELINE, "--job-file", "job.yaml", "--allow", "read=/etc"],
    ...["--", "--flag"],
  ], options);
  assertStringIncludes(stdout, 'arguments ["--flag"]\n');
  for (const what of ["read", "env", "sys"]) {
    assertMatch(stdout, new RegExp(`^${what}: done`, "m"));
  }
  assertMatch(stdout, /^net: Requires/m);
});

Deno.test("runnerlib permissions lists the permissions of a pipeline", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const options = {
    cwd: path,
    env: { REACTORCIDE_COORDINATOR_URL: "https://ci.example.com:8443/x" },
  };
  const result = await runCli(
    ["permissions", PIPELINE, "--allow=net=a.com"],
    options,
  );
  assertEquals(result.code, 0, result.stderr);
  assertStringIncludes(result.stdout, `write  ${path}/job  # the workspace\n`);
  assertStringIncludes(
    result.stdout,
    "net    ci.example.com:8443  # the coordinator\nnet    a.com  # granted\n",
  );
  const flags = await runCli(["permissions", PIPELINE, "--flags"], options);
  assertMatch(
    flags.stdout,
    /^--no-prompt --allow-read=\S+\/job --allow-write=\S+\/job --allow-run=git,\/bin\/sh,sh '--allow-env=REACTORCIDE_\*,RC_\*,PATH,\S+' --allow-net=ci\.example\.com:8443\n$/,
  );
  const wrong = [
    [["permissions"], 2],
    [["permissions", "missing.ts"], 1],
    [["permissions", PIPELINE, "--allow", "reed=/"], 1],
    [["permissions", PIPELINE, "--allow", "read=relative"], 1],
  ] as const;
  for (const [args, code] of wrong) {
    assertEquals((await runCli([...args], options)).code, code, String(args));
  }
});

Deno.test("runnerlib exec opens the socket for secrets however long the path of the workspace is", async () => {
  await using directory = await temporaryDirectory();
  const cwd = `${directory.path}/${"deep/".repeat(20)}project`;
  await makeFiles(cwd, {
    "p.ts": `import { runJob } from "@reactorcide/runnerlib";
await runJob({ command: 'test -S "$REACTORCIDE_SECRETS_SOCKET" && echo open' });
`,
  });
  const { code, stdout, stderr } = await runCli(
    ["exec", "p.ts", "--allow", "net=*"],
    { cwd },
  );
  assertEquals([code, stdout], [0, "open\n"], stderr);
});

Deno.test("runnerlib exec prints uncaught errors without colors, and a RunnerError without its stack", async () => {
  await using directory = await temporaryDirectory();
  const fail = `throw new RunnerError("Cannot find \\"x\\": \\x1b[2J", {
  code: "workspace",
  exitCode: 42,
});
`;
  const start = `import { RunnerError } from "@reactorcide/runnerlib";
`;
  await makeFiles(directory.path, {
    "thrown.ts": start + fail,
    "later.ts": `${start}setTimeout(() => { ${fail} }, 1);
await new Promise((resolve) => setTimeout(resolve, 60_000));
`,
    "handled.ts": `${start}addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.log(event.reason.message.length, Deno.env.get("NO_COLOR"));
});
void (async () => { ${fail} })();
`,
    "bug.ts": `throw new TypeError("a bug");
`,
  });
  const exec = async (pipeline: string, env: Record<string, string> = {}) => {
    const cwd = directory.path;
    return await runCli(["exec", pipeline], {
      cwd,
      env: { NO_COLOR: "", ...env },
    });
  };
  const message = '[runnerlib] error: Cannot find "x": \\u{1b}[2J\n';
  for (const pipeline of ["thrown.ts", "later.ts"]) {
    const { code, stderr } = await exec(pipeline);
    assertEquals([code, stderr], [42, message], pipeline);
  }
  const handled = await exec("handled.ts");
  assertEquals([handled.code, handled.stdout], [0, "21 undefined\n"]);
  const bug = await exec("bug.ts");
  assertEquals(bug.code, 1);
  assertMatch(bug.stderr, /^error: Uncaught .*TypeError: a bug\n[^]*bug\.ts:1/);
  const colored = await exec("bug.ts", { FORCE_COLOR: "1" });
  assertStringIncludes(colored.stderr, "\x1b[");
});
