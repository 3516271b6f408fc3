import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isSameRepository } from "../../../src/source/git/same_repository.ts";
import { clone } from "../../helpers/clone.ts";
import { makeRepository } from "../../helpers/git_repository.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

describe("gitSource() and the repository to merge into", () => {
  it("is the remote `upstream`, with its branch", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const base = await makeRepository(`${path}/base`);
    const id = await base.commit({ file: "base" });
    const fork = await makeRepository(`${path}/fork`);
    await fork.commit({ file: "fork" });
    for (const name of ["main", "refs/heads/main"]) {
      const made = await clone(path, "fork", {
        ref: "main",
        env: { REACTORCIDE_BASE_URL: base.path, REACTORCIDE_BASE_REF: name },
      });
      assertEquals(await made.git("rev-parse", "upstream/main"), id);
      assertEquals(await made.git("remote", "get-url", "upstream"), base.path);
      assertEquals(await Deno.readTextFile(`${made.path}/file`), "fork");
    }
  });

  it("is left out without a ref, and when it is the same", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const fork = await makeRepository(`${path}/fork`);
    await fork.commit({ file: "fork" });
    for (
      const [ref, url] of [
        [undefined, "elsewhere"],
        ["main", `${fork.path}/`],
        ["main", ""],
      ]
    ) {
      const made = await clone(path, "fork", {
        ref,
        env: { REACTORCIDE_BASE_URL: url!, REACTORCIDE_BASE_REF: "main" },
      });
      assertEquals(await made.git("remote"), "origin");
    }
  });

  it("is a warning when it cannot be fetched", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const fork = await makeRepository(`${path}/fork`);
    const id = await fork.commit({ file: "fork" });
    for (
      const [url, name] of [
        ["missing", "main"],
        ["ext::sh -c 'touch marker'", "main"],
        ["--upload-pack=touch marker", "main"],
        [`file://${path}/fork/x/..`, "--exec=x"],
        [`${path}/none`, "no..pe"],
      ]
    ) {
      const made = await clone(path, "fork", {
        ref: "main",
        env: { REACTORCIDE_BASE_URL: url, REACTORCIDE_BASE_REF: name },
      });
      assertEquals(made.commit, id);
      assert(
        made.log.lines.some((line) =>
          line.startsWith("warning source: Cannot fetch the branch to merge")
        ),
        url,
      );
    }
  });
});

Deno.test("isSameRepository() sees through spellings", () => {
  const spellings = [
    "https://github.com/user/repo",
    "https://github.com/user/repo.git",
    "https://github.com/user/repo/",
    "https://me:secret@GitHub.com:443/user/repo.git/",
    "ssh://git@github.com/user/repo.git",
    "git@github.com:user/repo.git",
    "git://github.com/user/repo",
  ];
  for (const one of spellings) {
    for (const other of spellings) assert(isSameRepository(one, other), other);
  }
  for (
    const other of [
      "https://github.com/user/Repo",
      "https://github.com/user/repo2",
      "https://gitlab.com/user/repo",
      "https://github.com:8443/user/repo",
      "/github.com/user/repo",
    ]
  ) assert(!isSameRepository(spellings[0], other), other);
  assert(isSameRepository("/a/b.git", "/a/b/"));
  assert(isSameRepository("/a/b", "file:///a/b"));
});
