import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mergeTree } from "../../src/artifacts/restore_artifacts.ts";
import { pathMatcher } from "../../src/artifacts/select_files.ts";
import { eventGlob } from "../../src/schema/globs.ts";
import { runShell } from "../helpers/archives.ts";
import { startCli } from "../helpers/cli.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import { swapDuring } from "../helpers/swap_during.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { killAfter } from "../helpers/kill_after.ts";

/** Names that the shell writes with `printf`; some are not UTF-8. */
const NAMES = ["a", "b", "B", ".c", "d e", "é", "\\377", "x.js", "-n", "*"];

/** Prints a tree with everything that must be the same in a copy. */
const SHOW = `find . -mindepth 1 -printf '%P %y %m %l %n\\n' | LC_ALL=C sort
find . -type f -exec sha256sum {} + | LC_ALL=C sort`;

/** Creates a random tree in the current directory, as a shell script. */
function randomTree(random: Random, depth = 0, prefix = ""): string {
  const lines: string[] = [];
  for (const name of NAMES) {
    if (random.below(3) > 0) continue;
    const path = `"$(printf '%b' '${prefix}${name}')"`;
    const mode = random.pick(["644", "755", "600", "444"]);
    switch (random.below(depth < 2 ? 5 : 3)) {
      case 0:
        lines.push(
          `ln -s -- '${random.pick(["last", "gone", "."])}' ./${path}`,
        );
        break;
      case 1:
        if (random.below(2) === 0) {
          lines.push(`ln -- ./last ./${path} 2> /dev/null || :`);
        }
        break;
      case 2:
        lines.push(
          `echo '${random.below(3)}' > ./${path}; chmod ${mode} ./${path}`,
        );
        break;
      default:
        lines.push(`mkdir ./${path}`);
        lines.push(randomTree(random, depth + 1, `${prefix}${name}/`));
    }
  }
  return lines.join("\n");
}

describe("trees that are passed on", () => {
  it("are the same as copies by cp", async () => {
    const random = new Random();
    for (let round = 0; round < 3; round++) {
      await using directory = await temporaryDirectory();
      const cwd = `${directory.path}/ci`;
      await makeFiles(cwd, {
        "ci.yaml": `
name: ci
jobs:
  build:
    command: mkdir tree && cd tree && sh -eu ../tree.sh
    artifacts: { tree: { paths: [tree] } }
`,
        "tree.sh": `echo last > last\n${randomTree(random)}`,
      });
      const env = {
        REACTORCIDE_CACHE_STORE: `${directory.path}/store`,
      };
      const run = await runMain(["workflow", "run", "ci.yaml"], { cwd, env });
      assertEquals(run.code, 0, `seed ${random.seed}: ${run.stderr}`);
      const got = await runMain(["artifacts", "get", "tree"], { cwd, env });
      assertEquals(got.code, 0, `seed ${random.seed}: ${got.stderr}`);
      const source = `${cwd}/.reactorcide/workflow/jobs/build/job/src/tree`;
      await runShell(cwd, `cp -a "${source}" copy`);
      assertEquals(
        await runShell(`${cwd}/tree/tree`, SHOW),
        await runShell(`${cwd}/copy`, SHOW),
        `seed ${random.seed}`,
      );
    }
  });

  it("are merged like copies by cp --remove-destination", async () => {
    const random = new Random();
    for (let round = 0; round < 5; round++) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      for (const name of ["old", "new"]) {
        await makeFiles(path, { [`${name}/last`]: name });
        await runShell(`${path}/${name}`, randomTree(random));
      }
      await runShell(path, "cp -a old expected; cp -a old merged");
      const before = await runShell(`${path}/merged`, SHOW);
      const isCopied = await runShell(
        path,
        "cp -dR --preserve=mode,links --remove-destination -T new expected",
      ).then(() => true, () => false);
      let merged: unknown;
      await mergeTree(`${path}/new`, `${path}/merged`).catch((error) =>
        merged = error
      );
      // A directory in the place of a file is an error in both cases.
      assertEquals(merged === undefined, isCopied, `seed ${random.seed}`);
      if (!isCopied) continue;
      // The copy sets the modes of directories that are there already.
      const files = SHOW.replace("find .", "find . ! -type d");
      assertEquals(
        await runShell(`${path}/merged`, files.replaceAll(" %n", "")),
        await runShell(`${path}/expected`, files.replaceAll(" %n", "")),
        `seed ${random.seed}, before: ${before}`,
      );
    }
  });

  it("are not merged behind a link that a step creates meanwhile", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const outside = { "file": "outside", "e/": "", "e/file": "outside" };
    await makeFiles(`${path}/outside`, outside);
    await Deno.symlink(`${path}/outside`, `${path}/link`);
    const swap = { folder: `${path}/to/d`, link: `${path}/link` };
    for (let round = 0; round < 100; round++) {
      const files = { "d/file": "new", "d/e/file": "new" };
      await makeFiles(`${path}/from`, files);
      await makeFiles(`${path}/to`, { "d/e/file": "old" });
      await swapDuring(swap, () => mergeTree(`${path}/from`, `${path}/to`));
      assertEquals(await listFiles(`${path}/outside`), outside, `${round}`);
      await Deno.remove(`${path}/from`, { recursive: true });
    }
  });

  it("contain exactly the files that the patterns select", () => {
    const random = new Random();
    const words = ["a", "b", "*", "**", "a*", "?", "[ab]", "x.js", "*.js"];
    const paths: string[] = [];
    for (const one of ["a", "b", "x.js"]) {
      paths.push(one);
      for (const two of ["a", "ab", "x.js"]) {
        paths.push(`${one}/${two}`, `${one}/${two}/b`);
      }
    }
    for (let round = 0; round < 300; round++) {
      const patterns = Array.from(
        { length: 1 + random.below(2) },
        () =>
          Array.from(
            { length: 1 + random.below(3) },
            () => random.pick(words),
          ).join("/"),
      );
      const isSelected = pathMatcher(patterns);
      for (const path of paths) {
        const parts = path.split("/");
        const expected = patterns.some((pattern) =>
          parts.some((_, at) =>
            eventGlob(pattern)(parts.slice(0, at + 1).join("/"))
          )
        );
        assertEquals(isSelected(path), expected, `${patterns} ${path}`);
      }
    }
  });
});

describe("a run that is killed while it saves an artifact", () => {
  it("leaves no partial files, and passes it on when it is resumed", async () => {
    await using directory = await temporaryDirectory();
    const [cwd, store] = [`${directory.path}/ci`, `${directory.path}/store`];
    await makeFiles(cwd, {
      "ci.yaml": `
name: ci
jobs:
  build:
    command: head -c 5000000 /dev/urandom > large; echo built > small
    artifacts: { all: { paths: [large, small] } }
${
        ["one", "two", "three"].map((name) => `
  ${name}:
    needs: [{ job: build, artifacts: [all] }]
    command: cat small; stat -c %s large`).join("")
      }
`,
    });
    const env = { REACTORCIDE_CACHE_STORE: store };
    const random = new Random();
    let isKilled = false;
    for (let round = 0; round < 3; round++) {
      await using cli = startCli(["workflow", "run", "ci.yaml"], { cwd, env });
      // The process is killed when it has written some of the pack.
      const bytes = 1 + random.below(5_000_000);
      isKilled = await killAfter(cli, `${store}/tmp`, bytes);
      // A manifest that is there is complete.
      const list = await runMain(["artifacts", "list", "--all", "--json"], {
        cwd,
        env,
      });
      for (const { run } of JSON.parse(list.stdout)) {
        const args = ["artifacts", "get", "all", "--run", run, "-o", "out"];
        assertEquals((await runMain(args, { cwd, env })).code, 0);
      }
    }
    // A run that was too fast to be killed has nothing to resume.
    const resume = isKilled ? ["--resume"] : [];
    const { code, stdout, stderr } = await runMain(
      ["workflow", "run", "ci.yaml", "--concurrency", "3", ...resume],
      { cwd, env },
    );
    assertEquals(code, 0, stderr);
    assertEquals(stdout.match(/built/g)?.length, 3);
    assertEquals(stdout.match(/5000000/g)?.length, 3);
    const left = await listFiles(`${store}/tmp`);
    assertEquals(left, {});
  });
});
