import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createRunner, RunnerError } from "../../mod.ts";
import { runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { BARE_ENV } from "../helpers/running.ts";
import { testRunner } from "../helpers/test_runner.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "hunter2-pa55word";

/** Invalid files that contain the secret. */
const FILES = {
  "job.yaml": `
command: make
environment: { A: ${SECRET} }
timeout: ${SECRET}
`,
  "steps.yaml": `
steps:
  - { name: one, run: x, env: { A: ${SECRET} }, timeout: "${SECRET}" }
`,
  "lines.yaml": `
command: make
job_env: |
  A=${SECRET}
stderr: ${SECRET}
`,
  "listed.yaml": `
command: make
secret_values_list: [x, ${SECRET}]
grace: ${SECRET}
`,
  "flow.yaml": `
name: flow
jobs:
  one: { command: make, environment: { A: ${SECRET} }, timeout: ${SECRET} }
`,
  "next.yaml": `
name: next
environment: { A: ${SECRET} }
job: { command: make, priority: ${SECRET} }
`,
  "urls.yaml": `
steps:
  - { name: one, run: "curl https://u:${SECRET}@h/r" }
  - { name: two, run: [echo, "https://h/r?token=${SECRET}"] }
`,
  "plan.yaml": `
name: plan
jobs:
  one: { command: "curl https://u:${SECRET}@h/r && echo ${SECRET}" }
  two: { command: "echo ${SECRET}2", environment: { A_TOKEN: ${SECRET}2 } }
`,
  "ci/.reactorcide/workflows/main.yaml": `
name: main
on: { events: [push] }
jobs:
  one: { command: make, environment: { A: ${SECRET} }, timeout: ${SECRET} }
`,
  "job/vars": `A=${SECRET}\n`,
  "src/": "",
};

/** Command lines that fail, or show their configuration, with the secret in it. */
const COMMAND_LINES: readonly [args: string, env?: Record<string, string>][] = [
  ["run --job-command x --timeout $S", { API_TOKEN: SECRET }],
  ["run --job-command x --timeout $S --job-env A=$S"],
  ["run --job-command x --timeout $S", {
    REACTORCIDE_JOB_ENV: `A=${SECRET}`,
  }],
  ["run --job-command x --timeout $S", {
    REACTORCIDE_SECRET_VALUES_LIST: SECRET,
  }],
  ["run --job-command x --timeout $S", {
    REACTORCIDE_SECRET_ENV_NAMES: "PIN",
    PIN: SECRET,
  }],
  ["run --job-command x --timeout $S --job-env ./job/vars"],
  ["run --job-command x --timeout $S --secret-values-list $S"],
  ["run --job-command x --timeout $S --secrets-file job/vars"],
  ["run $S --job-env A=$S"],
  ["run $S --job-env=A=$S"],
  ["run --job-env A=$S --unknown=$S"],
  ["run --job-env A=$S --dry-run=$S"],
  ["$S --job-env A=$S"],
  ["run https://u:$S@h/r --job-command x"],
  ["run --job-command x --timeout $S", { X_URL: `https://u:${SECRET}@h` }],
  ["run --job-command x --work-dir /nowhere/$S", { API_TOKEN: SECRET }],
  ["run --job-command x --timeout $S --work-dir src --job-env A=$S"],
  ["run --job-command x --mask-min-length $S", { API_TOKEN: SECRET }],
  ["run --job-file job.yaml"],
  ["run --job-file steps.yaml"],
  ["run --job-file lines.yaml"],
  ["run --job-file listed.yaml"],
  ["run --job-command x --plugin https://u:$S@h/plugin_x.ts"],
  ["config --job-command x --timeout $S --job-env A=$S"],
  ["config --job-command x --job-env A=$S"],
  ["config --job-command x --source-url https://u:1/$S@h/r"],
  ["validate --job-command x --stderr $S --job-env A=$S"],
  ["explain-masks --grace $S --job-env A=$S"],
  ["doctor --trust-plugins=$S", { API_TOKEN: SECRET }],
  ["doctor", { API_TOKEN: SECRET, REACTORCIDE_TRUST_PLUGINS: SECRET }],
  ["doctor", { API_TOKEN: SECRET, REACTORCIDE_IN_CONTAINER: SECRET }],
  ["plugins check $S", { API_TOKEN: SECRET }],
  ["plugins list --plugin https://h/plugin_x.ts?sig=$S"],
  ["permissions $S", { API_TOKEN: SECRET }],
  ["checkout $S", { API_TOKEN: SECRET }],
  ["checkout https://127.0.0.1:1/r?token=$S --source-type tarball"],
  ["checkout https://u:$S@h/r https://u:$S@h/r2"],
  ["copy $S", { API_TOKEN: SECRET }],
  ["copy src $S", { API_TOKEN: SECRET }],
  ["git files-changed $S", { API_TOKEN: SECRET }],
  ["git $S", { API_TOKEN: SECRET }],
  ["workflow run flow.yaml"],
  ["workflow graph flow.yaml"],
  ["workflow run plan.yaml --dry-run"],
  ["run --job-file urls.yaml --dry-run"],
  ["workflow run $S", { API_TOKEN: SECRET }],
  ["trigger next.yaml"],
  ["trigger $S", { API_TOKEN: SECRET }],
  ["trigger next.yaml --trigger-transport $S", { API_TOKEN: SECRET }],
  ["eval --event-type push --ci-source-dir ci --source-dir src"],
  ["eval --event-type $S", { API_TOKEN: SECRET }],
  ["eval --event-type push --is-fork-pr $S", { API_TOKEN: SECRET }],
  ["secrets $S"],
  ["secrets list $S $S"],
  ["register-secret $S", { REACTORCIDE_SECRETS_SOCKET: "/nowhere" }],
  ["schema $S", { API_TOKEN: SECRET }],
  ["completions $S", { API_TOKEN: SECRET }],
  ["cleanup --work-dir $S", { API_TOKEN: SECRET }],
];

describe("no command prints a secret", () => {
  for (const [line, env = {}] of COMMAND_LINES) {
    const names = Object.keys(env).join(", ");
    it(`in: ${line}${names && ` (${names})`}`, async () => {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, FILES);
      const args = line.split(" ").map((word) => word.replace("$S", SECRET));
      const { code, stdout, stderr } = await runMain(args, {
        cwd: directory.path,
        env: { HOME: directory.path, ...env },
      });
      assertEquals((stdout + stderr).includes(SECRET), false, stdout + stderr);
      assert(stdout + stderr !== "");
      if (!/^config|^doctor$|--dry-run$/.test(line)) {
        assert(code > 0, stdout + stderr);
      }
    });
  }
});

describe("a plugin", () => {
  it("is loaded after the masker was filled, and before validation", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "plugins/plugin_early.ts": `
export const manifest = { permissions: { env: ["API_TOKEN"] } };
console.error("load " + Deno.env.get("API_TOKEN"));
export default {
  name: "early",
  preValidation({ log }) {
    log("token " + Deno.env.get("API_TOKEN"));
    throw new Error("bad " + Deno.env.get("API_TOKEN"));
  },
};`,
    });
    const { code, stdout, stderr } = await runCli([
      ...["run", "--job-command", "true", "--plugin-dir", "plugins"],
      ...["--allow-plugin", "early:env=API_TOKEN"],
    ], { cwd: directory.path, env: { API_TOKEN: SECRET } });
    assertEquals(code, 1);
    const lines = stderr.split("\n");
    for (const line of ["load [REDACTED]", "token [REDACTED]"]) {
      assert(lines.includes(`[plugin:early] ${line}`), stderr);
    }
    assertStringIncludes(stderr, "bad [REDACTED]");
    assertEquals((stdout + stderr).includes(SECRET), false);
  });

  it("that adds a variable has it masked if its name is listed", async () => {
    await using test = await testRunner();
    using _ = test.runner.registerPlugin({
      name: "late",
      preExecution({ env }) {
        env.PIN = SECRET;
      },
    });
    await test.runner.runJob({
      command: "echo $PIN",
      secrets: { envNames: ["PIN"] },
    });
    assertEquals(test.stdout(), "[REDACTED]\n");
    assertEquals(test.stderr().includes("there is no variable"), false);
  });

  it("cannot add a secret to the error of an invalid setting", async () => {
    await using test = await testRunner({ API_TOKEN: SECRET });
    using _ = test.runner.registerPlugin({
      name: "setter",
      preValidation({ config }) {
        config.set("job_env", `A=other-${SECRET}`);
        config.set("timeout", `other-${SECRET}`);
      },
    });
    const error = await test.runner.runJob({ command: "true" })
      .catch((error) => error);
    assert(error instanceof RunnerError);
    assertEquals(Deno.inspect(error).includes(SECRET), false);
  });
});

describe("an error that the library throws", () => {
  it("contains no secret, nor do its causes", async () => {
    await using test = await testRunner({ API_TOKEN: SECRET });
    using _ = test.runner.registerPlugin({
      name: "thrower",
      preValidation() {
        throw new TypeError(`bad ${SECRET}`, {
          cause: new AggregateError([SECRET, { secret: SECRET }]),
        });
      },
    });
    const error = await test.runner.runJob({ command: "true" })
      .catch((error) => error);
    assert(error instanceof RunnerError);
    assert(error.cause instanceof TypeError);
    assertStringIncludes(error.message, "bad [REDACTED]");
    assertEquals(Deno.inspect(error, { depth: 9 }).includes(SECRET), false);
  });

  it("contains none if triggers cannot be submitted", async () => {
    await using test = await testRunner({
      API_TOKEN: SECRET,
      REACTORCIDE_COORDINATOR_URL: `https://host/${SECRET}?x`,
      REACTORCIDE_API_TOKEN: "token-of-the-job",
      REACTORCIDE_JOB_ID: SECRET,
    });
    test.runner.triggerJob("next", { jobCommand: "make" });
    for (
      const attempt of [
        () => test.runner.flushTriggers(),
        () => test.runner.getJobResult("x"),
      ]
    ) {
      const error = await attempt().catch((error) => error);
      assert(error instanceof RunnerError, Deno.inspect(error));
      assertEquals(Deno.inspect(error).includes(SECRET), false);
    }
  });

  it("contains none if the job file is invalid", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, FILES);
    const stream = {
      write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
      isTerminal: () => false,
    };
    const runner = createRunner({
      host: {
        env: BARE_ENV,
        cwd: directory.path,
        stdout: stream,
        stderr: stream,
        onSignal: () => ({ [Symbol.dispose]: () => {} }),
      },
    });
    for (const jobFile of ["job.yaml", "steps.yaml", "lines.yaml"]) {
      const error = await runner.runJob({ jobFile }).catch((error) => error);
      assert(error instanceof RunnerError);
      assertStringIncludes(error.message, 'not "[REDACTED]"');
      assertEquals(Deno.inspect(error).includes(SECRET), false);
    }
  });
});
