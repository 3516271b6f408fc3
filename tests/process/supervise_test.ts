import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TerminationSignal } from "../../src/host.ts";
import {
  endProcess,
  isRunning,
  waitForExit,
  waitForGroupExit,
} from "../helpers/process_table.ts";
import { run, type Running } from "../helpers/running.ts";

/** A grace time that is longer than any test. */
const HOUR_MS = 3_600_000;

/**
 * Runs forever in a shell that handles signals soon, and prints nothing about
 * killed children.
 */
const FOREVER = "while :; do sleep 0.02; done 2> /dev/null";

/**
 * Prints its process ID once it has left the session, and holds the pipe
 * forever.
 */
const DAEMON = "setsid sh -c 'echo $$ daemon; exec sleep 1000'";

async function ready(script: string): Promise<Running> {
  const running = run(script);
  await running.stdout.seen("ready");
  return running;
}

describe("supervise() of a program that exits", () => {
  it("returns its exit code", async () => {
    for (const exitCode of [0, 1, 7, 124, 255]) {
      assertEquals(await run(`exit ${exitCode}`).supervise(), {
        exitCode,
        signal: null,
        cause: "exit",
      });
    }
  });

  it("returns 128+N if signal N killed it", async () => {
    for (
      const [signal, exitCode] of [
        ["SIGHUP", 129],
        ["SIGINT", 130],
        ["SIGKILL", 137],
        ["SIGSEGV", 139],
        ["SIGTERM", 143],
      ] as const
    ) {
      assertEquals(await run(`kill -${signal.slice(3)} $$`).supervise(), {
        exitCode,
        signal,
        cause: "exit",
      });
    }
  });

  it("waits for its output", async () => {
    const running = run("head -c 1000000 /dev/zero");
    await running.supervise();
    assertEquals(running.stdout.length, 1_000_000);
    assert(!running.isGivenUp);
  });

  it("leaves no process in its group, even without a pipe", async () => {
    const running = run(
      `sh -c 'trap "" TERM HUP; ${FOREVER}' > /dev/null 2>&1 &
       echo $!; exit 4`,
    );
    assertEquals((await running.supervise()).exitCode, 4);
    await waitForExit(running.printedNumber());
    assert(!running.isGivenUp);
  });

  it("limits the wait for descendants that hold its pipe", async () => {
    const running = run("sleep 1000 & echo $!; exit 5");
    const limits = { drainMs: 20, closeMs: HOUR_MS };
    assertEquals(await running.supervise(limits), {
      exitCode: 5,
      signal: null,
      cause: "exit",
    });
    await waitForExit(running.printedNumber());
    assert(!running.isGivenUp, "the pipe closed by itself");
  });

  it("gives up on a pipe that is held outside its group, without killing the holder", async () => {
    const running = run(`${DAEMON} & exit 0`);
    await running.stdout.seen("daemon");
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(running.printedNumber()));
    assertEquals(await running.supervise({ drainMs: 20, closeMs: 20 }), {
      exitCode: 0,
      signal: null,
      cause: "exit",
    });
    assert(running.isGivenUp);
    assert(isRunning(running.printedNumber()));
  });
});

describe("supervise() of a program that is cancelled", () => {
  const exitCodes = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 };

  for (const [name, exitCode] of Object.entries(exitCodes)) {
    const signal = name as TerminationSignal;
    it(`forwards ${signal} to the whole group at once`, async () => {
      const short = signal.slice(3);
      const running = run(
        `sh -c 'trap "echo inner ${short}; exit" ${short}
                echo one; ${FOREVER}' &
         trap 'echo outer ${short}; wait; trap - ${short}; kill -${short} $$' ${short}
         echo two; ${FOREVER}`,
      );
      await Promise.all(
        ["one", "two"].map((text) => running.stdout.seen(text)),
      );
      // A background process of a shell ignores SIGINT from the start.
      const heard = signal === "SIGINT" ? ["outer"] : ["inner", "outer"];
      running.cancellation.cancel(signal);
      const supervised = running.supervise({ graceMs: HOUR_MS });
      if (signal === "SIGINT") {
        await running.stdout.seen("outer INT");
        running.cancellation.cancel(signal);
      }
      const exit = await supervised;
      if (signal !== "SIGINT") assertEquals(exit.exitCode, exitCode);
      assertEquals(exit.cause, "cancelled");
      assertEquals(
        running.stdout.text.match(/\w+(?= (TERM|INT|HUP))/g)?.sort(),
        heard,
      );
      await waitForGroupExit(running.child.pid);
    });
  }

  it("returns the exit code that the program chose", async () => {
    const running = await ready(
      `trap 'echo bye; exit 3' TERM; echo ready; ${FOREVER}`,
    );
    running.cancellation.cancel("SIGTERM");
    assertEquals(await running.supervise({ graceMs: HOUR_MS }), {
      exitCode: 3,
      signal: null,
      cause: "cancelled",
    });
    assertEquals(running.stdout.text, "ready\nbye\n");
  });

  it("cancels a running program", async () => {
    const running = await ready(`echo ready; ${FOREVER}`);
    const exit = running.supervise({ graceMs: HOUR_MS });
    running.cancellation.cancel("SIGINT");
    assertEquals(await exit, {
      exitCode: 130,
      signal: "SIGINT",
      cause: "cancelled",
    });
  });

  it("kills the whole group if the signal is ignored for the grace time", async () => {
    const running = await ready(
      `trap '' TERM; sleep 1000 & echo $! ready; ${FOREVER}`,
    );
    running.cancellation.cancel("SIGTERM");
    assertEquals(await running.supervise({ graceMs: 50 }), {
      exitCode: 137,
      signal: "SIGKILL",
      cause: "cancelled",
      wasKilled: true,
    });
    await waitForGroupExit(running.child.pid);
  });

  it("grants the grace time to descendants that outlive it", async () => {
    const running = await ready(
      `sh -c 'trap "sleep 0.1; echo saved; exit" TERM; echo ready; ${FOREVER}' &
       wait`,
    );
    running.cancellation.cancel("SIGTERM");
    const { exitCode } = await running.supervise({ graceMs: HOUR_MS });
    assertEquals(exitCode, 143);
    assertEquals(running.stdout.text, "ready\nsaved\n");
  });

  it("kills immediately when it is cancelled a second time", async () => {
    const running = await ready(
      `trap 'echo asked' TERM; echo ready; ${FOREVER}`,
    );
    const exit = running.supervise({ graceMs: HOUR_MS });
    running.cancellation.cancel("SIGTERM");
    await running.stdout.seen("asked");
    running.cancellation.cancel("SIGTERM");
    assertEquals(await exit, {
      exitCode: 137,
      signal: "SIGKILL",
      cause: "cancelled",
    });
    await waitForGroupExit(running.child.pid);
  });

  it("does not wait for a holder outside its group when it is cancelled a second time", async () => {
    const running = run(`${DAEMON} & ${FOREVER}`);
    await running.stdout.seen("daemon");
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(running.printedNumber()));
    const exit = running.supervise({ graceMs: HOUR_MS, closeMs: 20 });
    running.cancellation.cancel("SIGTERM");
    await waitForExit(running.child.pid);
    running.cancellation.cancel("SIGTERM");
    assertEquals(await exit, {
      exitCode: 143,
      signal: "SIGTERM",
      cause: "cancelled",
    });
    assert(running.isGivenUp);
  });
});

describe("supervise() of a program with a time limit", () => {
  it("terminates the whole group with exit code 124", async () => {
    const running = await ready(
      `sleep 1000 & sh -c 'trap "" TERM; echo ready; ${FOREVER}' &
       wait`,
    );
    assertEquals(await running.supervise({ timeoutMs: 20, graceMs: 50 }), {
      exitCode: 124,
      signal: "SIGTERM",
      cause: "timeout",
      wasKilled: true,
    });
    await waitForGroupExit(running.child.pid);
  });

  it("sends SIGTERM before it kills", async () => {
    const running = await ready(
      `trap 'echo asked; exit 0' TERM; echo ready; ${FOREVER}`,
    );
    const exit = await running.supervise({ timeoutMs: 20, graceMs: HOUR_MS });
    assertEquals(exit, { exitCode: 124, signal: null, cause: "timeout" });
    assertEquals(running.stdout.text, "ready\nasked\n");
  });

  it("does not affect a program that exits in time", async () => {
    assertEquals(await run("exit 6").supervise({ timeoutMs: HOUR_MS }), {
      exitCode: 6,
      signal: null,
      cause: "exit",
    });
  });

  it("names the first cause if it is cancelled while it is being terminated", async () => {
    const running = await ready(
      `trap 'echo asked' TERM; echo ready; ${FOREVER}`,
    );
    const exit = running.supervise({ timeoutMs: 20, graceMs: HOUR_MS });
    await running.stdout.seen("asked");
    running.cancellation.cancel("SIGINT");
    running.cancellation.cancel("SIGINT");
    assertEquals(await exit, {
      exitCode: 124,
      signal: "SIGKILL",
      cause: "timeout",
    });
  });

  it("names the first cause if the time runs out while it is being cancelled", async () => {
    const running = await ready(`trap '' TERM; echo ready; ${FOREVER}`);
    running.cancellation.cancel("SIGTERM");
    const exit = await running.supervise({ timeoutMs: 20, graceMs: 60 });
    assertEquals(exit, {
      exitCode: 137,
      signal: "SIGKILL",
      cause: "cancelled",
      wasKilled: true,
    });
  });
});

describe("supervise() of a program whose output cannot be written", () => {
  it("abandons a stuck sink when it has to end", async () => {
    const [cancelled, late] = [run(FOREVER), run(FOREVER)];
    cancelled.cancellation.cancel("SIGTERM");
    let givenUpCount = 0;
    const stuck = {
      drained: new Promise<void>(() => {}),
      stopDraining: () => void givenUpCount++,
    };
    const exits = await Promise.all([
      cancelled.supervise(stuck),
      late.supervise({ ...stuck, timeoutMs: 20 }),
    ]);
    assertEquals(exits, [
      { exitCode: 143, signal: "SIGTERM", cause: "cancelled", wasKilled: true },
      { exitCode: 124, signal: "SIGTERM", cause: "timeout", wasKilled: true },
    ]);
    assertEquals(givenUpCount, 2);
  });

  it("waits for a slow sink after the program has exited, unless it is cancelled", async () => {
    const [slow, stuck] = [run("exit 3"), run("exit 4")];
    const sink = Promise.withResolvers<void>();
    const exits = await Promise.all([
      slow.supervise({
        drained: sink.promise,
        stopDraining: () => setTimeout(() => sink.resolve(), 20),
      }),
      stuck.supervise({
        drained: new Promise(() => {}),
        stopDraining: () => stuck.cancellation.cancel("SIGINT"),
      }),
    ]);
    await sink.promise;
    assertEquals(exits, [
      { exitCode: 3, signal: null, cause: "exit" },
      { exitCode: 4, signal: null, cause: "exit" },
    ]);
  });

  it("terminates the whole group and rejects with the error", async () => {
    const running = await ready(
      `sleep 1000 & trap '' PIPE; echo ready; ${FOREVER}`,
    );
    const reason = new Error("No space left on device");
    const drained = Promise.withResolvers<void>();
    const exit = running.supervise({ drained: drained.promise });
    drained.reject(reason);
    const error = await assertRejects(() => exit, Error);
    assertEquals(error, reason);
    await waitForGroupExit(running.child.pid);
  });
});
