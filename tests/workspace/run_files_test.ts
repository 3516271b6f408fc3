import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  isProcessAlive,
  openWorkspace,
  type RunIdentity,
  runIdentity,
  type Workspace,
} from "../../src/workspace/layout.ts";
import { beginRun, lockRunFile } from "../../src/workspace/run_files.ts";
import {
  exists,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const NAME = "workflow-output.json";

function workspaceIn(directory: TemporaryDirectory): Workspace {
  const env = { REACTORCIDE_IN_CONTAINER: "false" };
  return openWorkspace({ cwd: directory.path, env });
}

/** A run whose process is not known to be alive. */
function newRun(): RunIdentity {
  const id = crypto.randomUUID();
  return { id, isInherited: false, begunIn: new Set() };
}

/** Adds a letter to a file under the lock. */
async function add(
  workspace: Workspace,
  run: RunIdentity,
  text: string,
  path = `${workspace.base}/${NAME}`,
): Promise<string> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  using _ = await lockRunFile(workspace, path, run);
  const before = await exists(path) ? await Deno.readTextFile(path) : "";
  await Deno.writeTextFile(path, before + text);
  return before + text;
}

describe("lockRunFile()", () => {
  it("keeps files of this run, and replaces those of another run", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const [first, second] = [newRun(), newRun()];
    assertEquals(await add(workspace, first, "a"), "a");
    assertEquals(await add(workspace, first, "b"), "ab");
    assertEquals(await add(workspace, second, "c"), "c");
    assertEquals(await add(workspace, second, "d"), "cd");
  });

  it("ignores the time of the file", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const path = `${workspace.base}/${NAME}`;
    const run = newRun();
    for (const year of [1971, 2100]) {
      await add(workspace, run, ".");
      await Deno.utime(path, new Date(year, 1), new Date(year, 1));
    }
    assertEquals(await add(workspace, run, "."), "...");
    await Deno.utime(path, new Date(2100, 1), new Date(2100, 1));
    assertEquals(await add(workspace, newRun(), "."), ".");
  });

  it("loses nothing with concurrent writers, even after a stale file", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, { [`job/${NAME}`]: "stale" });
    const run = newRun();
    const places = [`${workspace.base}/${NAME}`, `${directory.path}/x/${NAME}`];
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, at) => add(workspace, run, ".", places[at % 2]),
      ),
    );
    for (const path of places) {
      assertEquals(await Deno.readTextFile(path), "..........");
    }
  });

  it("adds to the files of a run whose process is alive", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const own = runIdentity({});
    await add(workspace, own, "a");
    const isKnown = isProcessAlive(own.id);
    assertEquals(await add(workspace, newRun(), "b"), isKnown ? "ab" : "b");
  });

  it("treats a file that a step wrote directly as one of the run", async () => {
    for (const hasWorkspace of [true, false]) {
      await using directory = await temporaryDirectory();
      const workspace = workspaceIn(directory);
      if (hasWorkspace) {
        await makeFiles(directory.path, { [`job/${NAME}`]: "" });
      }
      const run = newRun();
      await beginRun(workspace, [`${workspace.base}/${NAME}`], run);
      assertEquals(await exists(`${workspace.base}/${NAME}`), false);
      await makeFiles(directory.path, { [`job/${NAME}`]: "by hand, " });
      assertEquals(await add(workspace, run, "a"), "by hand, a");
      const inner = { ...run, isInherited: true, begunIn: new Set<string>() };
      assertEquals(await add(workspace, inner, "b"), "by hand, ab");
    }
  });

  it("does not remove a file of the outer run outside the workspace", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const path = `${directory.path}/other/${NAME}`;
    await add(workspace, newRun(), "stale", path);
    assertEquals(await add(workspace, newRun(), "a", path), "a");
    const inner = { ...newRun(), isInherited: true };
    assertEquals(await add(workspace, inner, "b", path), "ab");
  });

  it("replaces anything that a step put at the path of the file or record", async () => {
    for (const at of [NAME, ".reactorcide/run.json", ".reactorcide"]) {
      for (const [name, content] of [["", "-> ../../victim"], ["/f", "x"]]) {
        await using directory = await temporaryDirectory();
        const workspace = workspaceIn(directory);
        await makeFiles(directory.path, { "victim/kept": "kept" });
        await makeFiles(workspace.base, { [`${at}${name}`]: content });
        assertEquals(await add(workspace, newRun(), "a"), "a");
        const kept = `${directory.path}/victim/kept`;
        assertEquals(await Deno.readTextFile(kept), "kept");
      }
    }
  });

  it("leaves files of a container to its worker", async () => {
    await using directory = await temporaryDirectory();
    const root = `${directory.path}/job`;
    const env = { REACTORCIDE_IN_CONTAINER: "true" };
    const workspace = openWorkspace({ cwd: directory.path, env, root });
    await makeFiles(root, { [NAME]: "there, " });
    await beginRun(workspace, [`${root}/${NAME}`], newRun());
    assertEquals(await add(workspace, newRun(), "a"), "there, a");
  });
});

describe("runIdentity()", () => {
  it("is the same for all runners of a process, unless it is inherited", () => {
    assertEquals(runIdentity({}).id, runIdentity({ HOME: "/" }).id);
    const inner = runIdentity({ REACTORCIDE_RUN_ID: "outer" });
    assertEquals([inner.id, inner.isInherited], ["outer", true]);
  });

  it("distinguishes a process that has ended from one that is alive", async () => {
    const { id } = runIdentity({});
    if (!isProcessAlive(id)) return;
    const [namespace, pid, startTime, uuid] = id.split(".");
    const others = [
      [namespace, pid, `${Number(startTime) + 1}`, uuid],
      [`${namespace}1`, pid, startTime, uuid],
      [namespace, "../self", startTime, uuid],
      [uuid],
    ];
    for (const other of others) {
      assertEquals(isProcessAlive(other.join(".")), false);
    }
    const script = new URL(
      "../../src/workspace/layout.ts",
      import.meta.url,
    );
    const code = `import { runIdentity } from "${script}";
      console.log(runIdentity({}).id)`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `data:text/typescript,${encodeURIComponent(code)}`,
      ],
    }).output();
    const ended = new TextDecoder().decode(stdout).trim();
    assertEquals([ended.split(".").length, isProcessAlive(ended)], [4, false]);
  });
});
