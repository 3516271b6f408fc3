import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Clone, clone, type CloneOptions } from "../../helpers/clone.ts";
import { type HistoryCommit, writeHistory } from "../../helpers/git_history.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { startGitServer } from "../../helpers/git_server.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

/** A base and a pull request that have diverged, and how they are named. */
interface PullRequest {
  readonly base: string;
  readonly head: string;
  readonly env: Record<string, string>;
}

/**
 * Two commits on `main` since a branch `feature` with three commits was
 * created.
 */
async function makePullRequest(
  base: GitRepository,
  head: GitRepository = base,
): Promise<PullRequest> {
  await base.commit({ old: "1" });
  await base.commit({ old: "2", file: "1\n2\n" });
  if (head !== base) await head.git("pull", "--quiet", base.path, "main");
  await head.git("checkout", "--quiet", "-b", "feature");
  for (const name of ["a", "b"]) await head.commit({ [name]: "" });
  const headId = await head.commit({ file: "1\n3\n" });
  await base.git("checkout", "--quiet", "main");
  await base.commit({ other: "1" });
  const id = await base.commit({ other: "2" });
  return {
    base: id,
    head: headId,
    env: {
      REACTORCIDE_PR_NUMBER: "7",
      REACTORCIDE_DIFF_BASE: id,
      REACTORCIDE_PR_BASE_REF: "main",
      REACTORCIDE_HEAD_REF: "feature",
    },
  };
}

/**
 * Commands that jobs of pull requests run, in a clone that is offline by now.
 */
async function answers(
  { git }: Pick<Clone, "git">,
  { base, head }: Pick<PullRequest, "base" | "head">,
) {
  return {
    log: await git("log", "--format=%H", `${base}..HEAD`),
    back: await git("log", "--format=%H", `HEAD..${base}`),
    diff: await git("diff", base, "HEAD"),
    own: await git("diff", "--name-only", `${base}...HEAD`),
    mergeBase: await git("merge-base", base, head),
  };
}

function warningsOf({ log }: Clone): string[] {
  return log.lines.filter((line) => line.startsWith("warning"));
}

describe("gitSource() and the base of a pull request", () => {
  it("are both fetched, with everything in between", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const request = await makePullRequest(origin);
    await using server = startGitServer(path);
    const { git } = await clone(path, origin.path, {
      fetchDepth: 0,
      ref: request.head,
    });
    const expected = await answers({ git }, request);
    for (
      const [url, options] of [
        [origin.path, {}],
        [`file://${origin.path}`, {}],
        [`${server.url}origin/.git`, {}],
        [origin.path, { fetchDepth: 2 }],
        [origin.path, { mirror: `${path}/mirrors` }],
      ] as const
    ) {
      const refs = url === origin.path ? ["feature"] : [request.head];
      for (const ref of refs) {
        const cloned = await clone(path, url, {
          ...options,
          ref,
          env: request.env,
        });
        await cloned.git("remote", "set-url", "origin", "/nonexistent");
        assertEquals(await answers(cloned, request), expected);
        assertEquals(
          await cloned.git("rev-parse", "origin/main"),
          request.base,
        );
        assertEquals(warningsOf(cloned), []);
      }
    }
  });

  it("include a base that the fork does not have", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const base = await makeRepository(`${path}/base`);
    const fork = await makeRepository(`${path}/fork`);
    const request = await makePullRequest(base, fork);
    await using server = startGitServer(path);
    for (
      const [url, baseUrl, depth] of [
        [fork.path, base.path, 0],
        [`${server.url}fork/.git`, `${server.url}base/.git`, 1],
      ] as const
    ) {
      const cloned = await clone(path, url, {
        ref: request.head,
        fetchDepth: depth,
        env: {
          ...request.env,
          REACTORCIDE_BASE_URL: baseUrl,
          REACTORCIDE_BASE_REF: "main",
          REACTORCIDE_IS_FORK_PR: "true",
        },
      });
      await cloned.git("fsck", "--connectivity-only");
      const { log, own, mergeBase } = await answers(cloned, request);
      assertEquals(log.split("\n").length, 3);
      assertEquals(own, "a\nb\nfile");
      assertEquals(mergeBase, await base.git("rev-parse", "main~2"));
      assertEquals(
        await cloned.git("rev-parse", "upstream/main"),
        request.base,
      );
      assertEquals(warningsOf(cloned), []);
    }
  });

  it("deepens the history as far as necessary, and no further", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    // 600 on main; 40 on the other side of the 400th.
    const commits: HistoryCommit[] = Array.from({ length: 600 }, (_, at) => ({
      parents: at === 0 ? [] : [at - 1],
      time: 1_700_000_000 + at * 60,
    }));
    for (let at = 600; at < 640; at++) {
      const parents = [at === 600 ? 400 : at - 1];
      commits.push({ parents, time: 1_700_000_000 + at * 60 });
    }
    const ids = await writeHistory(`${path}/origin`, commits);
    const facts = async (base: string) => {
      const cloned = await clone(path, `${path}/origin`, {
        ref: ids[639],
        env: { REACTORCIDE_DIFF_BASE: base },
      });
      assertEquals(warningsOf(cloned), []);
      const count = (range: string) => cloned.git("rev-list", "--count", range);
      return [
        await count(`${base}..HEAD`),
        await count(`HEAD..${base}`),
        await cloned.git("merge-base", base, "HEAD"),
        Number(await count("HEAD")) < 441,
      ];
    };
    assertEquals(await facts(ids[630]), ["9", "0", ids[630], true]);
    assertEquals(await facts(ids[400]), ["40", "0", ids[400], true]);
    assertEquals(await facts(ids[410]), ["40", "10", ids[400], true]);
    assertEquals(await facts(ids[599]), ["40", "199", ids[400], false]);
  });

  it("accepts what the server serves", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const request = await makePullRequest(origin);
    await using server = startGitServer(path);
    const url = `${server.url}origin/.git`;
    // The branch has new commits, or was deleted.
    await origin.commit({ later: "" });
    for (const branch of ["main", "gone"]) {
      const cloned = await clone(path, url, {
        ref: request.head,
        env: { ...request.env, REACTORCIDE_PR_BASE_REF: branch },
      });
      assertEquals((await answers(cloned, request)).own, "a\nb\nfile");
      assertEquals(warningsOf(cloned), []);
    }
    // The server does not serve commits by ID.
    await origin.git("config", "uploadpack.allowAnySHA1InWant", "false");
    server.faults = { speaksOldProtocol: true };
    for (const refusesDepth of [false, true]) {
      server.faults.refusesDepth = refusesDepth;
      const cloned = await clone(path, url, {
        ref: "feature",
        env: request.env,
      });
      assertEquals((await answers(cloned, request)).own, "a\nb\nfile");
      assertEquals(warningsOf(cloned), []);
    }
  });

  it("fetches nothing without a pull request", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const request = await makePullRequest(origin);
    const cases: CloneOptions[] = [
      { env: { REACTORCIDE_PR_BASE_REF: "main" } },
      { env: { REACTORCIDE_BASE_REF: "main" } },
      { env: request.env, pullRequestBase: false },
    ];
    for (const options of cases) {
      const cloned = await clone(path, origin.path, {
        ref: request.head,
        ...options,
      });
      assertEquals(await cloned.git("for-each-ref"), "");
      assertEquals(await cloned.git("rev-list", "HEAD", "--count"), "1");
      assertEquals(await cloned.git("remote"), "origin");
    }
  });

  it("warns about the consequences if it cannot be fetched", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const { head, env } = await makePullRequest(origin);
    const REACTORCIDE_DIFF_BASE = "1".repeat(40);
    const NO_COMMIT = "the repository has no such commit";
    for (
      const [variables, reason] of [
        [{ REACTORCIDE_DIFF_BASE }, NO_COMMIT],
        [
          { REACTORCIDE_DIFF_BASE, REACTORCIDE_IS_FORK_PR: "true" },
          "REACTORCIDE_BASE_URL can name the repository that has it",
        ],
        [{ REACTORCIDE_BASE_URL: `${path}/missing` }, "does not appear to be"],
        [{ REACTORCIDE_BASE_URL: "ext::sh -c 'touch marker'" }, "helper"],
        [{ REACTORCIDE_BASE_URL: "--upload-pack=touch marker" }, "starts with"],
        [
          {
            REACTORCIDE_BASE_URL: `file://${path}/origin/x/..`,
            REACTORCIDE_BASE_REF: "--exec=x",
          },
          "starts with",
        ],
        [{ REACTORCIDE_PR_BASE_REF: "no..pe" }, "not a valid name"],
      ] as const
    ) {
      for (const depth of reason === NO_COMMIT ? [1, 0] : [1]) {
        const cloned = await clone(path, origin.path, {
          ref: head,
          fetchDepth: depth,
          env: { ...env, ...variables },
        });
        assertEquals(cloned.commit, head);
        const [warning = ""] = warningsOf(cloned);
        assert(warning.includes(reason), `${reason}: ${warning}`);
        assert(warning.includes("git merge-base with it may fail"), warning);
      }
    }
  });

  it("counts as too far away only after all attempts", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    // The server itself lacks the commits in between.
    const origin = await makeRepository(`${path}/origin`);
    const request = await makePullRequest(origin);
    await origin.git("branch", "tip", request.head);
    await origin.git(
      "clone",
      "--quiet",
      "--bare",
      "--depth=2",
      "--no-single-branch",
      `file://${origin.path}`,
      `${path}/cut`,
    );
    const cloned = await clone(path, `${path}/cut`, {
      ref: request.head,
      env: request.env,
    });
    const [warning] = warningsOf(cloned);
    assert(warning.includes("REACTORCIDE_FETCH_DEPTH=0"), warning);
  });
});

describe("gitSource() and the base repository", () => {
  it("is the remote `upstream`, with its branch", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const base = await makeRepository(`${path}/base`);
    const id = await base.commit({ file: "base" });
    const fork = await makeRepository(`${path}/fork`);
    await fork.commit({ file: "fork" });
    for (const name of ["main", "refs/heads/main"]) {
      const cloned = await clone(path, "fork", {
        ref: "main",
        env: { REACTORCIDE_BASE_URL: base.path, REACTORCIDE_BASE_REF: name },
      });
      assertEquals(await cloned.git("rev-parse", "upstream/main"), id);
      assertEquals(
        await cloned.git("remote", "get-url", "upstream"),
        base.path,
      );
      assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "fork");
    }
  });

  it("is left out without a ref, and if it is the same", async () => {
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
      const cloned = await clone(path, "fork", {
        ref,
        env: { REACTORCIDE_BASE_URL: url!, REACTORCIDE_BASE_REF: "main" },
      });
      assertEquals(await cloned.git("remote"), "origin");
    }
  });
});
