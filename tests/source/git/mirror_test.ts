import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { clone } from "../../helpers/clone.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { startGitServer } from "../../helpers/git_server.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

async function makeHistory(path: string): Promise<GitRepository> {
  const origin = await makeRepository(path);
  await origin.commit({ file: "1" });
  await origin.git("tag", "--annotate", "--message=v1", "v1");
  await origin.commit({ file: "2" });
  return origin;
}

/** Returns the only mirror in a directory. */
async function mirrorOf(directory: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name).filter((name) => name.endsWith(".git"));
  assertEquals(names.length, 1, names.join());
  return `${directory}/${names[0]}`;
}

/** Lists the names in a directory. */
async function listNames(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  return entries.map(({ name }) => name).sort();
}

function extension(name: string): string {
  return name.replace(/^[^.]*/, "");
}

describe("gitSource() with a mirror", () => {
  it("creates the same clones as without", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const id = await origin.git("rev-parse", "main~1");
    const mirror = `${path}/mirrors`;
    for (const ref of [undefined, "main", "v1", id, id.slice(0, 9)]) {
      for (const depth of [1, 0]) {
        const facts = async (mirror?: string) => {
          const cloned = await clone(path, "origin", {
            ref,
            fetchDepth: depth,
            mirror,
          });
          assert(!cloned.log.lines.join().includes("Cannot use the mirror"));
          const count = await cloned.git("rev-list", "--count", "HEAD");
          const names = await cloned.git("for-each-ref");
          const url = await cloned.git("remote", "get-url", "origin");
          return { commit: cloned.commit, count, names, url };
        };
        const expected = await facts();
        const actual = await facts(mirror);
        // An abbreviated ID needs the history, but only in the mirror.
        if (ref === id.slice(0, 9)) {
          assertEquals(actual.commit, expected.commit);
        } else assertEquals(actual, expected);
      }
    }
  });

  it("creates clones that do not depend on it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeHistory(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    const cloned = await clone(path, "origin", { fetchDepth: 0, mirror });
    await Deno.remove(mirror, { recursive: true });
    await cloned.git("fsck", "--strict");
    assertEquals(await cloned.git("rev-list", "--count", "HEAD"), "2");
    assertEquals(
      await exists(`${cloned.path}/.git/objects/info/alternates`),
      false,
    );
  });

  it("fetches only new objects, and nothing that it already has", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    await using server = startGitServer(path);
    const url = `${server.url}origin/.git`;
    const mirror = `${path}/mirrors`;
    const first = await clone(path, url, { ref: "main", mirror });
    const before = server.requests.length;
    await clone(path, url, { ref: first.commit, mirror });
    assertEquals(server.requests.length, before);
    const id = await origin.commit({ file: "3" });
    const second = await clone(path, url, { ref: "main", mirror });
    assertEquals(second.commit, id);
    assertEquals(second.path, `${path}/clone`);
    assertEquals(await Deno.readTextFile(`${path}/clone/file`), "3");
  });

  it("serves several runs at once", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    const cloned = await Promise.all(["a", "b", "c"].map(async (name) => {
      await Deno.mkdir(`${path}/${name}`);
      return await clone(`${path}/${name}`, origin.path, {
        ref: "main",
        mirror,
      });
    }));
    const id = await origin.git("rev-parse", "main");
    assertEquals(cloned.map(({ commit }) => commit), [id, id, id]);
    await mirrorOf(mirror);
  });

  it("survives branches that become directories, and vice versa", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    for (const [name, depth] of [["x", 1], ["x/y", 1], ["x", 0], ["x/y", 0]]) {
      await origin.git("branch", `${name}`, "main");
      const cloned = await clone(path, "origin", {
        ref: `${name}`,
        fetchDepth: Number(depth),
        mirror,
      });
      assert(!cloned.log.lines.join().includes("Cannot use the mirror"));
      await origin.git("branch", "-D", `${name}`);
    }
  });

  it("starts empty without its tips, and is not used if damaged", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    const options = { ref: "main", mirror };
    await clone(path, "origin", options);
    const mirrorPath = await mirrorOf(mirror);
    await Deno.remove(`${mirrorPath}/tips`);
    await makeFiles(mirrorPath, { "tmp-1": "half", "pack-1.pack": "old" });
    const anew = await clone(path, "origin", options);
    assert(!anew.log.lines.join().includes("Cannot use the mirror"));
    const names = await listNames(mirrorPath);
    assertEquals(names.length, 3, names.join());
    assert(!names.includes("tmp-1") && !names.includes("pack-1.pack"));
    for (const name of names) {
      if (name !== "tips") await Deno.remove(`${mirrorPath}/${name}`);
    }
    await origin.commit({ file: "3" });
    const cloned = await clone(path, "origin", options);
    assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "3");
    const { log } = await clone(path, "origin", options);
    assert(!log.lines.join().includes("Cannot use the mirror"));
  });

  it("merges its packs if there are many", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    const options = { ref: "main", mirror };
    await clone(path, "origin", options);
    const mirrorPath = await mirrorOf(mirror);
    for (const name of await listNames(mirrorPath)) {
      if (name === "tips") continue;
      for (let copy = 0; copy < 25; copy++) {
        await Deno.copyFile(
          `${mirrorPath}/${name}`,
          `${mirrorPath}/pack-${copy}${extension(name)}`,
        );
      }
    }
    await origin.commit({ file: "3" });
    const merged = await clone(path, "origin", options);
    assert(!merged.log.lines.join().includes("Cannot use the mirror"));
    assertEquals(await Deno.readTextFile(`${merged.path}/file`), "3");
    const names = await listNames(mirrorPath);
    assertEquals(names.map(extension), [".idx", ".pack", ""], names.join());
    const all = await clone(path, "origin", {
      ref: "main",
      fetchDepth: 0,
      mirror,
    });
    assertEquals(await all.git("rev-list", "--count", "HEAD"), "3");
  });

  it("serves SHA-256 repositories, by name and ID", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await Deno.remove(`${origin.path}/.git`, { recursive: true });
    await origin.git("init", "--quiet", "--object-format=sha256", "-b", "main");
    await origin.commit({ file: "1" });
    const id = await origin.commit({ file: "2" });
    const mirror = `${path}/mirrors`;
    for (const ref of ["main", id, id, "main", undefined, id.slice(0, 10)]) {
      const cloned = await clone(path, "origin", { ref, mirror });
      assertEquals(
        cloned.log.lines.filter((line) => line.startsWith("warning")),
        [],
      );
      assertEquals(cloned.commit, id);
      if (ref !== id.slice(0, 10)) {
        assertEquals(await cloned.git("rev-list", "--count", "HEAD"), "1");
      }
    }
  });

  it("stores no secret, and uses one mirror for all spellings of a URL", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeHistory(`${path}/origin`);
    await using server = startGitServer(path);
    server.faults = { login: "me:horse" };
    const mirror = `${path}/mirrors`;
    const url = server.url.replace("//", "//me:horse@");
    await clone(path, `${url}origin/.git`, { mirror });
    await clone(path, `${url}origin/.git/`, { mirror });
    const mirrorPath = await mirrorOf(mirror);
    const files = await new Deno.Command("grep", {
      args: ["-rl", "horse", mirrorPath, `${path}/clone`],
    }).output();
    assertEquals(new TextDecoder().decode(files.stdout), "");
    server.faults = { login: "another:one" };
    await assertRejects(
      () => clone(path, `${url}origin/.git`, { ref: "main", mirror }),
      RunnerError,
      "Cannot clone",
    );
  });
});
