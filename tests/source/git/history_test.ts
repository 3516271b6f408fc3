import { assert, assertEquals } from "@std/assert";
import { isHistoryBetweenKnown } from "../../../src/source/git/history.ts";
import { GIT_ENV } from "../../helpers/git_repository.ts";
import {
  type HistoryCommit,
  randomHistory,
  writeHistory,
} from "../../helpers/git_history.ts";
import { Random } from "../../helpers/random.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

/** Runs git like the source does. */
async function run(path: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command("git", {
    args: ["-C", path, ...args],
    clearEnv: true,
    env: GIT_ENV,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    exitCode: code,
    signal: null,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** A commit and all of its ancestors, by the plain definition. */
function ancestors(commits: readonly HistoryCommit[], from: number) {
  const found = new Set([from]);
  for (const at of found) {
    for (const parent of commits[at].parents) found.add(parent);
  }
  return found;
}

/** The answer of a full clone, by the plain definition. */
function naiveAnswers(
  commits: readonly HistoryCommit[],
  one: number,
  other: number,
) {
  const [ours, theirs] = [ancestors(commits, one), ancestors(commits, other)];
  const shared = ours.intersection(theirs);
  const best = [...shared].filter((at) =>
    ![...shared].some((from) => from !== at && ancestors(commits, from).has(at))
  );
  return {
    log: [...theirs.difference(ours)],
    back: [...ours.difference(theirs)],
    bases: best,
  };
}

Deno.test("isHistoryBetweenKnown() is true only if git gives the same answers as in a full clone", async () => {
  const random = new Random();
  const counts = { known: 0, unknown: 0 };
  for (let round = 0; round < 6; round++) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const commits = randomHistory(random, 12 + random.below(40));
    const ids = await writeHistory(`${path}/origin`, commits);
    const [one, other] = [random.below(ids.length), random.below(ids.length)];
    await run(path, ["init", "--quiet", "clone"]);
    const clone = `${path}/clone`;
    const history = {
      gitDirectory: `${clone}/.git`,
      git: (args: readonly string[]) => run(clone, args),
    };
    const answer = async (...args: string[]) =>
      (await run(clone, args)).stdout.split("\n").filter(Boolean)
        .map((id) => ids.indexOf(id)).sort();
    const naive = naiveAnswers(commits, one, other);
    for (const depth of [1, 2, 3, 5, 9, 100]) {
      // A third commit has its own boundary.
      const wanted = [one, other, random.below(ids.length)]
        .slice(0, 2 + random.below(2)).map((at) => ids[at]);
      const fetched = await run(clone, [
        ...["fetch", "--quiet", `--depth=${depth}`, `file://${path}/origin`],
        ...wanted,
      ]);
      assertEquals(fetched.exitCode, 0, fetched.stderr);
      const isKnown = await isHistoryBetweenKnown(
        history,
        ids[one],
        ids[other],
      );
      counts[isKnown ? "known" : "unknown"]++;
      if (!isKnown) {
        assert(depth < 100, `seed ${random.seed}`);
        continue;
      }
      const [a, b] = [ids[one], ids[other]];
      assertEquals({
        log: await answer("rev-list", `${a}..${b}`),
        back: await answer("rev-list", `${b}..${a}`),
        bases: await answer("merge-base", "--all", a, b),
      }, {
        log: naive.log.sort(),
        back: naive.back.sort(),
        bases: naive.bases.sort(),
      }, `seed ${random.seed}, round ${round}, depth ${depth}`);
    }
  }
  assert(counts.known > 0 && counts.unknown > 0, `seed ${random.seed}`);
});

Deno.test("isHistoryBetweenKnown() is false if commits may be missing behind a shared boundary", async () => {
  // 0 ← 1 ← 2 ← 3 ← 4 ← 5, and 7 merges 4 with 1, or with 6, which has no
  // parents.
  const graph = [[], [0], [1], [2], [3], [4]];
  for (
    const [other, time, depths] of [
      // Depth 4 includes 5, 4, 3, 2 and 7, 1, 0, as if only 7 had 1 and 0.
      [1, 0, { 2: false, 3: false, 4: false, 5: true }],
      [6, 0, { 2: false, 3: false, 6: false, 7: true }],
      // It is newer than everything beyond the boundary.
      [6, 9, { 2: false, 3: true }],
    ] as const
  ) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const commits = [
      ...graph.map((parents, time) => ({ parents, time })),
      { parents: [], time },
      { parents: [4, other], time: 10 },
    ];
    const ids = await writeHistory(`${path}/origin`, commits);
    for (const [depth, isKnown] of Object.entries(depths)) {
      const clone = `${path}/clone-${depth}`;
      await run(path, ["init", "--quiet", clone]);
      await run(clone, [
        ...["fetch", "--quiet", `--depth=${depth}`, `file://${path}/origin`],
        ...[ids[5], ids[7]],
      ]);
      const history = {
        gitDirectory: `${clone}/.git`,
        git: (args: readonly string[]) => run(clone, args),
      };
      assertEquals(
        await isHistoryBetweenKnown(history, ids[5], ids[7]),
        isKnown,
        `${other}, depth ${depth}`,
      );
    }
  }
});
