import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, cliEnv, type CliResult, runCli } from "../helpers/cli.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { runMain } from "../helpers/run_main.ts";
import { shellOutput } from "../helpers/shell_output.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

const INSECURE = "--allow-insecure-transport";

const FILES = {
  "build.yaml": `
name: build
triggers: { events: [push] }
environment: { VERSION: 1.0, QUIET: yes }
job:
  image: alpine:3
  command: echo 'it is'
  timeout: 60
  priority: 2
  image_pull_secrets: [key]
  characteristics: { arch: arm64 }
  resources: { cpu: { limit: 2 }, memory: { limit: 1Gi } }
  for_each: [1, two]
`,
  "deploy.yaml": `
name: deploy
job:
  command: make deploy
  raw_command: true
  depends_on: [build]
  condition: always
`,
};

/** Runs `runnerlib trigger` in this process, in a directory with job files. */
async function trigger(
  args: string[],
  env: Record<string, string> = {},
  files: Record<string, string> = FILES,
  run: typeof runCli = runMain,
): Promise<CliResult & { document?: string }> {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  const result = await run(["trigger", ...args], {
    cwd: directory.path,
    env,
  });
  const file = `${directory.path}/job/triggers.json`;
  return {
    ...result,
    document: await exists(file) ? await Deno.readTextFile(file) : undefined,
  };
}

describe("runnerlib trigger", () => {
  it("writes commands that run unchanged, even if they start like options", async () => {
    const commands = [
      "--version 2>/dev/null || echo it\\'s $((1+1))",
      "-c 2>/dev/null; echo '$HOME' \"`echo sub`\"",
      "--dry-run 2>/dev/null\necho dry",
      "echo 'a'\n\techo \"b\"",
    ];
    const files = Object.fromEntries(commands.map((command, at) => [
      `${at}.yaml`,
      JSON.stringify({ name: `job${at}`, job: { command } }),
    ]));
    const { code, document, stderr } = await trigger(
      Object.keys(files),
      {},
      files,
    );
    assertEquals(code, 0, stderr);
    const { workflows: [{ jobs }] } = decodeDocument(document!);
    await using directory = await temporaryDirectory();
    const script = `runnerlib() { "$DENO" run -A --no-check "$CLI" "$@"; }\n`;
    const run = (text: string) =>
      shellOutput(text, {
        ...cliEnv({ DENO: Deno.execPath(), CLI }),
        REACTORCIDE_WORKSPACE: directory.path,
      });
    for (const [at, { job_command }] of jobs.entries()) {
      assertEquals(
        await run(script + job_command),
        await run(`:\n${commands[at]}`),
        job_command,
      );
    }
  });

  it("writes a file for the worker if no coordinator is configured", async () => {
    const { code, document, stderr } = await trigger(
      ["deploy.yaml", "build.yaml"],
      {
        REACTORCIDE_EVENT_TYPE: "push",
        REACTORCIDE_SHA: "abc",
        REACTORCIDE_SOURCE_URL: "https://example.org/a.git",
        REACTORCIDE_PR_NUMBER: "",
      },
      FILES,
      runCli,
    );
    assertEquals(code, 0, stderr);
    const { workflows: [{ jobs }] } = decodeDocument(document!);
    const [build, deploy] = jobs;
    assertEquals(jobs.map(({ job_name }) => job_name), ["build", "deploy"]);
    assertEquals(build.env, {
      VERSION: "1.0",
      QUIET: "yes",
      REACTORCIDE_EVENT_TYPE: "push",
      REACTORCIDE_SHA: "abc",
      REACTORCIDE_SOURCE_URL: "https://example.org/a.git",
    });
    assertEquals(
      build.job_command,
      `runnerlib run --job-command 'echo '\\''it is'\\'''`,
    );
    assertEquals(build.for_each, ["1", "two"]);
    assertEquals(
      [build.timeout, build.priority, build.image_pull_secrets],
      [60, 2, ["key"]],
    );
    assertEquals(
      [build.source_type, build.source_url, build.source_ref],
      ["git", "https://example.org/a.git", "abc"],
    );
    assertEquals(build.ci_source_type, "");
    assertEquals([deploy.job_command, deploy.depends_on, deploy.condition], [
      "make deploy",
      ["build"],
      "always",
    ]);
  });

  it("adds to the jobs of an earlier call, and prints the path of the file", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, FILES);
    const file = `${await Deno.realPath(directory.path)}/job/triggers.json`;
    const call = (name: string) =>
      runMain(["trigger", name], { cwd: directory.path });
    const first = await call("build.yaml");
    assertEquals(first.stderr, `[triggers] Wrote build to "${file}"\n`);
    // Its dependency is in the file.
    const second = await call("deploy.yaml");
    assertEquals(second.stderr, `[triggers] Wrote deploy to "${file}"\n`);
    await makeFiles(directory.path, {
      "build.yaml": "name: build\njob: { command: other, raw_command: true }",
    });
    assertEquals((await call("build.yaml")).code, 0);
    const { workflows: [{ jobs }] } = decodeDocument(
      await Deno.readTextFile(file),
    );
    assertEquals(
      jobs.map(({ job_name, job_command }) => [job_name, job_command]),
      [["build", "other"], ["deploy", "make deploy"]],
    );
  });

  it("takes the CI source of a job that no event started from variables", async () => {
    await using coordinator = startCoordinator({ parent: {} });
    const { code, stderr } = await trigger([
      "deploy.yaml",
      "build.yaml",
      INSECURE,
    ], {
      ...coordinator.env,
      REACTORCIDE_CI_SOURCE_URL: "https://git.example/ci.git",
      REACTORCIDE_CI_SOURCE_REF: "main",
    });
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "[triggers] Submitted: deploy, build");
    const [{ env }] = coordinator.jobs.nodes;
    assertEquals(env.REACTORCIDE_CI_SOURCE_TYPE, "git");
    assertEquals(env.REACTORCIDE_CI_SOURCE_URL, "https://git.example/ci.git");
    assertEquals(coordinator.jobs.doomed, []);
  });

  it("submits each job to the coordinator once, despite transient failures", async () => {
    await using coordinator = startCoordinator({
      troubles: [503, 503, 503, "hang"],
    });
    const { code, document, stderr, stdout } = await trigger(
      ["build.yaml", "deploy.yaml", "--coordinator-timeout", "500ms", INSECURE],
      coordinator.env,
    );
    assertEquals(code, 0, stderr);
    assertEquals(coordinator.jobs.submitted, [
      "build[0]",
      "build[1]",
      "deploy",
    ]);
    assertEquals(coordinator.requests.length, 5);
    assertEquals(document, undefined);
    assert(!(stdout + stderr).includes(coordinator.jobToken));
  });

  it("fails with the reason of the coordinator, and keeps the jobs", async () => {
    await using coordinator = startCoordinator({ troubles: [401] });
    const { code, document, stderr } = await trigger(
      ["build.yaml", INSECURE],
      coordinator.env,
    );
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      "it responded with 401 service_unavailable: not now",
    );
    assertEquals(
      decodeDocument(document!).workflows[0].jobs[0].job_name,
      "build",
    );
    assertEquals(coordinator.jobs.submitted, []);
  });

  it("sends nothing over plain HTTP unless an option or variable allows it", async () => {
    await using coordinator = startCoordinator();
    const variable = { REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true" };
    const refused: [args: string[], env: Record<string, string>][] = [
      [[], {}],
      [[], { REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "false" }],
      [[`${INSECURE}=false`], variable],
    ];
    for (const [args, env] of refused) {
      const { code, stderr, document } = await trigger(
        ["build.yaml", ...args],
        { ...coordinator.env, ...env },
      );
      assertEquals(code, 1);
      assertStringIncludes(stderr, INSECURE);
      assertStringIncludes(stderr, "REACTORCIDE_ALLOW_INSECURE_TRANSPORT=true");
      assert(document !== undefined);
    }
    assertEquals(coordinator.requests, []);
    const { code, stderr } = await trigger(["build.yaml"], {
      ...coordinator.env,
      ...variable,
    });
    assertEquals(code, 0, stderr);
    assertEquals(coordinator.requests.length, 1);
  });

  it("sends nothing if a file or the graph is invalid", async () => {
    await using coordinator = startCoordinator();
    const wrong: [files: Record<string, string>, message: string][] = [
      [{}, 'Cannot read job file "b.yaml"'],
      [{ "b.yaml": "name: b\njob: { command: a, timeout: x }" }, "b.yaml:2"],
      [{ "b.yaml": "name: [" }, 'Cannot read job file "b.yaml"'],
      [{ "b.yaml": "name: a\njob: { command: b }" }, "its name occurs twice"],
      [
        { "b.yaml": "name: b\njob: { command: b, depends_on: [c] }" },
        "is not triggered",
      ],
      [
        { "b.yaml": "name: b\njob: { command: b, depends_on: [b] }" },
        "it waits for itself",
      ],
      [
        { "b.yaml": "name: b\nenvironment: { org: x }\njob: { command: b }" },
        "org",
      ],
      [
        {
          "b.yaml":
            'name: b\njob: { steps: [{ name: s, run: "${secret:a:b}" }] }',
        },
        'Cannot submit job "b": its steps refer to secrets',
      ],
    ];
    for (const [files, message] of wrong) {
      const { code, stderr, document } = await trigger(
        ["a.yaml", "b.yaml", INSECURE],
        coordinator.env,
        { "a.yaml": "name: a\njob: { command: a }", ...files },
      );
      assertEquals(code, 1, message);
      assertStringIncludes(stderr, message);
      assertEquals(document, undefined);
    }
    assertEquals(coordinator.requests, []);
    const { code } = await trigger([], coordinator.env);
    assertEquals(code, 2);
  });

  it("names the missing variables of the coordinator", async () => {
    const { code, stderr } = await trigger(
      ["build.yaml", "--trigger-transport", "api"],
      { REACTORCIDE_JOB_ID: "1" },
    );
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      "REACTORCIDE_COORDINATOR_URL, REACTORCIDE_API_TOKEN are not set",
    );
  });
});

describe("triggers on standard output", () => {
  const NONCE = "n0nce-of-the-worker";
  const ENV = {
    REACTORCIDE_TRIGGER_TRANSPORT: "stdout",
    REACTORCIDE_TRIGGER_NONCE: NONCE,
  };

  it("are one line with the nonce", async () => {
    const { code, stdout, stderr, document } = await trigger(
      ["build.yaml", "deploy.yaml"],
      ENV,
      FILES,
      runCli,
    );
    assertEquals(code, 0, stderr);
    assertEquals(stdout.match(/\n/g)?.length, 1);
    assertEquals(JSON.parse(stdout).nonce, NONCE);
    const { workflows: [{ jobs }] } = decodeDocument(stdout);
    assertEquals(jobs.map(({ job_name }) => job_name), ["build", "deploy"]);
    assertEquals(document, undefined);
    assert(!stderr.includes(NONCE));
  });

  it("require a nonce, short lines and no secrets", async () => {
    const wrong: [job: string, env: Record<string, string>, message: string][] =
      [
        ["a", { REACTORCIDE_TRIGGER_NONCE: "" }, "TRIGGER_NONCE is not set"],
        ["a".repeat(60_000), {}, "would exceed 60000 bytes"],
        ["hidden-value", { MY_TOKEN: "hidden-value" }, "they contain a secret"],
      ];
    for (const [command, env, message] of wrong) {
      const { code, stdout, stderr } = await trigger(["a.yaml"], {
        ...ENV,
        ...env,
      }, { "a.yaml": `name: a\njob: { command: "${command}" }` });
      assertEquals([code, stdout], [1, ""], message);
      assertStringIncludes(stderr, message);
      assert(!stderr.includes("hidden-value"));
    }
  });

  it("cannot be forged by steps, and include jobs that steps left in the file", async () => {
    await using directory = await temporaryDirectory();
    const fake = `{"type":"trigger_job","nonce":"%s","jobs":[]}`;
    await makeFiles(directory.path, {
      ...FILES,
      "print.sh": `
echo "nonce: [$REACTORCIDE_TRIGGER_NONCE]"
printf '${fake}\\n' "$(cat nonce)"
printf '  {"type":"trigger\\\\u005fjob"}\\n'
printf '{"a":1}\\n{"type":"trig'; sleep 0.1; printf 'ger_job"}'
`,
      "nonce": NONCE,
    });
    const cli = `${Deno.execPath()} run -A --no-check ${
      new URL("../../cli.ts", import.meta.url).pathname
    } trigger build.yaml`;
    const { code, stdout, stderr } = await runCli([
      "run",
      "--job-command",
      `${cli} && sh print.sh`,
    ], { cwd: directory.path, env: ENV });
    assertEquals(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    const message = lines.pop()!;
    assertEquals(lines, [
      `[triggers] Wrote build to "${await Deno.realPath(
        directory.path,
      )}/job/triggers.json"`,
      "nonce: []",
      `[not a trigger] {"type":"trigger_job","nonce":"[REDACTED]","jobs":[]}`,
      `  [not a trigger] {"type":"trigger\\u005fjob"}`,
      `{"a":1}`,
      `[not a trigger] {"type":"trigger_job"}`,
    ]);
    assertEquals(JSON.parse(message).nonce, NONCE);
    assertEquals(
      decodeDocument(message).workflows[0].jobs[0].job_name,
      "build",
    );
    assertEquals(await exists(`${directory.path}/job/triggers.json`), false);
  });

  it("cannot be forged by steps of a job file, and are not printed if the job fails", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": `
steps:
  - { name: one, run: "echo '{\\"type\\": \\"trigger_job\\"}'; exit 3" }
`,
      "job/triggers.json": JSON.stringify({ type: "trigger_job", jobs: [] }),
    });
    const { code, stdout } = await runMain(["run", "--job-file", "job.yaml"], {
      cwd: directory.path,
      env: ENV,
    });
    assertEquals(code, 3);
    assertStringIncludes(stdout, `[not a trigger] {"type": "trigger_job"}`);
    assert(!stdout.includes(NONCE));
  });
});
