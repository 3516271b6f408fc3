import { GIT_ENV } from "./git_repository.ts";
import type { Random } from "./random.ts";

/** A commit of a history. */
export interface HistoryCommit {
  /** Indexes of its parents, all before its own. */
  readonly parents: readonly number[];
  /** Commit time, in seconds since 1970. */
  readonly time: number;
}

/**
 * Writes commits to a bare repository, each on its own branch: `c0`, `c1`, and
 * so on. Each adds a file named after its branch.
 *
 * @returns IDs of the commits.
 */
export async function writeHistory(
  path: string,
  commits: readonly HistoryCommit[],
): Promise<string[]> {
  await git(["init", "--quiet", "--bare", "--initial-branch=c0", path]);
  await git(["-C", path, "config", "uploadpack.allowAnySHA1InWant", "true"]);
  const text = commits.map(({ parents: [first, ...others], time }, at) =>
    [
      `commit refs/heads/c${at}`,
      `mark :${at + 1}`,
      `committer A <a@example.com> ${time} +0000`,
      `data ${`${at}`.length}`,
      `${at}`,
      ...first === undefined ? [] : [`from :${first + 1}`],
      ...others.map((other) => `merge :${other + 1}`),
      `M 100644 inline c${at}`,
      `data ${`${at}`.length}`,
      `${at}`,
      "",
    ].join("\n")
  ).join("");
  const marks = `${path}/marks`;
  await git(
    ["-C", path, "fast-import", "--quiet", `--export-marks=${marks}`],
    text,
  );
  const ids: string[] = [];
  for (const line of (await Deno.readTextFile(marks)).trim().split("\n")) {
    const [mark, id] = line.split(" ");
    ids[Number(mark.slice(1)) - 1] = id;
  }
  return ids;
}

/** Creates a history with branches and merges, in which no commit is older than its parents. */
export function randomHistory(random: Random, count: number): HistoryCommit[] {
  const commits: HistoryCommit[] = [];
  for (let at = 0; at < count; at++) {
    const parents = new Set<number>();
    const wanted = at === 0 || random.below(20) === 0 ? 0 : random.pick([
      ...[1, 1, 1, 2, 2, 3],
    ]);
    for (let left = wanted; left > 0; left--) {
      // Mostly near ones; sometimes one from long ago.
      const reach = random.below(3) === 0 ? at : Math.min(at, 4);
      parents.add(at - 1 - random.below(reach));
    }
    const newest = [...parents].map((parent) => commits[parent].time);
    // Some share the second of their parents, and some parts are far apart.
    const time = Math.max(1_700_000_000, ...newest) +
      random.pick([0, 0, 1, 60, 5_000]);
    commits.push({ parents: [...parents], time });
  }
  return commits;
}

async function git(args: string[], input = ""): Promise<void> {
  const child = new Deno.Command("git", {
    args,
    clearEnv: true,
    env: GIT_ENV,
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
