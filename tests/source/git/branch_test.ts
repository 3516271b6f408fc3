import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Clone, clone, type CloneOptions } from "../../helpers/clone.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { startGitServer } from "../../helpers/git_server.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

/**
 * Three commits: two on `main`, the first of which is `v1`, and one on `side`.
 */
async function makeOrigin(path: string): Promise<GitRepository> {
  const origin = await makeRepository(path);
  await origin.git("config", "receive.denyCurrentBranch", "ignore");
  await origin.commit({ file: "1" });
  await origin.git("tag", "light");
  await origin.git("tag", "--annotate", "--message=v1", "v1");
  await origin.commit({ file: "2" });
  await origin.git("checkout", "--quiet", "-b", "side");
  await origin.commit({ side: "" });
  await origin.git("checkout", "--quiet", "main");
  return origin;
}

/** Facts about a clone, to be compared with those of `git clone`. */
async function facts({ git }: Pick<Clone, "git">) {
  const ask = (...args: string[]) => git(...args).catch(() => undefined);
  return {
    branch: await ask("rev-parse", "--abbrev-ref", "HEAD"),
    status: await ask("status", "--short", "--branch"),
    upstream: await ask("rev-parse", "--abbrev-ref", "@{upstream}"),
    merge: await ask("config", "--get-regexp", "^branch\\."),
    behind: await ask("rev-list", "--count", "HEAD..@{upstream}"),
    local: await ask("for-each-ref", "--format=%(refname)", "refs/heads"),
    default: await ask("rev-parse", "--abbrev-ref", "origin/HEAD"),
  };
}

describe("gitSource() and branches", () => {
  it("gives the same result as git clone", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    await origin.git("checkout", "--quiet", "-b", "trunk", "side");
    await using server = startGitServer(path);
    const urls = [origin.path, `file://${origin.path}`];
    const ways: [string, CloneOptions][] = [
      [origin.path, {}],
      [`file://${origin.path}`, { filter: "blob:none" }],
      [`${server.url}origin/.git`, {}],
      [origin.path, { fetchDepth: 0 }],
      [origin.path, { mirror: `${path}/mirrors` }],
      [origin.path, { mirror: `${path}/mirrors`, fetchDepth: 0 }],
    ];
    for (const ref of [undefined, "side", "main"]) {
      await origin.git(
        ...["clone", "--quiet", urls[1], `${path}/expected-${ref}`],
        ...ref === undefined ? [] : ["--branch", ref],
      );
      const expected = await facts({
        git: (...args) => origin.git("-C", `${path}/expected-${ref}`, ...args),
      });
      // Only the default branch, or all branches, can identify it.
      for (const [url, options] of ways) {
        const cloned = await clone(path, url, { ...options, ref });
        const isKnown = ref === undefined || options.fetchDepth === 0;
        assertEquals(
          await facts(cloned),
          isKnown ? expected : { ...expected, default: undefined },
          `${ref} ${url} ${JSON.stringify(options)}`,
        );
      }
    }
  });

  it("does not depend on remotes and branches in the user's configuration", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const cloned = await clone(path, origin.path, {
      ref: "side",
      env: {
        GIT_CONFIG_COUNT: "4",
        GIT_CONFIG_KEY_0: "remote.other.url",
        GIT_CONFIG_VALUE_0: "/nowhere",
        GIT_CONFIG_KEY_1: "remote.other.fetch",
        GIT_CONFIG_VALUE_1: "+refs/heads/*:refs/remotes/origin/*",
        GIT_CONFIG_KEY_2: "branch.autoSetupMerge",
        GIT_CONFIG_VALUE_2: "false",
        GIT_CONFIG_KEY_3: "checkout.defaultRemote",
        GIT_CONFIG_VALUE_3: "other",
      },
    });
    const { status, upstream } = await facts(cloned);
    assertEquals(status, "## side...origin/side");
    assertEquals(upstream, "origin/side");
  });

  it("lets the job pull and push", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const cloned = await clone(path, `file://${origin.path}`, { ref: "main" });
    const third = await origin.commit({ file: "3" });
    await cloned.git("pull", "--quiet", "--ff-only");
    assertEquals(await cloned.git("rev-parse", "HEAD"), third);
    await cloned.git("commit", "--quiet", "--allow-empty", "--message=Empty");
    const dryRun = await cloned.git("push", "--dry-run", "--porcelain");
    assert(dryRun.includes("refs/heads/main:refs/heads/main"), dryRun);
    await cloned.git("push", "--quiet");
    assertEquals(
      await origin.git("rev-parse", "main"),
      await cloned.git("rev-parse", "HEAD"),
    );
  });

  it("detaches HEAD for tags, commits and other refs", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const id = await origin.git("rev-parse", "main");
    await origin.git("update-ref", "refs/pull/7/head", "side");
    const refs = ["v1", "light", "tags/v1", id, id.slice(0, 9), "pull/7/head"];
    for (const ref of refs) {
      for (const depth of [1, 0]) {
        const cloned = await clone(path, origin.path, {
          ref,
          fetchDepth: depth,
        });
        await assertRejects(() => cloned.git("symbolic-ref", "HEAD"));
        assertEquals(await cloned.git("branch", "--list", "main"), "");
      }
    }
  });

  it("has the requested tag", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const mirror = `${path}/mirrors`;
    for (const options of [{}, { mirror }, { fetchDepth: 0 }]) {
      for (const ref of ["v1", "refs/tags/v1"]) {
        const cloned = await clone(path, `file://${origin.path}`, {
          ...options,
          ref,
        });
        assertEquals(await cloned.git("describe", "--exact-match"), "v1");
        assertEquals(await cloned.git("cat-file", "-t", "v1"), "tag");
      }
      const cloned = await clone(path, origin.path, {
        ...options,
        ref: "light",
      });
      assert((await cloned.git("tag", "--points-at")).includes("light"));
      assertEquals(await cloned.git("cat-file", "-t", "light"), "commit");
    }
  });

  it("has the tag of the event that names its commit", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const ref = await origin.git("rev-parse", "v1^{commit}");
    const mirror = `${path}/mirrors`;
    for (
      const [name, type, options] of [
        ["v1", "tag_created", {}],
        ["refs/tags/v1", "tag_created", { mirror }],
        ["v1", "push", {}],
        ["gone", "tag_created", {}],
        ["--exec=x", "tag_created", {}],
      ] as const
    ) {
      const cloned = await clone(path, `file://${origin.path}`, {
        ...options,
        ref,
        env: { REACTORCIDE_EVENT_TYPE: type, REACTORCIDE_BRANCH: name },
      });
      assertEquals(cloned.commit, ref);
      const isThere = name.endsWith("v1") && type === "tag_created";
      assertEquals(await cloned.git("tag"), isThere ? "v1" : "");
      if (!isThere) continue;
      assertEquals(await cloned.git("describe", "--exact-match"), "v1");
      assertEquals(await cloned.git("rev-list", "--count", "HEAD"), "1");
    }
  });

  it("accepts branches with any name that git can check out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const side = await origin.git("rev-parse", "side");
    // Tags that point elsewhere must not be preferred.
    for (
      const name of ["refs/heads/x", 'a"b', "ü/ö", "deadbee", "a&b;c", "v1"]
    ) {
      await origin.git("update-ref", `refs/heads/${name}`, side);
      await origin.git("update-ref", `refs/tags/${name}`, "main");
      const cloned = await clone(path, origin.path, {
        ref: `refs/heads/${name}`,
      });
      assertEquals(cloned.commit, side);
      assertEquals(await cloned.git("branch", "--show-current"), name);
      const upstream = await cloned.git("rev-parse", "@{upstream}");
      assertEquals(upstream, side);
    }
    for (const name of ["-f", "@", "HEAD"]) {
      await origin.git("update-ref", `refs/heads/${name}`, side);
      const cloned = await clone(path, origin.path, {
        ref: `refs/heads/${name}`,
      });
      assertEquals(cloned.commit, side);
      assertEquals(await cloned.git("branch", "--show-current"), "");
    }
  });

  it("detaches HEAD if the server has no default branch", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    await origin.git("checkout", "--quiet", "--detach", "side");
    for (const depth of [1, 0]) {
      const cloned = await clone(path, origin.path, { fetchDepth: depth });
      assertEquals(cloned.commit, await origin.git("rev-parse", "side"));
      assertEquals(await cloned.git("branch", "--show-current"), "");
    }
  });

  it("rejects a branch that does not point to a commit", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const tree = await origin.git("rev-parse", "main^{tree}");
    await Deno.writeTextFile(`${path}/origin/.git/refs/heads/odd`, `${tree}\n`);
    await assertRejects(
      () => clone(path, origin.path, { ref: "odd" }),
      Error,
      "it does not name a commit",
    );
  });
});
