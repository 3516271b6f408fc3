import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createLogger } from "../../src/output/logger.ts";
import { logSteps } from "../../src/runner/log_steps.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { runMain } from "../helpers/run_main.ts";
import { soon } from "../helpers/soon.ts";
import { ended, retrying, started } from "../helpers/step_events.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/**
 * Returns the lines of a logger, and a promise for the first line that contains
 * a text.
 */
function recordedLines(style: "short" | "json" = "short") {
  const lines: string[] = [];
  const waiting: { text: string; resolve: () => void }[] = [];
  const logger = createLogger({
    sink: {
      write(bytes) {
        const line = new TextDecoder().decode(bytes).trimEnd();
        lines.push(line);
        for (const { text, resolve } of waiting) {
          if (line.includes(text)) resolve();
        }
        return Promise.resolve();
      },
    },
    masker: new Masker(),
    style,
    level: "info",
  });
  return {
    lines,
    logger,
    seen(text: string): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ text, resolve });
      return soon(promise, text);
    },
  };
}

describe("logSteps()", () => {
  it("logs the start, retries and end of a step", async () => {
    const { lines, logger } = recordedLines();
    await using steps = logSteps({ logger, traceId: "a", isJson: false });
    steps.onEvent(started("build"));
    steps.onEvent(retrying("build", 2, 1_500, "exit code 1"));
    steps.onEvent(started("build", 2));
    steps.onEvent(ended("build"));
    assertEquals(lines, [
      "[steps] build: started",
      "[steps] build: attempt 1 failed (exit code 1), the next one starts in 1.5s",
      "[steps] build: success",
    ]);
  });

  it("logs JSON objects with trace, span and attempt", async () => {
    const { lines, logger } = recordedLines("json");
    await using steps = logSteps({ logger, traceId: "abc", isJson: true });
    steps.onEvent(started("build"));
    steps.onEvent(ended("build", "failed"));
    const [first, last] = lines.map((line) => JSON.parse(line).fields);
    assertEquals(first, {
      step: "build",
      event: "started",
      attempt: 1,
      span_id: "0".repeat(16),
      trace_id: "abc",
    });
    assertEquals([last.event, last.outcome, last.attempts], [
      "ended",
      "failed",
      1,
    ]);
  });

  it("logs that a silent step is still running, and no other step", async () => {
    const { lines, logger, seen } = recordedLines();
    await using steps = logSteps({
      logger,
      traceId: "a",
      isJson: false,
      stillMs: 20,
    });
    const saidTwice = seen("silent: still running after").then(() =>
      seen("silent: still running after")
    );
    steps.onEvent(started("silent"));
    steps.onEvent(started("chatty"));
    steps.watch(
      "chatty",
      {
        get lastOutputMs() {
          return performance.now();
        },
      } as Parameters<typeof steps.watch>[1],
    );
    await saidTwice;
    steps.onEvent(ended("silent"));
    assert(!lines.some((line) => line.includes("chatty: still")));
  });
});

describe("a job with steps, without a terminal", () => {
  const JOB = `
steps:
  - { name: one, run: echo hello }
  - { name: two, run: exit 3, depends_on: [one] }
`;

  it("prints the path of a failed step's log after its last lines", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    const { stderr } = await runMain(["run"], { cwd });
    assertMatch(stderr, /^\[steps\] one: started$/m);
    assertMatch(stderr, /^\[steps\] two: exit code 3 in \d+\.\ds$/m);
    assertMatch(stderr, /^total \d+\.\ds$/m);
    assertMatch(stderr, /\n {2}\(no output\)\n {2}log: (\S+)\n/);
    const [, log] = / log: (\S+)/.exec(stderr)!;
    assert((await Deno.stat(`${cwd}/${log}`)).isFile);
  });

  it("prints only failures if it is quiet", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": JOB,
      "good.yaml": JOB.replace("exit 3", "'true'"),
    });
    const good = await runMain(["run", "--job-file=good.yaml", "-q"], { cwd });
    assertEquals(good.stderr, "");
    const bad = await runMain(["run", "--quiet"], { cwd });
    assertMatch(bad.stderr, /✗ two: exit code 3/);
    assertEquals(bad.stderr.includes("[steps]"), false);
    const all = await runMain(["run", "--verbose"], { cwd });
    assertMatch(all.stderr, /debug: /);
  });

  it("prints a timestamp before each line if it is enabled", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB.replace("exit 3", "'true'") });
    const steps = await runMain(["run", "--timestamps"], { cwd });
    assertMatch(steps.stdout, /^\d\d:\d\d:\d\d\.\d{3} one \| hello\n$/);
    const command = await runMain(
      ["run", "--timestamps", "--", "printf", "a\nb"],
      { cwd },
    );
    assertMatch(
      command.stdout,
      /^\d\d:\d\d:\d\d\.\d{3} a\n\d\d:\d\d:\d\d\.\d{3} b\n$/,
    );
  });

  it("sets CI, unless the variable is set", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const command = ["run", "--job-command", "echo ci=$CI"];
    assertMatch((await runMain(command, { cwd })).stdout, /ci=true/);
    const { stdout } = await runMain(command, { cwd, env: { CI: "no" } });
    assertMatch(stdout, /ci=no/);
  });
});
