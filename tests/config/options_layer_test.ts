import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createRunner } from "../../mod.ts";
import { testRunner } from "../helpers/test_runner.ts";

Deno.test("runJob() and others throw a TypeError that names the misuse", async () => {
  await using test = await testRunner();
  // deno-lint-ignore no-explicit-any
  const runner = test.runner as any;
  for (
    const [options, message] of [
      ["x", "Cannot run a job: its options must be an object, not a string"],
      [null, "Cannot run a job: its options must be an object, not null"],
      [[], "Cannot run a job: its options must be an object, not an array"],
      [{ comand: "x" }, 'Unknown option "comand"; did you mean "command"?'],
      [
        { command: 5 },
        'Cannot use option "command": it must be a string or an array of strings, not a number',
      ],
      [
        { command: ["a", 5] },
        'Cannot use option "command": it must be a string or an array of strings, not an array',
      ],
      [
        { limits: 5 },
        'Cannot use option "limits": it must be an object of options, not a number',
      ],
      [
        { limits: { timeout: 5 } },
        'Unknown option "limits.timeout"; did you mean "limits.timeoutMs"?',
      ],
      [
        { limits: { timeoutMs: {} } },
        'Cannot use option "limits.timeoutMs": it must be a number of milliseconds, not an object',
      ],
      [
        { limits: { concurrency: [] } },
        'Cannot use option "limits.concurrency": it must be a number, not an array',
      ],
      [
        { env: { A: "b", B: 5 } },
        'Cannot use option "env.B": it must be a string, not a number',
      ],
      [
        { wait: [] },
        'Cannot use option "wait": it must be a boolean, not an array',
      ],
      [
        { failurePolicy: true },
        'Cannot use option "failurePolicy": it must be one of "finish", "continue", "kill", not a boolean',
      ],
      [
        { signal: 5 },
        'Cannot use option "signal": it must be an AbortSignal, not a number',
      ],
      [
        { jobFile: 5 },
        'Cannot use option "jobFile": it must be a string, not a number',
      ],
    ] as const
  ) {
    const error = await assertRejects(
      async () => await runner.runJob(options),
      TypeError,
    );
    assertEquals(error.message, message);
  }
  assertThrows(
    () => runner.registerSecret(5),
    TypeError,
    "Cannot register a secret: it must be a string, not a number",
  );
  // deno-lint-ignore no-explicit-any
  const create = createRunner as any;
  assertThrows(
    () => create("x"),
    TypeError,
    "Cannot create a runner: its options must be an object, not a string",
  );
  assertThrows(
    () => create({ dir: "x" }),
    TypeError,
    'Cannot create a runner: unknown option "dir"; the options are cwd, env, host, allowInsecureTransport',
  );
});
