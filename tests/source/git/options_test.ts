import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { clone } from "../../helpers/clone.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Creates a repository with three commits on `main` and one on `side`. */
async function makeHistory(path: string): Promise<GitRepository> {
  const origin = await makeRepository(path);
  await origin.git("config", "uploadpack.allowFilter", "true");
  await origin.commit({ "file": "1", "a/file": "a", "b/c/file": "c" });
  await origin.git("tag", "v1");
  await origin.git("branch", "side");
  await origin.commit({ file: "2" });
  await origin.commit({ file: "3" });
  return origin;
}

describe("gitSource() options", () => {
  it("fetchDepth: fetches one commit by default", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeHistory(`${path}/origin`);
    const countOf = async (depth?: number) => {
      const cloned = await clone(path, "origin", {
        ref: "main",
        fetchDepth: depth,
      });
      return await cloned.git("rev-list", "--count", "HEAD");
    };
    assertEquals(await countOf(), "1");
    assertEquals(await countOf(2), "2");
    assertEquals(await countOf(99), "3");
    assertEquals(await countOf(0), "3");
  });

  it("fetchDepth: 0 fetches all branches and tags", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const id = await origin.git("rev-parse", "main~1");
    for (const ref of [undefined, "main", "side", "v1", id, id.slice(0, 9)]) {
      const cloned = await clone(path, "origin", { ref, fetchDepth: 0 });
      const names = await cloned.git("for-each-ref", "--format=%(refname)");
      assertEquals(
        names.split("\n").filter((name) => !name.startsWith("refs/heads/")),
        [
          "refs/remotes/origin/HEAD",
          "refs/remotes/origin/main",
          "refs/remotes/origin/side",
          "refs/tags/v1",
        ],
      );
      const expected = ref === undefined
        ? "main"
        : ref === "side"
        ? "origin/side"
        : ref;
      assertEquals(
        cloned.commit,
        await origin.git("rev-parse", expected.replace("origin/", "")),
      );
    }
  });

  it("write the configuration that git needs later", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const cloned = await clone(path, "origin", { ref: "main" });
    assertEquals(await cloned.git("remote", "get-url", "origin"), origin.path);
    await cloned.git("fetch", "--quiet", "--unshallow");
    assertEquals(await cloned.git("rev-list", "--count", "origin/main"), "3");
    assertEquals(await cloned.git("status", "--porcelain"), "");
  });

  it("filter: leaves out objects that can be fetched later", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    const url = `file://${origin.path}`;
    const cloned = await clone(path, url, {
      fetchDepth: 0,
      filter: "blob:none",
    });
    const missing = async () =>
      (await cloned.git("rev-list", "--objects", "--all", "--missing=print"))
        .split("\n").filter((line) => line.startsWith("?")).length;
    assertEquals(await missing(), 2);
    assertEquals(await cloned.git("show", "v1:file"), "1");
    assertEquals(await missing(), 1);
  });

  it("filter: continues without one if the server does not support it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    await origin.git("config", "uploadpack.allowFilter", "false");
    const url = `file://${origin.path}`;
    const cloned = await clone(path, url, { ref: "main", filter: "tree:0" });
    assertEquals(await Deno.readTextFile(`${cloned.path}/b/c/file`), "c");
  });

  it("sparsePaths: checks out these directories and the files in their parents", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeHistory(`${path}/origin`);
    for (const filter of [undefined, "blob:none"]) {
      const cloned = await clone(path, `file://${origin.path}`, {
        ref: "main",
        sparsePaths: ["b/c", "none"],
        filter,
      });
      const files = await listFiles(cloned.path);
      const names = Object.keys(files).filter((key) =>
        !key.startsWith(".git/")
      );
      assertEquals(names, ["b/", "b/c/", "b/c/file", "file"]);
      assertEquals(await cloned.git("status", "--porcelain"), "");
    }
  });

  it("validates filters and paths before it runs anything", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (
      const options of [
        { filter: "blob:none --upload-pack=x" },
        { filter: "sparse:oid=main:x" },
        { filter: "" },
        { sparsePaths: ["--stdin"] },
        { sparsePaths: ["../outside"] },
        { sparsePaths: ["a/../../outside"] },
        { sparsePaths: ["/etc"] },
        { sparsePaths: ["a\nb"] },
      ]
    ) {
      const error = await assertRejects(
        () => clone(path, "missing", options),
        RunnerError,
      );
      assertEquals(error.code, "source-failed");
      assert(!error.message.includes("repository"), error.message);
    }
  });

  it("supports SHA-256 repositories", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/other`);
    await Deno.remove(`${origin.path}/.git`, { recursive: true });
    await origin.git("init", "--quiet", "--object-format=sha256", "-b", "main");
    const id = await origin.commit({ file: "text" });
    assertEquals(id.length, 64);
    for (const ref of [undefined, "main", id]) {
      const mirror = ref === id ? `${path}/mirrors` : undefined;
      const cloned = await clone(path, "other", { ref, mirror });
      assertEquals(cloned.commit, id);
      assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "text");
    }
  });

  it("logs the duration of each stage", async () => {
    await using directory = await temporaryDirectory();
    await makeHistory(`${directory.path}/origin`);
    const { log } = await clone(directory.path, "origin", { ref: "v1" });
    const lines = log.lines.map((line) => line.replace(/\d+(?=})/, "N"));
    assertEquals(lines.slice(1, -1), [
      'debug source: Stage init {"ms":N}',
      'debug source: Stage fetch {"ms":N}',
      'debug source: Stage checkout {"ms":N}',
    ]);
    assert(lines.at(-1)!.startsWith("info source: Checked out "), lines.at(-1));
  });
});
