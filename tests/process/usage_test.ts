import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Usage, UsageMeter } from "../../src/process/usage.ts";
import { run } from "../helpers/running.ts";
import { until } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Files of a process; its CPU time is in ticks, its memory in KiB. */
function files(
  [pid, parent, session]: readonly [number, number, number],
  ticks: readonly [own: number, ...children: number[]],
  [now, peak]: readonly [number, number],
): Record<string, string> {
  const times = [0, 1, 2, 3].map((index) => ticks[index] ?? 0).join(" ");
  return {
    [`${pid}/stat`]:
      `${pid} ((a) b) S 9 9) S ${parent} 5 ${session} 0 -1 0 1 2 3 4 ${times} 20 0`,
    [`${pid}/status`]: `Name:\tx\nVmHWM:\t ${peak} kB\nVmRSS:\t ${now} kB\n`,
  };
}

function isMeasured({ cpuMs }: Usage): boolean {
  return cpuMs !== undefined;
}

describe("UsageMeter", () => {
  it("adds up descendants and the session of each program", async () => {
    await using directory = await temporaryDirectory();
    const { path: proc } = directory;
    await makeFiles(proc, {
      "version": "no process",
      // A program, its child, and a process that lost its parent.
      ...files([10, 1, 10], [1, 2, 30, 40], [100, 200]),
      ...files([11, 10, 10], [5], [50, 900]),
      ...files([12, 1, 10], [0, 7], [1, 1]),
      // Its child has a session of its own.
      ...files([13, 11, 13], [1], [2, 2]),
      // Another program, below the first one.
      ...files([20, 13, 20], [4], [8, 8]),
      // Something else, and processes in a circle.
      ...files([30, 31, 5], [9, 9, 9, 9], [9, 9]),
      ...files([31, 30, 5], [9, 9, 9, 9], [9, 9]),
      "40/stat": "40 (cut",
    });
    const meter = new UsageMeter({ proc });
    using first = meter.open();
    using second = meter.open();
    using _first = first.add(10);
    using _second = second.add(20);
    await until(
      () => isMeasured(first.usage) && isMeasured(second.usage),
      "a scan",
    );
    assertEquals(first.usage, {
      cpuMs: (73 + 5 + 7 + 1) * 10,
      peakMemoryBytes: 900 * 1024,
    });
    assertEquals(second.usage, { cpuMs: 40, peakMemoryBytes: 8 * 1024 });
  });

  it("measures a real program and its children", async () => {
    if (Deno.build.os !== "linux") return;
    const meter = new UsageMeter();
    using group = meter.open();
    const running = run(
      `sh -c 'while :; do :; done' & echo started; wait`,
    );
    {
      using _ = group.add(running.child.pid);
      await until(() => (group.usage.cpuMs ?? 0) >= 10, "CPU time");
      running.cancellation.cancel("SIGTERM");
      await running.supervise();
    }
    assert(group.usage.peakMemoryBytes! > 100_000);
  });

  it("measures nothing, and waits for nothing, where there is no /proc", () => {
    const meter = new UsageMeter({ proc: "/nonexistent" });
    using group = meter.open();
    using _ = group.add(1);
    assertEquals(group.usage, {});
  });
});
