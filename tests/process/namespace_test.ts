import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fixedEnvironment } from "../../src/environment/child_environment.ts";
import { findNamespace } from "../../src/process/containment.ts";
import type { CommandLauncher } from "../../src/process/spawn.ts";
import { endProcess, waitForExit } from "../helpers/process_table.ts";
import { run } from "../helpers/running.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const found = await findNamespace();
const namespace = found && findLauncher(found.wordsFor({}));

function findLauncher(words: readonly string[]): CommandLauncher {
  return { words, isolation: { hasNamespace: true } };
}

// Most containers do not allow namespaces.
if (found === undefined) {
  Deno.test.ignore("findNamespace() is not allowed here", () => {});
} else {describe("findNamespace()", () => {
    it("keeps the exit code, the output and its order", async () => {
      for (const exitCode of [0, 1, 78, 124, 255]) {
        const running = run(`echo a; echo b >&2; echo c; exit ${exitCode}`, {
          launcher: namespace,
        });
        assertEquals((await running.supervise()).exitCode, exitCode);
        assertEquals(running.stdout.text, "a\nb\nc\n");
      }
      const separate = run(
        ["/bin/sh", "-c", "echo a; echo b >&2; kill -9 $$"],
        {
          launcher: namespace,
          stderr: "separate",
        },
      );
      assertEquals((await separate.supervise()).exitCode, 137);
      assertEquals([separate.stdout.text, separate.stderr.text], [
        "a\n",
        "b\n",
      ]);
    });

    it("loads no code of the command into the programs that contain it", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const env = fixedEnvironment({
        PATH: "/usr/bin:/bin",
        LD_PRELOAD: `${path}/missing.so`,
        LD_LIBRARY_PATH: path,
        GCONV_PATH: path,
        "with.dot": "kept",
        // The dynamic linker writes a file for each program.
        LD_DEBUG: "files",
        LD_DEBUG_OUTPUT: `${path}/trace`,
      });
      const script = "exec /usr/bin/env";
      for (const command of [script, ["/bin/sh", "-c", script]]) {
        for (const stderr of ["merged", "separate"] as const) {
          const running = run(command, { launcher: namespace, env, stderr });
          assertEquals((await running.supervise()).exitCode, 0);
          for (const [name, value] of Object.entries(env)) {
            if (name === "with.dot") continue;
            assertStringIncludes(running.stdout.text, `${name}=${value}\n`);
          }
          assert(!running.stdout.text.includes("RUNNERLIB_CARRIED"));
        }
      }
      const traces = Object.values(await listFiles(path));
      const programs = traces.flatMap((trace) =>
        Array.from(
          trace.matchAll(/initialize program: (\S+)/g),
          ([, program]) => program,
        )
      );
      assert(programs.includes("/usr/bin/env"), programs.join());
      const allowed = ["/usr/bin/env", "/bin/sh"];
      assertEquals(programs.filter((one) => !allowed.includes(one)), []);
    });

    it("hides outside processes, and keeps the user", async () => {
      const script = "id -u; id -g; for p in /proc/[0-9]*; do echo $p; done";
      const [inside, outside] = [
        run(script, { launcher: namespace }),
        run(script),
      ];
      await Promise.all([inside.supervise(), outside.supervise()]);
      const [uid, gid, ...processes] = inside.stdout.text.trim().split("\n");
      assertEquals(outside.stdout.text.split("\n").slice(0, 2), [uid, gid]);
      assert(processes.length <= 3, processes.join());
      const kill = run(`kill -9 ${Deno.pid}; kill -9 -1; echo alive`, {
        launcher: namespace,
      });
      await kill.supervise();
      assert(!kill.stdout.text.includes("Operation not permitted"));
    });

    it("leaves no process behind", async () => {
      await using directory = await temporaryDirectory();
      const script = `
      fork() { setsid env -i /bin/sh -c 'exec /bin/sleep 1000' > /dev/null 2>&1 & }
      fork; (fork; setsid sh -c '(sleep 1000 &) & sleep 1000' > /dev/null 2>&1 &)
      echo ready; until [ -e ${directory.path}/seen ]; do sleep 0.02; done; exit 5`;
      const running = run(script, { launcher: namespace });
      // Outside the namespace, they have other IDs.
      await running.stdout.seen("ready");
      const inside = childrenOf(running.child.pid);
      using cleanup = new DisposableStack();
      cleanup.defer(() => inside.forEach(endProcess));
      assert(inside.length > 0);
      await Deno.writeTextFile(`${directory.path}/seen`, "");
      assertEquals((await running.supervise()).exitCode, 5);
      for (const pid of inside) await waitForExit(pid);
    });

    it("lets a program that reads the output finish", async () => {
      const running = run(
        "(sleep 0.3; echo late) & echo early; (sleep 1000 > /dev/null 2>&1) &",
        { launcher: namespace },
      );
      const { exitCode } = await running.supervise({ drainMs: 60_000 });
      assertEquals([exitCode, running.stdout.text], [0, "early\nlate\n"]);
    });

    it("forwards signals, and kills processes that ignore them", async () => {
      for (
        const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const
      ) {
        const running = run(
          `trap 'echo asked; exit 3' TERM INT HUP; echo ready
         while :; do sleep 0.02; done 2> /dev/null`,
          { launcher: namespace },
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
          launcher: namespace,
        },
      );
      await deaf.stdout.seen("ready");
      const inside = childrenOf(deaf.child.pid);
      deaf.cancellation.cancel("SIGTERM");
      assertEquals((await deaf.supervise({ graceMs: 50 })).exitCode, 137);
      for (const pid of inside) await waitForExit(pid);
    });
  });}

// Minimal systems have no `mount` program.
if (!found?.hasMounts) {
  Deno.test.ignore("no mount namespace is allowed here", () => {});
} else {describe("wordsFor()", () => {
    /** Runs a script that tries to access protected directories. */
    async function attack(script: string) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      await makeFiles(path, {
        "shown/file": "shown\n",
        "hidden/secret": "secret\n",
        "hidden/own/file": "own\n",
        "buried/secret": "secret\n",
      });
      const running = run(script, {
        cwd: path,
        launcher: findLauncher(found!.wordsFor({
          readOnly: [`${path}/shown`, `${path}/gone`],
          hidden: [
            { path: `${path}/hidden`, except: `${path}/hidden/own` },
            { path: `${path}/buried` },
            { path: `${path}/gone` },
          ],
        })),
      });
      const { exitCode } = await running.supervise();
      const text = async (name: string) =>
        (await Deno.readTextFile(`${path}/${name}`)).trim();
      return {
        exitCode,
        output: running.stdout.text,
        shown: await text("shown/file"),
        own: await text("hidden/own/file"),
      };
    }

    it("hides directories except one, and protects others from changes", async () => {
      assertEquals(
        await attack(
          "ls hidden buried hidden/own; cat shown/file; " +
            "echo new > hidden/own/file; exit 7",
        ),
        {
          exitCode: 7,
          output: "buried:\n\nhidden:\nown\n\nhidden/own:\nfile\nshown\n",
          shown: "shown",
          own: "new",
        },
      );
    });

    it("also protects the directory in which the command runs", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      await makeFiles(path, { "shown/deep/file": "shown" });
      const running = run("echo evil > file; echo evil > ../other; pwd -P", {
        cwd: `${path}/shown/deep`,
        env: fixedEnvironment({ PATH: "/usr/bin:/bin", PWD: "/proc/self/cwd" }),
        launcher: findLauncher(found.wordsFor({ readOnly: [`${path}/shown`] })),
      });
      await running.supervise();
      assertStringIncludes(running.stdout.text, `${path}/shown/deep\n`);
      assertEquals(await listFiles(path), {
        "shown/": "",
        "shown/deep/": "",
        "shown/deep/file": "shown",
      });
    });

    it("adds nothing to the environment of the command", async () => {
      const env = { A: "1", PATH: "/usr/bin:/bin", OLDPWD: "/old" };
      const script = ["/usr/bin/env"];
      const contained = findLauncher(found.wordsFor({ readOnly: ["/etc"] }));
      const [inside, outside] = [contained, undefined].map((launcher) =>
        run(script, { env: fixedEnvironment(env), launcher })
      );
      await Promise.all([inside.supervise(), outside.supervise()]);
      const lines = (text: string) => text.trim().split("\n").sort();
      assertEquals(lines(inside.stdout.text), lines(outside.stdout.text));
    });

    const UNDO = `umount "$PWD/hidden" "$PWD/buried" "$PWD/shown" /proc
      umount -l "$PWD/hidden"
      mount -o remount,rw "$PWD/shown"; mount -o remount,bind,rw "$PWD/shown"
      mount --bind / /mnt; mount -t proc none /proc
      mv hidden elsewhere; mv shown elsewhere; rm -rf shown/file buried
      chmod -R 777 shown hidden buried; echo evil > shown/file; touch hidden/new
      cat hidden/secret buried/secret elsewhere/secret
      cat /proc/[0-9]*/root$PWD/hidden/secret /proc/[0-9]*/cwd/hidden/secret
      nsenter --target 1 --mount cat "$PWD/hidden/secret"
      nsenter --target 1 --user --mount cat "$PWD/hidden/secret"`;
    for (
      const [way, script] of [
        ["by the command", UNDO],
        [
          "in a user namespace of its own",
          `cat > script <<'END'\n${UNDO}\nEND
           unshare --user --map-root-user --mount --pid --fork sh script`,
        ],
      ]
    ) {
      it(`cannot be undone ${way}`, async () => {
        const { output, shown, own } = await attack(`${script}\necho over`);
        assert(output.endsWith("over\n"), output);
        assert(!/^secret/m.test(output), output);
        assertEquals([shown, own], ["shown", "own"]);
      });
    }

    it("runs no program from the command's PATH", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      await Deno.mkdir(`${path}/empty`);
      for (const name of ["mount", "mkdir", "sleep", "unshare", "setpriv"]) {
        await Deno.writeTextFile(
          `${path}/${name}`,
          `#!/bin/sh\necho ${name} >> ${path}/called\n`,
          { mode: 0o755 },
        );
      }
      const running = run("(/bin/sleep 0.3; echo late) & echo early", {
        env: fixedEnvironment({ PATH: `${path}:/usr/bin:/bin` }),
        launcher: findLauncher(
          found.wordsFor({ hidden: [{ path: `${path}/empty` }] }),
        ),
      });
      await running.supervise();
      assertEquals(running.stdout.text, "early\nlate\n");
      await assertRejects(
        () => Deno.stat(`${path}/called`),
        Deno.errors.NotFound,
      );
    });

    it("does not start a command that it cannot restrict", async () => {
      const words = found.wordsFor({
        hidden: [{ path: "/etc" }, { path: "/usr" }],
      });
      const running = run("echo started", {
        // Perl has a descriptor for only one of them.
        launcher: findLauncher([
          ...["/bin/sh", "-c", 'ulimit -n 4; exec "$@"', "sh"],
          ...words,
        ]),
        stderr: "separate",
      });
      const { exitCode } = await running.supervise();
      assertEquals([exitCode, running.stdout.text, running.stderr.text], [
        126,
        "",
        'Cannot protect "/usr" from the command: Too many open files\n',
      ]);
    });
  });}

/** Returns all descendants of a process. */
function childrenOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(parent));
    } catch {
      // It has exited.
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
