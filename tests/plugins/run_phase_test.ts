import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import type { Logger } from "../../src/output/logger.ts";
import {
  type Phase,
  type PhaseContext,
  PHASES,
  type Plugin,
} from "../../src/plugins/plugin.ts";
import { PluginRegistry } from "../../src/plugins/registry.ts";
import {
  type PluginTiming,
  runPhase,
  type RunPhaseOptions,
} from "../../src/plugins/run_phase.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { phaseContext } from "../helpers/phase_context.ts";

/** A run of a job whose phases are called by hand. */
function startRun(plugins: readonly Plugin[], over?: Partial<PhaseContext>) {
  const registry = new PluginRegistry();
  for (const plugin of plugins) registry.add(plugin);
  const lines: string[] = [];
  const write = (level: string) => (component: string, message: string) =>
    void lines.push(`${level} ${component}: ${message}`);
  const logger: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    flush: () => Promise.resolve(),
  };
  const context = phaseContext(over);
  const run = (phase: Phase, options: Partial<RunPhaseOptions> = {}) =>
    runPhase(registry.plugins, phase, context, {
      logger,
      maskStream: () => new Masker().stream(),
      ...options,
    });
  return { run, lines, context };
}

async function failure(promise: Promise<unknown>): Promise<RunnerError> {
  const error = await assertRejects(() => promise, RunnerError);
  assertEquals(error.code, "plugin-failed");
  return error;
}

Deno.test("runPhase() nests setup and teardown", async () => {
  const calls: string[] = [];
  const plugins = ["b", "a", "c"].map((name, index): Plugin => ({
    name,
    priority: index === 2 ? 1 : undefined,
    execute: ({ phase }) => void calls.push(`${phase} ${name}`),
  }));
  const { run } = startRun(plugins);
  for (const phase of PHASES) await run(phase);
  const forward = ["c", "b", "a"];
  const reversed: readonly Phase[] = [
    "post_source_prep",
    "post_execution",
    "cleanup",
  ];
  assertEquals(
    calls,
    PHASES.flatMap((phase) =>
      (reversed.includes(phase) ? forward.toReversed() : forward)
        .map((name) => `${phase} ${name}`)
    ),
  );
});

Deno.test("runPhase() calls execute, then the method of the phase", async () => {
  const calls: string[] = [];
  class Everything implements Plugin {
    readonly name = "everything";
    #call(text: string) {
      calls.push(text);
    }
    execute = ({ phase }: { phase: Phase }) => this.#call(`execute ${phase}`);
    preValidation() {
      this.#call("preValidation");
    }
    postValidation() {
      this.#call("postValidation");
    }
    preSourcePrep() {
      this.#call("preSourcePrep");
    }
    postSourcePrep() {
      this.#call("postSourcePrep");
    }
    preContainer() {
      this.#call("preContainer");
    }
    async postContainer() {
      await Promise.resolve();
      this.#call("postContainer");
    }
    onError() {
      this.#call("onError");
    }
    cleanup() {
      this.#call("cleanup");
    }
  }
  const { run } = startRun([new Everything()]);
  for (const phase of PHASES) await run(phase);
  assertEquals(calls, [
    "execute pre_validation",
    "preValidation",
    "execute post_validation",
    "postValidation",
    "execute pre_source_prep",
    "preSourcePrep",
    "execute post_source_prep",
    "postSourcePrep",
    "execute pre_execution",
    "preContainer",
    "execute post_execution",
    "postContainer",
    "execute on_error",
    "onError",
    "execute cleanup",
    "cleanup",
  ]);
});

Deno.test("runPhase() calls a plugin in its phases only", async () => {
  const calls: string[] = [];
  const { run } = startRun([{
    name: "a",
    phases: ["pre_container"],
    execute: ({ phase }) => calls.push(`execute ${phase}`),
    preExecution: () => calls.push("preExecution"),
    cleanup: () => calls.push("cleanup"),
  }]);
  for (const phase of PHASES) await run(phase);
  assertEquals(calls, ["execute pre_execution", "preExecution"]);
});

Deno.test("runPhase() checks in each phase whether a plugin is enabled", async () => {
  const calls: Phase[] = [];
  const plugin = {
    name: "a",
    enabled: false,
    execute: ({ phase }: { phase: Phase }) => calls.push(phase),
  };
  const { run } = startRun([plugin]);
  const { timings } = await run("pre_validation");
  plugin.enabled = true;
  await run("post_validation");
  assertEquals(calls, ["post_validation"]);
  assertEquals(timings, []);
});

Deno.test("runPhase() passes a context to plugins", async () => {
  const error = new Error("first");
  const { run, lines, context } = startRun([{
    name: "a",
    preExecution(context) {
      context.env.ADDED = "1";
      context.state.set("mine", 1);
      context.shared.set("ours", 2);
      context.log(`in ${context.phase}`);
    },
    onError(context) {
      assertEquals(context.phase, "on_error");
      assertEquals(context.error, error);
      assertEquals(context.exitCode, 3);
      assertEquals(context.sourcePath, "/job/src");
      assertEquals(context.state.get("mine"), 1);
    },
  }, {
    name: "b",
    onError({ state, shared }) {
      assertEquals(state.size, 0);
      assertEquals(shared.get("ours"), 2);
    },
  }], { error, exitCode: 3, sourcePath: "/job/src" });
  await run("pre_execution");
  assertEquals((await run("on_error")).errors, []);
  assertEquals(context.env, { ADDED: "1" });
  assertEquals(lines, ["info plugin:a: in pre_execution"]);
});

Deno.test("runPhase() keeps the state of two runs apart", async () => {
  const sizes: number[] = [];
  const plugin: Plugin = {
    name: "a",
    execute({ state, phase }) {
      sizes.push(state.size);
      state.set(phase, true);
    },
  };
  for (const { run } of [startRun([plugin]), startRun([plugin])]) {
    await run("pre_validation");
    await run("post_validation");
  }
  assertEquals(sizes, [0, 1, 0, 1]);
});

Deno.test("runPhase() does not let a plugin replace shared objects", async () => {
  const { run } = startRun([{
    name: "a",
    preExecution(context) {
      (context as { env: unknown }).env = {};
    },
  }]);
  assert((await failure(run("pre_execution"))).cause instanceof TypeError);
});

Deno.test("runPhase() ends a phase with the first error", async () => {
  const cause = new Error("no disk");
  const calls: string[] = [];
  const { run } = startRun([
    { name: "a", preExecution: () => void calls.push("a") },
    {
      name: "b",
      execute() {
        throw cause;
      },
      preExecution: () => void calls.push("b"),
    },
    { name: "c", preExecution: () => void calls.push("c") },
  ]);
  const timings: PluginTiming[] = [];
  const onTiming = (timing: PluginTiming) => void timings.push(timing);
  const error = await failure(run("pre_execution", { onTiming }));
  assertEquals(
    error.message,
    'Cannot run plugin "b" in phase pre_execution: no disk',
  );
  assertEquals(error.cause, cause);
  assertEquals(calls, ["a"]);
  assertEquals(timings.map(({ plugin }) => plugin), ["a", "b"]);
});

Deno.test("runPhase() calls every plugin in on_error and cleanup", async () => {
  for (const phase of ["on_error", "cleanup"] as const) {
    const calls: string[] = [];
    const { run, lines } = startRun(["a", "b", "c"].map((name) => ({
      name,
      execute() {
        calls.push(name);
        if (name !== "b") throw new Error(`${name} is broken`);
      },
    })));
    const { errors, timings } = await run(phase);
    const order = phase === "cleanup" ? ["c", "b", "a"] : ["a", "b", "c"];
    assertEquals(calls, order);
    assertEquals(
      errors.map(({ message }) => message),
      order.filter((name) => name !== "b").map((name) =>
        `Cannot run plugin "${name}" in phase ${phase}: ${name} is broken`
      ),
    );
    assertEquals(
      lines,
      errors.map(({ message }) => `error plugins: ${message}`),
    );
    assertEquals(timings.map(({ plugin }) => plugin), order);
    assert(
      timings.every((timing) =>
        timing.phase === phase && timing.durationMs >= 0
      ),
    );
  }
});

Deno.test("runPhase() handles any thrown value", async () => {
  const silent = new Error("x");
  Object.defineProperty(silent, "message", {
    get() {
      throw new Error("inner");
    },
  });
  for (
    const [thrown, text] of [
      [undefined, "it threw undefined"],
      ["no disk", "it threw no disk"],
      [null, "it threw null"],
      [0n, "it threw 0"],
      [
        Object.create(null),
        "it threw a value that cannot be converted to text",
      ],
      [silent, "it threw a value that cannot be converted to text"],
      [new TypeError(), "it threw TypeError"],
      [new DOMException("gone", "AbortError"), "gone"],
    ]
  ) {
    for (
      const execute of [
        () => {
          throw thrown;
        },
        () => Promise.reject(thrown),
      ]
    ) {
      const { run } = startRun([{ name: "a", execute }]);
      const error = await failure(run("pre_execution"));
      assertEquals(
        error.message,
        `Cannot run plugin "a" in phase pre_execution: ${text}`,
      );
      assertEquals(error.cause, thrown);
    }
  }
});

Deno.test("runPhase() counts a broken getter as an error of the plugin", async () => {
  const { run } = startRun([{
    name: "a",
    get enabled(): boolean {
      throw new Error("broken");
    },
    execute() {},
  }]);
  assertEquals((await run("cleanup")).errors.length, 1);
  await failure(run("pre_execution"));
});

Deno.test("runPhase() abandons a plugin that takes too long", async () => {
  const late = Promise.withResolvers<void>();
  const calls: string[] = [];
  let signal: AbortSignal | undefined;
  const { run } = startRun([{
    name: "slow",
    execute(context) {
      signal = context.signal;
      assert(!signal.aborted);
      return late.promise;
    },
    preExecution: () => void calls.push("preExecution"),
    cleanup: () => void calls.push("cleanup"),
  }]);
  const error = await failure(run("pre_execution", { hookTimeoutMs: 20 }));
  assertEquals(
    error.message,
    'Cannot run plugin "slow" in phase pre_execution: it did not end within 20 ms',
  );
  assert(signal!.aborted);
  assertEquals(signal!.reason.name, "TimeoutError");
  assertEquals((await run("cleanup", { hookTimeoutMs: 20 })).errors.length, 1);
  late.resolve();
  await late.promise;
  // An abandoned plugin does not continue with its next method.
  await Promise.resolve();
  assertEquals(calls, []);
});

Deno.test("runPhase() ignores an error after the time limit", async () => {
  const late = Promise.withResolvers<void>();
  const { run } = startRun([{ name: "slow", execute: () => late.promise }]);
  await failure(run("pre_execution", { hookTimeoutMs: 1 }));
  late.reject(new Error("too late"));
});

Deno.test("runPhase() forwards a cancellation", async () => {
  const controller = new AbortController();
  const calls: string[] = [];
  const { run } = startRun([{
    name: "a",
    preExecution: ({ signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve());
        controller.abort();
      }),
  }, {
    name: "b",
    preExecution: () => void calls.push("preExecution"),
    onError: ({ signal }) => void calls.push(`onError ${signal.aborted}`),
    cleanup: ({ signal }) => void calls.push(`cleanup ${signal.aborted}`),
  }], { signal: controller.signal });
  await assertRejects(() => run("pre_execution"), DOMException);
  await run("on_error");
  await run("cleanup");
  assertEquals(calls, ["onError false", "cleanup false"]);
});

Deno.test("runPhase() rejects an invalid time limit", async () => {
  const { run } = startRun([]);
  for (const hookTimeoutMs of [0, -1, NaN, Infinity, 2 ** 42]) {
    await assertRejects(
      () => run("cleanup", { hookTimeoutMs }),
      RangeError,
      "Cannot use hookTimeoutMs",
    );
  }
  assertEquals(await run("cleanup"), { errors: [], timings: [] });
});
