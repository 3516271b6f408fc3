import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runShell } from "../helpers/archives.ts";
import {
  privateDirectory,
  temporaryDirectory,
} from "../../src/fs/temporary_directory.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory as testDirectory,
} from "../helpers/temporary_directory.ts";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const MODULE = import.meta.resolve("../../src/fs/temporary_directory.ts");

/**
 * Runs code that has `privateDirectory` and a parent `dir`, and is killed while
 * it waits.
 */
async function runUntilKilled(code: string, parent: string): Promise<void> {
  const text = `import { privateDirectory } from ${JSON.stringify(MODULE)};
    const dir = Deno.args[0]; ${code}; console.log("ready");
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--config", CONFIG],
      ...[`data:text/typescript,${encodeURIComponent(text)}`, parent],
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

describe("privateDirectory()", () => {
  it("is private, has a new name each time, and is removed with its scope", async () => {
    await using directory = await testDirectory();
    {
      using a = privateDirectory([directory.path]);
      using b = privateDirectory([directory.path]);
      assert(a.path !== b.path);
      assertMatch(a.path, /\/runnerlib-[0-9a-f]{12}$/);
      assertEquals((await Deno.lstat(a.path)).mode! & 0o777, 0o700);
      await makeFiles(a.path, { "closed/file": "x" });
      await Deno.chmod(`${a.path}/closed`, 0o500);
    }
    assertEquals(await listFiles(directory.path), {});
  });

  it("is removed early if only empty directories are in it, without following a link", async () => {
    await using directory = await testDirectory();
    await makeFiles(directory.path, { "a/": "", "b/": "", "other/home/": "" });
    using made = privateDirectory([`${directory.path}/a`]);
    const home = `${made.path}/home`;
    await makeFiles(made.path, { "home/file": "" });
    assertEquals(made.removeIfEmpty([home]), false);
    await Deno.remove(`${home}/file`);
    assertEquals(made.removeIfEmpty(), false);
    assertEquals(made.removeIfEmpty([home]), true);
    assertEquals(await exists(made.path), false);

    using replaced = privateDirectory([`${directory.path}/b`]);
    await Deno.remove(replaced.path);
    await Deno.symlink(`${directory.path}/other`, replaced.path);
    assertEquals(replaced.removeIfEmpty([`${replaced.path}/home`]), true);
    assert(await exists(`${directory.path}/other/home`));
  });

  it("is removed with directories at any depth", async () => {
    await using directory = await testDirectory();
    const made = privateDirectory([directory.path]);
    await runShell(
      made.path,
      `perl -e 'for (1 .. 12_000) { mkdir "d"; chdir "d" }'`,
    );
    made[Symbol.dispose]();
    assertEquals(names(directory.path), []);
  });

  it("is created in the first usable place", async () => {
    await using directory = await testDirectory();
    await makeFiles(directory.path, { file: "", "good/": "" });
    const places = ["/nowhere/there", `${directory.path}/file`, "relative"];
    using made = privateDirectory([...places, `${directory.path}/good`]);
    assert(made.path.startsWith(`${directory.path}/good/`));
    const error = assertThrows(() => privateDirectory(places), AggregateError);
    assertEquals(error.errors.length, places.length);
  });

  it("is created where its content can be written", async () => {
    await using directory = await testDirectory();
    await makeFiles(directory.path, { "a/": "", "b/": "" });
    const places = ["a", "b"].map((name) => `${directory.path}/${name}`);
    using made = privateDirectory(places, (path) => {
      if (path.startsWith(places[0])) throw new Error("not here");
      return 7;
    });
    assertEquals(made.content, 7);
    assertEquals(names(places[0]), []);
  });

  it("removes only the directories of killed processes", async () => {
    await using directory = await testDirectory();
    const parent = directory.path;
    await makeFiles(parent, {
      "victim/kept": "",
      "runnerlib-0123456789ab": "a file",
      "runnerlib-other/kept": "",
    });
    await Deno.symlink("victim", `${parent}/runnerlib-abcdef012345`);
    const kept = names(parent);
    await runUntilKilled(
      'const d = privateDirectory([dir]); Deno.writeTextFileSync(d.path + "/x", "")',
      parent,
    );
    assertEquals(names(parent).length, kept.length + 1);
    using alive = privateDirectory([parent]);
    privateDirectory([parent])[Symbol.dispose]();
    assertEquals(names(parent).length, kept.length + 1);
    assert(await exists(alive.path));
    assert(await exists(`${parent}/victim/kept`));
  });
});

describe("temporaryDirectory()", () => {
  it("is below the workspace if nothing else is writable, and leaves nothing there", async () => {
    await using directory = await testDirectory();
    const base = `${directory.path}/job`;
    const parent = `${base}/.reactorcide/tmp`;
    {
      using made = privateDirectory(["/nowhere", parent]);
      assert(made.path.startsWith(`${parent}/`));
    }
    assertEquals(names(directory.path), []);
    await makeFiles(base, { file: "" });
    privateDirectory([parent])[Symbol.dispose]();
    assertEquals(names(base), ["file"]);
  });

  it("prefers TMPDIR", async () => {
    await using directory = await testDirectory();
    const env = { TMPDIR: directory.path };
    using made = temporaryDirectory({ env, workspace: { base: "/nowhere" } });
    assert(made.path.startsWith(`${directory.path}/`));
  });

  it("names every place that was tried", () => {
    const script = `import { temporaryDirectory } from ${
      JSON.stringify(import.meta.resolve("../../src/fs/temporary_directory.ts"))
    };
      try { temporaryDirectory({ env: { TMPDIR: "/a" }, workspace: { base: "/b" } }); }
      catch (error) { console.log(error.code, error.message); }`;
    const { stdout } = new Deno.Command(Deno.execPath(), {
      args: [
        ...[
          "run",
          "--allow-read",
          "--no-prompt",
          "--no-check",
          "--config",
          CONFIG,
        ],
        `data:text/typescript,${encodeURIComponent(script)}`,
      ],
    }).outputSync();
    assertEquals(
      new TextDecoder().decode(stdout),
      "workspace Cannot create a temporary directory in " +
        ["/a", "/tmp", "/b/.reactorcide/tmp"]
          .map((path) => `"${path}" (no permission to write)`).join(", ") +
        "\n",
    );
  });
});
