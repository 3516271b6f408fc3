import { randomNumbers } from "./log_file.ts";

/** Number of files in the tree. */
const FILE_COUNT = 5_000;

/** Number of files that a commit changes. */
const CHANGED_COUNT = 4;

/** Number of lines of a file. */
const LINE_COUNT = 40;

/** A bare repository with one branch. */
export interface GeneratedRepository {
  /** Absolute path. */
  readonly path: string;
  /** ID of the newest commit. */
  readonly commit: string;
}

/**
 * Creates a repository of files that look like code, in which each commit changes
 * a few files. Every call creates the same repository.
 *
 * @param path Absolute path.
 * @param commitCount Number of commits.
 * @returns The repository.
 */
export async function generateRepository(
  path: string,
  commitCount: number,
): Promise<GeneratedRepository> {
  await git("init", "--quiet", "--bare", "--initial-branch=main", path);
  const child = new Deno.Command("git", {
    args: ["-C", path, "fast-import", "--quiet", "--done"],
    stdin: "piped",
  }).spawn();
  await ReadableStream.from(createCommits(commitCount))
    .pipeThrough(new TextEncoderStream()).pipeTo(child.stdin);
  if (!(await child.status).success) throw new Error("git fast-import failed");
  // Servers keep repositories packed. Otherwise, every clone would pack it first.
  await git("-C", path, "repack", "-adq");
  return { path, commit: await git("-C", path, "rev-parse", "main") };
}

function* createCommits(count: number): Generator<string> {
  const random = randomNumbers(4);
  const revisions = new Array<number>(FILE_COUNT).fill(0);
  for (let at = 0; at < count; at++) {
    yield `commit refs/heads/main
committer A <a@example.com> ${1_600_000_000 + at * 60} +0000
data 7
Change

`;
    const changed = at === 0
      ? revisions.keys()
      : Array.from({ length: CHANGED_COUNT }, () => random() % FILE_COUNT);
    for (const file of changed) {
      const text = createFileText(file, revisions[file]++);
      yield `M 100644 inline src/part${file % 50}/unit${file % 7}/file${file}.ts
data ${text.length}
${text}
`;
    }
  }
  yield "done\n";
}

/** Returns a revision of a file; each one changes one line. */
function createFileText(file: number, revision: number): string {
  const lines = Array.from({ length: LINE_COUNT }, (_, line) => {
    const isChanged = line === (revision * 7) % LINE_COUNT;
    const value = (file * 2_654_435_761 + line * 40_503) >>> 0;
    return `export const value${line} = ${isChanged ? revision : value};`;
  });
  return lines.join("\n") + "\n";
}

async function git(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command("git", {
    args,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`git ${args[0]} failed`);
  return new TextDecoder().decode(stdout).trim();
}
