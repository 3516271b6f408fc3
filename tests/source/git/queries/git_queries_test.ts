import { git, RunnerError } from "@reactorcide/runnerlib";
import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { clone } from "../../../helpers/clone.ts";
import {
  GIT_ENV as env,
  type GitRepository,
  makeRepository,
} from "../../../helpers/git_repository.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../../helpers/temporary_directory.ts";

const { changedFiles, commitsBetween, fileAtRef, info: gitInfo } = git;

/**
 * Creates `main`, and checks out `side`, which branched off two commits ago.
 */
async function makeFork(path: string): Promise<GitRepository> {
  const repository = await makeRepository(path);
  await repository.commit({ "old": "same\ntext\n", "kept": "1" });
  await repository.git("branch", "side");
  await repository.commit({ "on-main": "" });
  await repository.commit({ "kept": "2" });
  await repository.git("checkout", "--quiet", "side");
  await repository.commit({ "on side": "", 'ü\n"\t': "" });
  await repository.git("mv", "old", "new");
  await repository.commit({});
  return repository;
}

/** Asserts that the answer is unknown. */
async function assertUnknown(
  question: () => Promise<unknown>,
  message: string,
): Promise<void> {
  const error = await assertRejects(question, RunnerError, message);
  assertEquals(error.code, "source-failed");
}

describe("changedFiles()", () => {
  it("compares with the merge base, or with the base itself", async () => {
    await using directory = await temporaryDirectory();
    const { path } = await makeFork(`${directory.path}/repository`);
    const options = { directory: path, env };
    const own = ["new", "old", "on side", 'ü\n"\t'];
    assertEquals(await changedFiles("main", options), own);
    assertEquals(
      await changedFiles("main", { ...options, mergeBase: false }),
      ["kept", "new", "old", "on side", "on-main", 'ü\n"\t'],
    );
    assertEquals(await changedFiles(undefined, options), ["new", "old"]);
    assertEquals(
      await changedFiles("main~1", { ...options, head: "main" }),
      ["kept"],
    );
  });

  it("distinguishes an empty answer from an unknown one", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeFork(`${path}/repository`);
    const options = { directory: repository.path, env };
    assertEquals(await changedFiles("HEAD", options), []);
    assertEquals(await changedFiles("HEAD~2", { ...options, head: "main" }), [
      "kept",
      "on-main",
    ]);
    for (const base of ["nope", "--output=x", "a\nb", ""]) {
      await assertUnknown(() => changedFiles(base, options), "Cannot find");
    }
    await repository.git("checkout", "--quiet", "--orphan", "other");
    await repository.commit({ other: "" });
    await assertUnknown(
      () => changedFiles("main", options),
      'Cannot compare "main" with "HEAD": their common ancestor was not fetched',
    );
    await assertUnknown(
      () => changedFiles("main", { env, directory: `${path}/none` }),
      `Cannot read "${path}/none": no such directory`,
    );
    // The repository of a parent directory is not used.
    await makeFiles(repository.path, { "inner/": "" });
    await assertUnknown(
      () =>
        changedFiles("main", { env, directory: `${repository.path}/inner` }),
      "not a git repository",
    );
  });

  it("does not guess from a partial history", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeFork(`${path}/repository`);
    const cloned = await clone(path, origin.path, { ref: "side" });
    const options = { directory: cloned.path, env };
    await assertUnknown(() => changedFiles("HEAD^", options), "Cannot find");
    await cloned.git(
      ...["fetch", "--quiet", "--depth=1", "origin"],
      "main:refs/remotes/origin/main",
    );
    await assertUnknown(() => changedFiles("main", options), "common ancestor");
    await assertUnknown(
      () => commitsBetween("main", options),
      "part of the history",
    );
    await cloned.git("fetch", "--quiet", "--unshallow", "origin");
    assertEquals((await changedFiles("main", options)).length, 4);
    assertEquals((await commitsBetween("main", options)).length, 2);
  });

  it("is not fooled by submodules that hide their changes", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeRepository(`${path}/repository`);
    const id = await repository.commit({
      ".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = x\n\tignore = all\n',
    });
    await repository.git(
      ...["update-index", "--add", "--cacheinfo", `160000,${id},s`],
    );
    await repository.git("commit", "--quiet", "--message=Link");
    assertEquals(
      await changedFiles("HEAD^", { directory: repository.path, env }),
      ["s"],
    );
  });
});

describe("commitsBetween()", () => {
  it("lists the newest first", async () => {
    await using directory = await temporaryDirectory();
    const { path, git } = await makeFork(`${directory.path}/repository`);
    await git("commit", "--quiet", "--allow-empty", "--message=A\n\nbody");
    const commits = await commitsBetween("main", { directory: path, env });
    const [first, second, third] = commits;
    assertEquals(commits.length, 3);
    assertEquals(first, {
      id: await git("rev-parse", "HEAD"),
      parents: [second.id],
      author: "A. U. Thor",
      email: "author@example.com",
      committedAt: Date.parse("2026-01-02T03:04:05Z"),
      subject: "A",
    });
    assertEquals(third.subject, "Change");
    assertEquals(
      await commitsBetween("HEAD", { directory: path, env }),
      [],
    );
  });
});

describe("fileAtRef()", () => {
  it("reads the file of the revision, not of the work tree", async () => {
    await using directory = await temporaryDirectory();
    const { path, commit } = await makeFork(`${directory.path}/repository`);
    const options = { directory: path, env };
    await commit({ "a/*.txt": "star", "a/b.txt": "b" });
    await Deno.writeTextFile(`${path}/kept`, "changed");
    assertEquals(await fileAtRef("HEAD", "kept", options), "1");
    assertEquals(await fileAtRef("main", "kept", options), "2");
    assertEquals(await fileAtRef("HEAD", "a/*.txt", options), "star");
    assertEquals(await fileAtRef("HEAD^", "a/b.txt", options), undefined);
    assertEquals(await fileAtRef("HEAD", "a", options), undefined);
    await assertUnknown(() => fileAtRef("nope", "kept", options), "find");
  });
});

describe("gitInfo()", () => {
  it("describes the checkout", async () => {
    await using directory = await temporaryDirectory();
    const repository = await makeFork(`${directory.path}/repository`);
    const { path: place, git } = repository;
    const options = { directory: place, env };
    await git("remote", "add", "origin", "https://me:secret@host/x");
    const commit = await git("rev-parse", "HEAD");
    const facts = {
      branch: "side",
      commit,
      shortCommit: commit.slice(0, 7),
      tag: null,
      remoteUrl: "https://***@host/x",
      remotes: ["origin"],
      isClean: true,
    };
    assertEquals(await gitInfo(options), facts);
    await git("tag", "v1");
    await git("checkout", "--quiet", "--detach");
    await makeFiles(place, { "beside": "" });
    assertEquals(await gitInfo(options), {
      ...facts,
      branch: null,
      tag: "v1",
      isClean: false,
    });
  });

  it("returns null outside a repository", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const info = await gitInfo({ directory: path, env });
    assertEquals(new Set(Object.values(info)), new Set([null]));
    const empty = await makeRepository(`${path}/empty`);
    const { branch, commit, isClean } = await gitInfo({
      directory: empty.path,
      env,
    });
    assertEquals([branch, commit, isClean], ["main", null, true]);
  });
});
