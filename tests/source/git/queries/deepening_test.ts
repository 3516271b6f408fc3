import { git, RunnerError } from "@reactorcide/runnerlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { clone } from "../../../helpers/clone.ts";
import { writeHistory } from "../../../helpers/git_history.ts";
import { GIT_ENV } from "../../../helpers/git_repository.ts";
import { startGitServer } from "../../../helpers/git_server.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../../helpers/temporary_directory.ts";

const { changedFiles, commitsBetween, fileAtRef } = git;

const HINT = "--fetch-depth 0, or REACTORCIDE_FETCH_DEPTH=0";

/**
 * Twenty commits on `main`; `side` branches off at the third, and `v1` is the
 * second.
 */
async function makeOrigin(path: string): Promise<{ path: string }> {
  const commits = Array.from({ length: 20 }, (_, at) => ({
    parents: at === 0 ? [] : [at - 1],
    time: 1_700_000_000 + at,
  }));
  commits.push({ parents: [2], time: 1_700_000_100 });
  const [first, second, ...others] = await writeHistory(path, commits);
  const lines = [
    `${others.at(-1)} refs/heads/side`,
    `${others.at(-2)} refs/heads/main`,
    `${first} refs/heads/root`,
    `${second} refs/tags/v1`,
  ];
  await Deno.writeTextFile(`${path}/packed-refs`, `${lines.join("\n")}\n`);
  return { path };
}

/** Environment of a job whose code is in a directory. */
function jobEnv(path: string, url: string): Record<string, string> {
  return {
    ...GIT_ENV,
    REACTORCIDE_CODE_DIR: path,
    REACTORCIDE_SOURCE_URL: url,
  };
}

/** Everything that queries find in a repository. */
async function answers(env: Record<string, string>) {
  const ids = async (base: string, head?: string) =>
    (await commitsBetween(base, { env, head })).map(({ id }) => id);
  return {
    far: await changedFiles("HEAD~17", { env }),
    branch: await changedFiles("origin/side", { env, head: "main" }),
    plain: await changedFiles("side", { env, mergeBase: false }),
    tag: await ids("v1"),
    side: await ids("HEAD", "origin/side"),
    ancestor: await fileAtRef("HEAD~5", "c3", { env }),
  };
}

describe("queries of a shallow clone", () => {
  it("fetch what they need, and do not change the clone", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    await using server = startGitServer(path);
    const whole = await clone(path, origin.path, {
      ref: "main",
      fetchDepth: 0,
    });
    const expected = await answers(jobEnv(whole.path, ""));
    const url = `${server.url}origin`;
    const cloned = await clone(path, url, { ref: "main" });
    const before = await listFiles(`${cloned.path}/.git`);
    assertEquals(await answers(jobEnv(cloned.path, url)), expected);
    const local = jobEnv(cloned.path, origin.path);
    assertEquals(
      await changedFiles("HEAD~17", { env: local }),
      expected.far,
    );
    assertEquals(await listFiles(`${cloned.path}/.git`), before);
  });

  it("find branches and tags that a short history lacks", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const cloned = await clone(path, origin.path, {
      ref: "main",
      fetchDepth: 99,
    });
    const env = jobEnv(cloned.path, origin.path);
    assertEquals(await changedFiles("side", { env, head: "v1" }), []);
    assertEquals((await commitsBetween("v1", { env, head: "side" })).length, 2);
    await assertRejects(
      () => changedFiles("nope", { env }),
      RunnerError,
      HINT,
    );
  });

  it("use the credentials while they exist, and name the option afterwards", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeOrigin(`${path}/origin`);
    await using server = startGitServer(path);
    server.faults = { login: "me:correct horse" };
    const url = `${server.url}origin`;
    const secret = url.replace("//", "//me:correct%20horse@");
    const cloned = await clone(path, secret, { ref: "main" });
    await makeFiles(path, { "auth/credentials": `${secret}\n` });
    const env = {
      ...jobEnv(cloned.path, url),
      REACTORCIDE_VCS_AUTH_DIR: `${path}/auth`,
    };
    assertEquals(await changedFiles("HEAD~2", { env }), ["c18", "c19"]);
    assertEquals(
      await changedFiles("HEAD~2", { env: jobEnv(cloned.path, secret) }),
      ["c18", "c19"],
    );
    await Deno.remove(`${path}/auth`, { recursive: true });
    for (
      const question of [
        () => changedFiles("HEAD~2", { env }),
        () => changedFiles("origin/side", { env, mergeBase: false }),
        () => commitsBetween("v1", { env }),
        () => fileAtRef("v1", "c1", { env }),
      ]
    ) {
      const error = await assertRejects(question, RunnerError, HINT);
      assertEquals(error.code, "source-failed");
      assert(!/horse/.test(error.message), error.message);
    }
  });

  it("name the option if no source is known", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeOrigin(`${path}/origin`);
    const cloned = await clone(path, origin.path, { ref: "main" });
    const env = jobEnv(cloned.path, "");
    await assertRejects(
      () => changedFiles("HEAD~2", { env }),
      RunnerError,
      `the repository has no such revision; ${HINT}`,
    );
    // The source is in another directory, or ssh would read a file of the user.
    for (
      const [codeDir, url] of [
        [path, origin.path],
        [cloned.path, "ssh://host.invalid/x"],
        [cloned.path, "git@host.invalid:x"],
      ]
    ) {
      await assertRejects(
        () =>
          changedFiles("HEAD~2", {
            directory: cloned.path,
            env: jobEnv(codeDir, url),
          }),
        RunnerError,
        `the repository has no such revision; ${HINT}`,
      );
    }
    // Nothing is missing that could be fetched.
    const error = await assertRejects(
      () => changedFiles("nope", { directory: origin.path, env: GIT_ENV }),
      RunnerError,
    );
    assert(!error.message.includes(HINT), error.message);
  });

  it("are not misled by files that a step has written", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeOrigin(`${path}/origin`);
    await makeOrigin(`${path}/evil`);
    await using server = startGitServer(path);
    await using evil = startGitServer(path);
    server.faults = { login: "me:correct horse" };
    const url = `${server.url}origin`;
    const secret = url.replace("//", "//me:correct%20horse@");
    const cloned = await clone(path, secret, { ref: "main" });
    const marker = `${path}/marker`;
    const helper = `!touch ${marker}`;
    const hostile = `
[remote "origin"]
\turl = ${evil.url}evil
\tuploadpack = touch ${marker}; git-upload-pack
\tproxy = ${evil.url}
[remote "${url}"]
\turl = ${evil.url}evil
[url "${evil.url}evil"]
\tinsteadOf = ${url}
[credential]
\thelper = "${helper}"
[core]
\tsshCommand = touch ${marker}
\tgitProxy = touch ${marker}
\thooksPath = ${path}/hooks
\talternateRefsCommand = touch ${marker}
\tfsmonitor = touch ${marker}
[http]
\tproxy = ${evil.url}
[include]
\tpath = ${path}/included
[branch "main"]
\tremote = ${evil.url}evil
`;
    const hook = `#!/bin/sh\ntouch ${marker}\n`;
    await makeFiles(path, {
      "home/.gitconfig": hostile,
      "home/.config/git/config": hostile,
      "included": hostile,
      "hooks/reference-transaction": hook,
      "askpass": hook,
      "clone/.git/hooks/reference-transaction": hook,
    });
    for (
      const program of [
        "hooks/reference-transaction",
        "askpass",
        "clone/.git/hooks/reference-transaction",
      ]
    ) await Deno.chmod(`${path}/${program}`, 0o755);
    await Deno.writeTextFile(`${cloned.path}/.git/config`, hostile, {
      append: true,
    });
    const { GIT_CONFIG_GLOBAL: _, GIT_CONFIG_NOSYSTEM: _system, ...rest } =
      GIT_ENV;
    const variables = {
      ...rest,
      HOME: `${path}/home`,
      REACTORCIDE_CODE_DIR: cloned.path,
      GIT_ASKPASS: `${path}/askpass`,
      SSH_ASKPASS: `${path}/askpass`,
      GIT_PROXY_COMMAND: `${path}/askpass`,
    };
    for (const REACTORCIDE_SOURCE_URL of [secret, url]) {
      for (const base of ["HEAD~2", "v1", "origin/side"]) {
        const env = { ...variables, REACTORCIDE_SOURCE_URL };
        const question = changedFiles(base, { env });
        if (REACTORCIDE_SOURCE_URL === secret) await question;
        else await assertRejects(() => question, RunnerError, HINT);
      }
    }
    assertEquals(await exists(marker), false);
    assertEquals(evil.requests, []);
  });
});
