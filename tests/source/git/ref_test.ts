import { assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import { Cancellation } from "../../../src/process/cancellation.ts";
import { runGit } from "../../../src/source/git/run_git.ts";
import {
  checkGitRef,
  gitRefProblem,
  localNames,
  remoteNames,
} from "../../../src/source/git/ref.ts";
import { GIT_ENV } from "../../helpers/git_repository.ts";
import { Random } from "../../helpers/random.ts";

Deno.test("gitRefProblem() accepts names of branches, tags and commits", () => {
  const refs = [
    "main",
    "feature/a-b_c.d",
    "v1.0.0",
    "refs/pull/7/head",
    "0123abcd",
    "0".repeat(40),
    "HEAD",
    "+plus",
    "a@b",
    "ä",
    "$(touch)`;|&",
  ];
  for (const ref of refs) {
    assertEquals(gitRefProblem(ref), undefined, ref);
  }
});

Deno.test("gitRefProblem() rejects what git check-ref-format rejects", () => {
  const refs = [
    "a..b",
    "a@{1}",
    "@",
    "a~1",
    "a^",
    "^a",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "a b",
    "a\tb",
    "a\nb",
    "a\0b",
    "a\x7f",
    "/a",
    "a/",
    "a//b",
    "a.",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
  ];
  for (const ref of refs) {
    assertEquals(
      gitRefProblem(ref),
      "is not a valid name of a branch, tag or commit",
      ref,
    );
  }
  assertEquals(gitRefProblem(""), "is empty");
});

Deno.test("gitRefProblem() agrees with git check-ref-format on random names", async () => {
  const random = new Random();
  const cancellation = new Cancellation();
  for (let round = 0; round < 100; round++) {
    // Without a leading dash, which git allows and runnerlib does not.
    const ref = "ab@".charAt(random.below(3)) +
      random.text(random.below(6), "ab/.@{}~^:?*[\\ \n\x7f-+.lock/");
    const { exitCode } = await runGit(
      ["check-ref-format", "--allow-onelevel", ref],
      "/",
      { env: GIT_ENV, cancellation },
    );
    assertEquals(
      gitRefProblem(ref) === undefined,
      exitCode === 0,
      `${JSON.stringify(ref)}, seed ${random.seed}`,
    );
  }
});

Deno.test("checkGitRef() rejects options", () => {
  for (const ref of ["-b", "--detach", "--upload-pack=touch marker"]) {
    const error = assertThrows(
      () => checkGitRef(ref),
      RunnerError,
      `Cannot check out "${ref}": the ref starts with "-"`,
    );
    assertEquals(error.code, "source-failed");
  }
});

Deno.test("localNames() puts branches before tags before commits", () => {
  assertEquals(localNames("abcd"), [
    "refs/remotes/origin/abcd",
    "refs/tags/abcd",
    "abcd",
  ]);
  assertEquals(localNames("main"), [
    "refs/remotes/origin/main",
    "refs/tags/main",
  ]);
  assertEquals(localNames("refs/heads/main"), ["refs/remotes/origin/main"]);
  assertEquals(localNames("refs/tags/v1"), ["refs/tags/v1"]);
});

Deno.test("names that start with a namespace are refs in it first", () => {
  assertEquals(localNames("heads/main")[0], "refs/remotes/origin/main");
  assertEquals(localNames("tags/v1")[0], "refs/tags/v1");
  assertEquals(remoteNames("heads/main").slice(0, 3), [
    "refs/heads/main",
    "refs/heads/heads/main",
    "refs/tags/heads/main",
  ]);
  assertEquals(remoteNames("pull/7/merge")[0], "refs/pull/7/merge");
  assertEquals(remoteNames("feature/x"), [
    "refs/heads/feature/x",
    "refs/tags/feature/x",
    "refs/feature/x",
  ]);
});

Deno.test("localNames() takes a full ID only as a commit", () => {
  for (const id of ["a".repeat(40), "0".repeat(64)]) {
    assertEquals(localNames(id), [id]);
  }
});
