import { assertEquals } from "@std/assert";
import {
  findHistoryCommand,
  isFullClone,
} from "../../../src/cli/migration/text_rules.ts";
import { GIT_ENV, makeRepository } from "../../helpers/git_repository.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

const NEEDED = [
  "git describe --tags",
  "git describe --always",
  "git rev-parse HEAD^",
  "git rev-parse HEAD~1",
  "git rev-parse @^",
  "git show HEAD~1:a.txt",
  "git diff --name-only HEAD~1",
  "git diff --name-only HEAD^ HEAD",
  "git diff-tree -r HEAD~2 HEAD",
  "git log --oneline",
  "git log v1..HEAD --oneline",
  "git log -2 --format=%s",
  "git rev-list --count HEAD",
  "git shortlog -s HEAD",
  "git merge-base HEAD origin/other",
  "git blame -s a.txt",
  "git checkout v1",
  "git checkout other",
  "git switch other",
  "git checkout -b fix v1",
  "git reset --hard HEAD~1",
  "git tag --list",
  "git tag -l v*",
  "git tag --merged HEAD",
  "git for-each-ref refs/tags",
  "git branch -r",
  "git branch --all",
  "git show-ref",
  "git name-rev HEAD~1",
  "git fetch --unshallow",
  "git cherry-pick HEAD~1 --no-commit",
  "git -C . describe --tags",
  "git -c color.ui=never rev-parse HEAD^",
  "git --no-pager log --oneline",
];

const NOT_NEEDED = [
  "git rev-parse HEAD",
  "git rev-parse --short HEAD",
  "git rev-parse --abbrev-ref HEAD",
  "git status --short",
  "git log -1 --format=%s",
  "git log -n 1 --format=%H",
  "git log --max-count=1 --format=%H",
  "git show --stat --format=%s HEAD:a.txt",
  "git diff --name-only",
  "git diff --cached",
  "git ls-files",
  "git checkout -- a.txt",
  "git checkout .",
  "git checkout -b new",
  "git tag v9",
  "git config user.name x",
  "git add a.txt",
  "git remote get-url origin",
  "git archive HEAD a.txt",
  "git clean -nd",
  "git ls-remote origin refs/heads/main",
  "git grep three",
];

Deno.test("findHistoryCommand() finds the commands that differ in a clone of one commit", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const origin = await makeRepository(`${path}/origin`);
  await origin.commit({ "a.txt": "one\n" });
  await origin.git("tag", "--annotate", "--message=One", "v1");
  await origin.commit({ "a.txt": "one\ntwo\n", "b.txt": "" });
  await origin.git("branch", "other");
  await origin.commit({ "a.txt": "one\ntwo\nthree\n" });
  const commands = [...NEEDED, ...NOT_NEEDED];
  const [full, shallow] = await Promise.all([
    resultsIn(`${path}/full`, `clone -q file://${path}/origin`, commands),
    resultsIn(
      `${path}/shallow`,
      `clone -q --depth=1 file://${path}/origin`,
      commands,
    ),
  ]);
  for (const [at, command] of commands.entries()) {
    const isFound = findHistoryCommand(command.split(" ")) !== undefined;
    const differs = full[at] !== shallow[at];
    const isNeeded = NEEDED.includes(command);
    assertEquals([isFound, differs], [isNeeded, isNeeded], command);
  }
});

/** Runs each command in a fresh copy of a clone. */
async function resultsIn(
  directory: string,
  clone: string,
  commands: readonly string[],
): Promise<string[]> {
  const script = [
    `mkdir ${directory} && cd ${directory} && git ${clone} clone || exit 1`,
    ...commands.flatMap((command, at) => [
      `cp -a clone copy && cd copy`,
      `{ ${command}; echo "ends with $?"; } >../${at} 2>&1`,
      `cd .. && rm -rf copy`,
    ]),
  ].join("\n");
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    clearEnv: true,
    env: { ...GIT_ENV, GIT_PAGER: "cat", LC_ALL: "C" },
    stdin: "null",
  }).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
  return await Promise.all(
    commands.map((_, at) => Deno.readTextFile(`${directory}/${at}`)),
  );
}

Deno.test("findHistoryCommand() accepts paths, and revisions in the checkout of a pull request", () => {
  for (
    const command of [
      "git log $REACTORCIDE_DIFF_BASE..HEAD",
      "git log --oneline ${REACTORCIDE_DIFF_BASE}..HEAD",
      "git diff --name-only ${REACTORCIDE_DIFF_BASE} HEAD",
      "git diff $REACTORCIDE_DIFF_BASE...HEAD",
      "git checkout $REACTORCIDE_SHA",
      "git reset --hard ${REACTORCIDE_SHA}",
      "git add ../elsewhere",
      "git diff a/../b",
    ]
  ) assertEquals(findHistoryCommand(command.split(" ")), undefined, command);
});

Deno.test("findHistoryCommand() knows programs that compute versions", () => {
  for (
    const [command, name] of [
      ["semantic-release --dry-run", "semantic-release"],
      ["npx --yes semantic-release", "npx semantic-release"],
      ["/usr/local/bin/git-cliff --latest", "git-cliff"],
      ["npx eslint .", undefined],
    ] as const
  ) assertEquals(findHistoryCommand(command.split(" ")), name, command);
});

Deno.test("isFullClone() recognizes clones with their history", () => {
  assertEquals(
    isFullClone(["git", "clone", "https://example.com/r.git"]),
    true,
  );
  assertEquals(isFullClone(["git", "clone", "--depth", "1", "r"]), false);
  assertEquals(isFullClone(["git", "fetch"]), false);
});
