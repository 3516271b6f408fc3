import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pidNamespace } from "../../src/process/pid_namespace.ts";
import { endProcess, isGone } from "../helpers/process_table.ts";
import { run } from "../helpers/running.ts";

const namespace = await pidNamespace();

// Most containers allow none.
if (namespace === undefined) {
  Deno.test.ignore("pidNamespace() is not allowed here", () => {});
} else {describe("pidNamespace()", () => {
    it("keeps exit code, output and its order", async () => {
      for (const exitCode of [0, 1, 78, 124, 255]) {
        const running = run(`echo a; echo b >&2; echo c; exit ${exitCode}`, {
          namespace,
        });
        assertEquals((await running.supervise()).exitCode, exitCode);
        assertEquals(running.stdout.text, "a\nb\nc\n");
      }
      const separate = run(
        ["/bin/sh", "-c", "echo a; echo b >&2; kill -9 $$"],
        {
          namespace,
          stderr: "separate",
        },
      );
      assertEquals((await separate.supervise()).exitCode, 137);
      assertEquals([separate.stdout.text, separate.stderr.text], [
        "a\n",
        "b\n",
      ]);
    });

    it("shows no process outside, and the same user", async () => {
      const script = "id -u; id -g; for p in /proc/[0-9]*; do echo $p; done";
      const [inside, outside] = [run(script, { namespace }), run(script)];
      await Promise.all([inside.supervise(), outside.supervise()]);
      const [uid, gid, ...processes] = inside.stdout.text.trim().split("\n");
      assertEquals(outside.stdout.text.split("\n").slice(0, 2), [uid, gid]);
      assert(processes.length <= 3, processes.join());
      const kill = run(`kill -9 ${Deno.pid}; kill -9 -1; echo alive`, {
        namespace,
      });
      await kill.supervise();
      assert(!kill.stdout.text.includes("Operation not permitted"));
    });

    it("leaves no process, whatever it does", async () => {
      const script = `
      fork() { setsid env -i /bin/sh -c 'exec /bin/sleep 1000' > /dev/null 2>&1 & }
      fork; (fork; setsid sh -c '(sleep 1000 &) & sleep 1000' > /dev/null 2>&1 &)
      echo ready; sleep 0.1; exit 5`;
      const running = run(script, { namespace });
      // From outside, they have other numbers.
      await running.stdout.seen("ready");
      const inside = childrenOf(running.child.pid);
      using cleanup = new DisposableStack();
      cleanup.defer(() => inside.forEach(endProcess));
      assert(inside.length > 0);
      assertEquals((await running.supervise()).exitCode, 5);
      for (const pid of inside) await isGone(pid);
    });

    it("lets a program that takes the output finish", async () => {
      const running = run(
        "(sleep 0.3; echo late) & echo early; (sleep 1000 > /dev/null 2>&1) &",
        { namespace },
      );
      const { exitCode } = await running.supervise();
      assertEquals([exitCode, running.stdout.text], [0, "early\nlate\n"]);
    });

    it("passes signals on, and kills what ignores them", async () => {
      for (
        const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const
      ) {
        const running = run(
          `trap 'echo asked; exit 3' TERM INT HUP; echo ready
         while :; do sleep 0.02; done 2> /dev/null`,
          { namespace },
        );
        await running.stdout.seen("ready");
        running.cancellation.cancel(signal);
        const exit = await running.supervise({ graceMs: 3_600_000 });
        assertEquals(exit.exitCode, 3, signal);
        assertEquals(running.stdout.text, "ready\nasked\n");
      }
      const deaf = run(
        "trap '' TERM; echo ready; while :; do sleep 0.02; done",
        {
          namespace,
        },
      );
      await deaf.stdout.seen("ready");
      const inside = childrenOf(deaf.child.pid);
      deaf.cancellation.cancel("SIGTERM");
      assertEquals((await deaf.supervise({ graceMs: 50 })).exitCode, 137);
      for (const pid of inside) await isGone(pid);
    });
  });}

/** All descendants of a process. */
function childrenOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(parent));
    } catch {
      // It ended meanwhile.
    }
  }
  const found = [pid];
  for (let at = 0; at < found.length; at++) {
    for (const [child, parent] of parents) {
      if (parent === found[at]) found.push(child);
    }
  }
  return found.slice(1);
}
