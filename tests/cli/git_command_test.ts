import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CliResult } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { GIT_ENV, makeRepository } from "../helpers/git_repository.ts";
import { startGitServer } from "../helpers/git_server.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** The command line keeps its caches in the home directory, which must exist. */
const { HOME: _home, ...CLI_GIT_ENV } = GIT_ENV;

describe("runnerlib git", () => {
  it("files-changed lists files, and distinguishes none from unknown", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const source = await makeRepository(`${path}/job/src`);
    await source.commit({ a: "1" });
    await source.commit({ "b c": "1", "d\ne": "1" });
    const run = (...args: string[]) =>
      runMain(["git", "files-changed", ...args], {
        cwd: path,
        env: CLI_GIT_ENV,
      });
    const lines = await run("HEAD^");
    assertEquals([lines.code, lines.stdout], [0, 'b c\n"d\\ne"\n']);
    const raw = await run("HEAD^", "-z");
    assertEquals([raw.code, raw.stdout], [0, "b c\0d\ne\0"]);
    await source.git("rm", "--quiet", "a");
    await source.commit({ "b c": "2", "deep/er/new": "1" });
    const mixed = await run("HEAD~1");
    assertEquals([mixed.code, mixed.stdout], [0, "a\nb c\ndeep/er/new\n"]);
    const none = await run("HEAD");
    assertEquals([none.code, none.stdout, none.stderr], [0, "", ""]);
    for (const args of [["nope"], ["HEAD", "--code-dir", "/job/none"]]) {
      const unknown = await run(...args);
      assertEquals([unknown.code, unknown.stdout], [1, ""]);
      assertStringIncludes(unknown.stderr, "Cannot ");
    }
    assertEquals((await run()).code, 2);
    assertEquals((await run("HEAD", "--code-dir", "/etc")).code, 1);
  });

  it("info reports what is checked out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const source = await makeRepository(`${path}/job/src`);
    const commit = await source.commit({ a: "1" });
    const run = (cwd: string, env = {}) =>
      runMain(["git", "info"], { cwd, env: { ...CLI_GIT_ENV, ...env } });
    const text = (jobPath: string) =>
      `Code directory: ${path}/job/src
Container path: ${jobPath}
Branch: main
Commit: ${commit.slice(0, 8)}
Status: clean
Remotes: none
`;
    await makeFiles(path, { "tmp/": "" });
    const outside = await run(path, { TMPDIR: `${path}/tmp` });
    assertEquals([outside.code, outside.stdout], [0, text("/job/src")]);
    assertEquals(await Array.fromAsync(Deno.readDir(`${path}/tmp`)), []);
    // As a job calls it, with the real path of its code in a variable.
    const env = { REACTORCIDE_CODE_DIR: `${path}/job/src` };
    const inside = await run(`${path}/job/src`, env);
    assertEquals([inside.code, inside.stdout], [0, text(`${path}/job/src`)]);
    assertEquals((await run("/")).code, 1);
  });
});

describe("runnerlib run with a git source", () => {
  /** Runs a job whose source needs the credentials of a worker. */
  async function runWithCredentials(
    cwd: string,
    url: string,
    env: Record<string, string> = {},
  ): Promise<CliResult> {
    await makeFiles(cwd, {
      "job/auth/credentials": `${
        new URL(url).origin.replace("//", "//me:horse@")
      }\n`,
      "job/auth/gitconfig":
        `[credential]\n\thelper = store --file ${cwd}/job/auth/credentials\n`,
    });
    const { GIT_CONFIG_GLOBAL: _, ...gitEnv } = CLI_GIT_ENV;
    return await runMain([
      ...["run", "--source-type", "git", "--source-url", url],
      "--job-command",
      'cat version; echo "[$GIT_CONFIG_GLOBAL]"; git status --short',
    ], {
      cwd,
      env: {
        ...gitEnv,
        HOME: cwd,
        GIT_CONFIG_GLOBAL: `${cwd}/job/auth/gitconfig`,
        REACTORCIDE_VCS_AUTH_DIR: `${cwd}/job/auth`,
        ...env,
      },
    });
  }

  it("uses the credentials of a worker, and removes them in every outcome", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ version: "one\n" });
    await using server = startGitServer(path);
    server.faults = { login: "me:horse" };
    const url = `${server.url}origin/.git`;
    const good = await runWithCredentials(path, url);
    assertEquals([good.code, good.stdout], [0, "one\n[]\n"]);
    assertEquals(await exists(`${path}/job/auth`), false);
    for (
      const [name, value] of [
        ["SOURCE_REF", "nope"],
        ["SOURCE_REF", "--upload-pack=x"],
        ["FETCH_DEPTH", "many"],
        ["GIT_FILTER", "none"],
      ]
    ) {
      const bad = await runWithCredentials(path, url, {
        [`REACTORCIDE_${name}`]: value,
      });
      assertEquals([bad.code, bad.stdout], [1, ""]);
      assertEquals(await exists(`${path}/job/auth`), false);
    }
  });
});

describe("runnerlib checkout", () => {
  it("takes options for large repositories", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ "file": "1", "a/b": "1", "c/d": "1" });
    await origin.commit({ file: "2" });
    const { code, stdout } = await runMain([
      ...["checkout", "origin", "--ref", "main", "--fetch-depth", "2"],
      ...["--sparse-paths", "a", "--git-mirror", "mirrors", "--git-lfs=off"],
    ], { cwd: path, env: CLI_GIT_ENV });
    assertEquals([code, stdout], [0, `${path}/job/src\n`]);
    assertEquals(await exists(`${path}/job/src/a/b`), true);
    assertEquals(await exists(`${path}/job/src/c`), false);
    assertEquals(await exists(`${path}/mirrors`), true);
  });
});
