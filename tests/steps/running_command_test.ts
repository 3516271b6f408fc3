import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import type { StepContext } from "../../src/steps/step.ts";
import { templateCommand } from "../../src/steps/running_command.ts";
import { Random } from "../helpers/random.ts";
import { type TestRunner, testRunner } from "../helpers/test_runner.ts";

const SECRET = "s3cr3t-value";

/** Runs a function as the only step of a job. */
async function runStep<Value>(
  test: TestRunner,
  run: (context: StepContext) => Promise<Value>,
): Promise<Value> {
  let value: { readonly is: Value } | undefined;
  const job = new Job("job").addStep(
    "step",
    async (context: StepContext) => {
      value = { is: await run(context) };
    },
  );
  const result = await test.runner.runJob(job, {
    env: { TOKEN: SECRET, EMPTY: "" },
    secrets: { envNames: ["TOKEN"] },
  });
  if (value === undefined) throw result.error;
  return value.is;
}

Deno.test("run() returns the exact output and prints it masked", async () => {
  await using test = await testRunner();
  const result = await runStep(
    test,
    ({ run }) => run('echo "token $TOKEN"; echo problem >&2'),
  );
  assertEquals(result, {
    stdout: `token ${SECRET}\n`,
    stderr: "problem\n",
    exitCode: 0,
    isTruncated: false,
  });
  assertStringIncludes(test.stdout(), "token [REDACTED]\n");
  assertStringIncludes(test.stdout(), "problem\n");
});

Deno.test("run() offers text, lines and any exit code", async () => {
  await using test = await testRunner();
  await runStep(test, async ({ run }) => {
    assertEquals(await run("printf ' a b\\n\\n'").text(), " a b");
    assertEquals(await run("printf '1\\r\\n2\\n'").lines(), ["1", "2"]);
    assertEquals(await run("true").lines(), []);
    const { exitCode, stdout } = await run("echo out; exit 3").noThrow();
    assertEquals([exitCode, stdout], [3, "out\n"]);
    const error = await assertRejects(
      () => run(["sh", "-c", "exit 4"]).text(),
      RunnerError,
    );
    assertEquals([error.code, error.exitCode], ["command-failed", 4]);
    const missing = await assertRejects(
      () => run(["no-such-program-here"]).noThrow(),
      RunnerError,
    );
    assertEquals(missing.code, "command-not-found");
  });
});

Deno.test("run() keeps the first 16 MiB of a stream and prints all of it", async () => {
  await using test = await testRunner();
  const result = await runStep(
    test,
    ({ run }) =>
      run("head -c 17000000 /dev/zero | tr '\\0' 'x'; echo; echo end"),
  );
  assertEquals(result.stdout.length, 16 * 1024 * 1024);
  assertEquals(result.isTruncated, true);
  assertEquals(test.stdout().includes("\nend\n"), true);
});

Deno.test("$ passes each value as one word, with any content", async () => {
  await using test = await testRunner();
  const words = ["", " ", "a b", "$HOME", "`id`", "'", "\\", "*", "-n", "a\nb"];
  await runStep(test, async ({ $ }) => {
    const show = "for word; do printf '<%s>' \"$word\"; done";
    for (const word of words) {
      assertEquals(await $`sh -c ${show} sh ${word}`.text(), `<${word}>`);
    }
    assertEquals(
      await $`sh -c ${show} sh ${words}`.text(),
      words.map((word) => `<${word}>`).join(""),
    );
    const head = await $`echo ${1}; echo`;
    assertEquals(await $`echo ${head} ${[]}end`.text(), "1 end");
    assertEquals(await $`echo "$EMPTY"x`.text(), "x");
  });
});

Deno.test("$ runs /bin/sh in a step with another shell", async () => {
  await using test = await testRunner();
  let text: string | undefined;
  const job = new Job("job").addStep("step", async ({ $ }) => {
    text = await $`echo ${"a b"}`.text();
  }, { shell: ["no-such-shell"] });
  assertEquals((await test.runner.runJob(job)).status, "success");
  assertEquals(text, "a b");
});

Deno.test("$ rejects values that are not words", async () => {
  await using test = await testRunner();
  await runStep(test, async ({ $ }) => {
    for (const value of [undefined, null, {}, true, "a\0b", [["a"]]]) {
      await assertRejects(
        // deno-lint-ignore no-explicit-any
        async () => await $`echo ${value as any}`,
        TypeError,
        "in a command",
      );
    }
  });
});

Deno.test("templateCommand() quotes any text so that a shell does not change it", async () => {
  const random = new Random();
  for (let round = 0; round < 50; round++) {
    const values = Array.from(
      { length: 1 + random.below(5) },
      () => random.text(random.below(12), "ab '\"\\$`!*?~#&;|<>(){}[]\n\t=%-é"),
    );
    const parts = ["printf '%s\\0'", ...values.map(() => " ")];
    parts[0] += " ";
    const command = templateCommand(parts, values);
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", command],
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      values.map((value) => `${value}\0`).join(""),
      `seed ${random.seed}`,
    );
  }
});
