import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { tagProcessTree } from "../../src/process/process_tree.ts";
import { REPOSITORY } from "../helpers/cli.ts";
import {
  endProcess,
  isRunning,
  waitForExit,
} from "../helpers/process_table.ts";
import { BARE_ENV, run } from "../helpers/running.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

/** Ways to leave a step; each prints the ID of a process that stays. */
const ESCAPES = {
  "leaves its session": "setsid sh -c 'echo $$; exec sleep 1000 >&- 2>&-' &",
  "clears its environment":
    "env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 1000 >&- 2>&-' &",
  "forks twice":
    "(setsid sh -c '(env -i /bin/sh -c \"echo \\$\\$; exec /bin/sleep 1000 >&- 2>&-\") & ' &);",
  "outlives the program that started it":
    "setsid sh -c 'setsid env -i /bin/sh -c \"echo \\$\\$; exec /bin/sleep 1000 >&- 2>&-\" & exit' &",
  "ignores every signal that it can":
    "trap '' HUP INT QUIT TERM; setsid env -i /bin/sh -c 'echo $$; exec /bin/sleep 1000 >&- 2>&-' &",
};

/** Checks whether an inherited lock is free. */
async function isFree(path: string): Promise<boolean> {
  const { success } = await new Deno.Command("flock", {
    args: ["-n", path, "true"],
  }).output();
  return success;
}

describe("tagProcessTree() finds a process that", () => {
  for (const [name, script] of Object.entries(ESCAPES)) {
    it(name, async () => {
      const tree = tagProcessTree();
      const running = run(`${script} sleep 0.1; exit 3`, { tree });
      await running.stdout.seen("\n");
      using cleanup = new DisposableStack();
      cleanup.defer(() => endProcess(running.printedNumber()));
      const exit = await running.supervise();
      assertEquals(exit, { exitCode: 3, signal: null, cause: "exit" });
      await waitForExit(running.printedNumber());
    });
  }

  it("was started without a shell and with its own streams", async () => {
    const tree = tagProcessTree();
    const running = run(
      [
        "setsid",
        "--fork",
        "env",
        "-i",
        "/bin/sh",
        "-c",
        "echo $$; exec sleep 1000 >&- 2>&-",
      ],
      { tree, stderr: "separate" },
    );
    await running.stdout.seen("\n");
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(running.printedNumber()));
    assertEquals((await running.supervise()).exitCode, 0);
    await waitForExit(running.printedNumber());
  });

  it("keeps forking into new sessions without an environment", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.writeTextFile(
      `${path}/chain`,
      `[ -e ${path}/stop ] || /usr/bin/setsid /usr/bin/env -i /bin/sh ${path}/chain &`,
    );
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.writeTextFileSync(`${path}/stop`, ""));
    const tree = tagProcessTree({ isUntrusted: true });
    const running = run(
      `exec 9> ${path}/lock; flock 9
       for each in 1 2 3; do sh ${path}/chain > /dev/null 2>&1 & done; sleep 0.2`,
      { tree },
    );
    assertEquals((await running.supervise()).hasSurvivors, undefined);
    assert(await isFree(`${path}/lock`), "a process is left");
  });
});

// The rules of a container end processes of other commands of this process, which
// other tests run at the same time.
Deno.test("tagProcessTree() follows its rules inside and outside a container", async () => {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--no-check", "--no-lock"],
      "tests/fixtures/process_trees_in_container.ts",
    ],
    cwd: REPOSITORY,
    env: { NO_COLOR: "1" },
    stderr: "null",
  }).output();
  assert(success, new TextDecoder().decode(stdout));
});

describe("tagProcessTree() lets", () => {
  it("a runner inside a command tag its own commands", async () => {
    const script = `
      import { tagProcessTree } from ${
      JSON.stringify(import.meta.resolve("../../src/process/process_tree.ts"))
    };
      import { spawn } from ${
      JSON.stringify(import.meta.resolve("../../src/process/spawn.ts"))
    };
      const tree = tagProcessTree();
      const child = spawn(
        "env -i setsid -f /bin/sh -c 'echo $$; exec /bin/sleep 1000 >&- 2>&-'",
        { cwd: "/", env: { PATH: Deno.env.get("PATH") }, tree });
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      await child.stderr.cancel();
      await child.status;
      if (Deno.args[0] === "end") await child.end();
      console.log(tree.isTagged, new TextDecoder().decode(value).trim());
      Deno.exit();`;
    for (const how of ["end", "leave"]) {
      const running = run(
        [Deno.execPath(), "eval", "--quiet", script, how],
        {
          env: { ...BARE_ENV, ...Deno.env.toObject() },
          tree: tagProcessTree(),
        },
      );
      await running.stdout.seen("\n");
      const pid = running.printedNumber();
      using cleanup = new DisposableStack();
      cleanup.defer(() => endProcess(pid));
      if (how === "end") await waitForExit(pid);
      await running.supervise();
      assert(running.stdout.text.startsWith("true "), running.stdout.text);
      await waitForExit(pid);
    }
  });

  it("a command run on if it was started during another one", async () => {
    const tree = tagProcessTree();
    const first = run("read line", { tree, stdin: "piped" });
    const other = run("echo $$; exec sleep 1000", { tree: tagProcessTree() });
    await other.stdout.seen("\n");
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(other.printedNumber()));
    await first.child.stdin!.close();
    await first.supervise();
    assert(isRunning(other.printedNumber()));
    other.child.signal("SIGKILL");
    await other.supervise();
  });

  it("a command see only a limit that is otherwise unused", async () => {
    const plain = run("echo a; echo b >&2; ulimit -n; echo $0 $# $?");
    const tagged = run("echo a; echo b >&2; ulimit -n; echo $0 $# $?", {
      tree: tagProcessTree(),
    });
    await Promise.all([plain.supervise(), tagged.supervise()]);
    assertEquals(tagged.stdout.text, plain.stdout.text);
    assertEquals(tagged.stderr.text, "");
  });
});
