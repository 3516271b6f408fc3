import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createRunner, RunnerError } from "../../mod.ts";
import { CLI, cliEnv, REPOSITORY } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { soon } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const DENO = Deno.execPath();

const PIPELINE = [
  ...[DENO, "run", "-A", "--no-check"],
  ...[`--config=${REPOSITORY}/deno.json`, "pipeline.ts"],
];

/** A pipeline that registers a value and prints it on both streams. */
const REGISTERING = `${REPOSITORY}/tests/fixtures/registering_pipeline.ts`;

const RUNNER = [DENO, "run", "-A", "--no-check", CLI];

/** Runs a command below a runner, which is this process. */
async function below(
  argv: readonly string[],
  files: Record<string, string>,
  env: Record<string, string> = {},
) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  const words = argv.map((word) =>
    word in files ? `${directory.path}/${word}` : word
  );
  return await runMain(["run", "--stderr", "separate", "--", ...words], {
    cwd: directory.path,
    env,
  });
}

describe("a secret that a job registers is masked by the outer runner in the next output:", () => {
  for (
    const [name, argv, files] of [
      ["by a pipeline", PIPELINE, {
        "pipeline.ts": `
import { registerSecret } from "@reactorcide/runnerlib";
for (const word of ["first", "second"]) {
  const secret = word + "-made-up";
  if (!registerSecret(secret)) throw new Error("not masked");
  console.log(word, secret);
  console.error(secret);
}`,
      }],
      ["by a function in a step", PIPELINE, {
        "pipeline.ts": `
import { Job, runJob } from "@reactorcide/runnerlib";
await runJob(new Job({ name: "job" }).addStep("step", ({ registerSecret }) => {
  registerSecret("one-made-up");
  console.log("one-made-up");
}));`,
      }],
      ["by a plugin of a pipeline", PIPELINE, {
        "pipeline.ts": `
import { registerPlugin, runJob } from "@reactorcide/runnerlib";
registerPlugin({ name: "one", preExecution({ registerSecret }) {
  registerSecret("one-made-up");
  console.log("one-made-up");
} });
await runJob({ command: "true" });`,
      }],
      ["by a program of a job in a pipeline", PIPELINE, {
        "pipeline.ts": `
import { runJob } from "@reactorcide/runnerlib";
const command = ${
          JSON.stringify(
            `echo one-made''-up | ${RUNNER.join(" ")} register-secret -`,
          )
        };
const { exitCode } = await runJob({ command });
console.log("one-made-up", exitCode);`,
      }],
      ["three runners deep", [
        ...["sh", "-c", `"$@"; echo one-made''-up`, "sh"],
        ...[...RUNNER, "run", "--", ...PIPELINE],
      ], {
        "pipeline.ts": `
import { registerSecret } from "@reactorcide/runnerlib";
registerSecret("one-made-up");
console.log("one-made-up");`,
      }],
      ["by Python", ["python3", "-B", "pipeline.py"], {
        "pipeline.py": `
import sys
sys.path.insert(0, "${REPOSITORY}/src/plugins/python")
import runnerlib
assert runnerlib.register_secret("one-made-up", *("%06d" % i + "x" * 200 for i in range(6000)))
print("one-made-up")`,
      }],
    ] as [string, string[], Record<string, string>][]
  ) {
    it(name, async () => {
      const { code, stdout, stderr } = await below(argv, files);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "[REDACTED]");
      assert(!(stdout + stderr).includes("made-up"), stdout + stderr);
      assert(!stderr.includes("[secrets]"), stderr);
    });
  }

  it("by a pipeline that runnerlib exec runs for a worker", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await new Deno.Command(DENO, {
      args: ["run", "-A", "--no-check", CLI, "exec", REGISTERING],
      cwd: directory.path,
      clearEnv: true,
      env: cliEnv({ REACTORCIDE_JOB_ID: "6a1f" }),
    }).output();
    const texts = [stdout, stderr].map((item) =>
      new TextDecoder().decode(item)
    );
    assertEquals(code, 0, texts[1]);
    assertEquals(texts[0], "[REDACTED]\n");
    assertMatch(texts[1], /^\[REDACTED\]$/m);
  });
});

describe("registerSecret(), if the outer runner", () => {
  it("has ended, fails", () => {
    const runner = runnerBelow("/nowhere/socket");
    assertThrows(
      () => runner.registerSecret("one-made-up"),
      RunnerError,
      'Cannot register secrets at "/nowhere/socket": no such file or directory',
    );
    // The next time, too.
    assertThrows(() => runner.registerSecret("one-made-up"), RunnerError);
  });

  for (
    const [name, reply, message] of [
      [
        "refuses",
        "ERROR: Too many secrets\n",
        'refused with "ERROR: Too many secrets"',
      ],
      ["says nothing", "", "closed without an answer"],
      ["repeats the value", "one-made-up\n", "an unexpected answer"],
    ]
  ) {
    it(`${name}, fails and shows no value`, async () => {
      await using server = await foreignRunner(reply);
      const error = assertThrows(
        () => runnerBelow(server.path).registerSecret("one-made-up"),
        RunnerError,
      );
      assertEquals(
        error.message,
        `Cannot register secrets at "${server.path}": ${message}`,
      );
      assertEquals(error.code, "registration-failed");
    });
  }

  it("cannot be reached without a permission, names it", async () => {
    const { code, stderr } = await new Deno.Command(DENO, {
      args: ["run", "--no-check", "--no-prompt", "--allow-env"].concat(
        ...["--allow-read", "--allow-write", REGISTERING],
      ),
      clearEnv: true,
      env: cliEnv({ REACTORCIDE_SECRETS_SOCKET: "/nowhere/socket" }),
    }).output();
    assertEquals(code, 1);
    assertMatch(
      new TextDecoder().decode(stderr),
      /Cannot register secrets at "\/nowhere\/socket": this program needs --allow-net/,
    );
  });

  it("is in the same process, does not wait for itself", async () => {
    await using directory = await temporaryDirectory();
    let printed = "";
    const stream = {
      write(bytes: Uint8Array) {
        printed += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
      isTerminal: () => false,
    };
    const host = {
      env: cliEnv(),
      cwd: directory.path,
      stdout: stream,
      stderr: stream,
      onSignal: () => ({ [Symbol.dispose]() {} }),
    };
    const running = createRunner({ host }).runJob(
      {
        steps: [{
          name: "step",
          run: async ({ env, print }: {
            env: Record<string, string>;
            print: (text: string) => Promise<void>;
          }) => {
            const inner = createRunner({ host: { ...host, env } });
            assert(env.REACTORCIDE_SECRETS_SOCKET);
            inner.registerSecret("one-made-up");
            await print("before one-made-up");
            await inner.runJob({
              command: "true",
              env: {},
            });
          },
        }],
        addStep() {},
      } as never,
    );
    const { status } = await soon(running, "the end of the job");
    assertEquals(status, "success", printed);
    assertStringIncludes(printed, "before [REDACTED]");
  });
});

Deno.test("a runner masks values that its outer runner refuses, and warns", async () => {
  const { code, stdout, stderr } = await below(
    [...RUNNER, "register-secret", "one-made-up"],
    {},
    { REACTORCIDE_SECRETS_SOCKET: "/nowhere/socket" },
  );
  assertEquals([code, stdout], [0, "Registered 1 secret\n"]);
  assertMatch(
    stderr,
    /The outer runner does not mask a secret of the job: Cannot register secrets at "\/nowhere\/socket"/,
  );
});

/** A runner that is a job of another one. */
function runnerBelow(socket: string) {
  const stream = {
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    isTerminal: () => false,
  };
  return createRunner({
    host: {
      env: cliEnv({ REACTORCIDE_SECRETS_SOCKET: socket }),
      cwd: "/",
      stdout: stream,
      stderr: stream,
      onSignal: () => ({ [Symbol.dispose]() {} }),
    },
  });
}

/** Another program that serves a socket, and sends one reply to each request. */
async function foreignRunner(
  reply: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/socket`;
  const child = new Deno.Command(DENO, {
    args: [
      "eval",
      `const listener = Deno.listen({ transport: "unix", path: ${
        JSON.stringify(path)
      } });
       console.log("ready");
       for await (const client of listener) {
         await client.read(new Uint8Array(1024));
         await client.write(new TextEncoder().encode(${JSON.stringify(reply)}));
         client.close();
       }`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await directory[Symbol.asyncDispose]();
    },
  };
}
