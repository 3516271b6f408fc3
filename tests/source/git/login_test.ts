import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { evalRepository } from "../../../src/source/git/eval_repository.ts";
import { splitLogin } from "../../../src/source/git/login.ts";
import { clone } from "../../helpers/clone.ts";
import { makeRepository } from "../../helpers/git_repository.ts";
import { sourceContext } from "../../helpers/source_context.ts";
import { type GitServer, startGitServer } from "../../helpers/git_server.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** A user and password with special characters. */
const LOGIN = "us@er:p@ss:w%rd/'\\$HOME\"é";
const ENCODED = LOGIN.split(/:(.*)/s).slice(0, 2)
  .map(encodeURIComponent).join(":");

/** A helper that has the same answer for all hosts. */
const SNIPPET = "!f() { echo 'username=to ken'; echo 'password=to ken'; }; f";

/** Creates `inner`, and `outer` with submodules at the given URLs. */
async function makeModules(path: string, urls: string[]): Promise<void> {
  const inner = await makeRepository(`${path}/inner`);
  await inner.commit({ file: "inner" });
  const outer = await makeRepository(`${path}/outer`);
  for (const [index, url] of urls.entries()) {
    await outer.git(
      ...["-c", "protocol.file.allow=always", "submodule", "--quiet"],
      ...["add", "--", `${path}/inner`, `sub${index}`],
    );
    await outer.git(
      ...["config", "-f", ".gitmodules", `submodule.sub${index}.url`, url],
    );
  }
  await outer.commit({ file: "outer" });
  for (const name of ["inner", "outer"]) {
    await Deno.rename(`${path}/${name}/.git`, `${path}/${name}.git`);
  }
}

async function makeAskpass(path: string): Promise<string> {
  await makeFiles(path, {
    "askpass": `#!/bin/sh\necho "$1" >> '${path}/questions'\necho 'to ken'\n`,
  });
  await Deno.chmod(`${path}/askpass`, 0o755);
  return `${path}/askpass`;
}

function secretsOf(server: GitServer): string[] {
  return server.headers.flatMap((headers) =>
    [headers.get("authorization"), headers.get("x-token")]
      .filter((value) => value !== null)
  );
}

describe("splitLogin()", () => {
  it("keeps credentials out of the public URL", () => {
    for (
      const [url, expected] of [
        ["https://me:horse@host/x", "https://host/x"],
        ["https://token@host/x", "https://host/x"],
        ["https://me:horse@host", "https://host"],
        ["http://a%40b:c@host:8080/x.git", "http://host:8080/x.git"],
        ["ssh://git@host/x", "ssh://git@host/x"],
        ["ssh://git:horse@host/x", "ssh://git@host/x"],
        ["git@host:x", "git@host:x"],
        ["git://me:horse@host/x", "git://host/x"],
        ["/a@b/c", "/a@b/c"],
      ]
    ) {
      const { publicUrl, config } = splitLogin(url);
      assertEquals(publicUrl, expected);
      assert(!JSON.stringify(config).includes("horse"), url);
    }
  });

  it("restricts credentials to the host, or to the repository", () => {
    const keysOf = (url: string, scope: "host" | "repository") =>
      new Set(
        splitLogin(url, { scope }).config.map(([key]) => key)
          .filter((key) => key.startsWith("credential.")),
      );
    assertEquals(
      keysOf("https://a:b@host/x/y", "host"),
      new Set(["credential.https://host.helper"]),
    );
    assertEquals(
      keysOf("http://a:b@host:1/x/y", "repository"),
      new Set([
        "credential.http://host:1/x/y.helper",
        "credential.https://host:1/x/y.helper",
      ]),
    );
  });
});

describe("gitSource() with credentials", () => {
  it("uses them for submodules on the same host", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeModules(path, ["../inner.git"]);
    await using server = startGitServer(path);
    server.faults = { login: LOGIN };
    const url = server.url.replace("//", `//${ENCODED}@`);
    const cloned = await clone(path, `${url}outer.git`, { submodules: "on" });
    assertEquals(await Deno.readTextFile(`${cloned.path}/sub0/file`), "inner");
    const { stdout } = await new Deno.Command("grep", {
      args: ["-rlE", "ss%3Aw|ss:w|RUNNERLIB", cloned.path],
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "");
  });

  it("sends no credentials, token or header to other hosts", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using other = startGitServer(path);
    await makeModules(path, ["../inner.git", `${other.url}inner.git`]);
    const askpass = await makeAskpass(path);
    await using server = startGitServer(path);
    await makeFiles(path, {
      "gitconfig": "[http]\n\textraHeader = X-Token: header-token\n",
      "helper":
        `[credential]\n\thelper = store --file=${path}/store\n\thelper = "${SNIPPET}"\n[http]\n\textraHeader = X-Token: header-token\n`,
    });
    for (
      const [login, userInfo, env] of [
        [LOGIN, `${ENCODED}@`, {}],
        ["to ken:to ken", "", { GIT_ASKPASS: askpass }],
        ["me:to ken", "me@", { GIT_ASKPASS: askpass }],
        [LOGIN, `${ENCODED}@`, {
          GIT_CONFIG_GLOBAL: "/dev/null",
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraheader",
          GIT_CONFIG_VALUE_0: "X-Token: header-token",
        }],
        ["to ken:to ken", "", { GIT_CONFIG_GLOBAL: `${path}/helper` }],
        ["to ken:to ken", "", {
          GIT_CONFIG_GLOBAL: `${path}/gitconfig`,
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "Credential.Helper",
          GIT_CONFIG_VALUE_0: SNIPPET,
        }],
      ] as const
    ) {
      server.faults = { login };
      other.faults = { login: "nobody:nothing" };
      const url = server.url.replace("//", `//${userInfo}`);
      await assertRejects(
        () =>
          clone(path, `${url}outer.git`, {
            submodules: "on",
            env: { GIT_CONFIG_GLOBAL: `${path}/gitconfig`, ...env },
          }),
        RunnerError,
        `Cannot check out the submodules of`,
      );
      const inner = server.requests.findLastIndex((item) =>
        item.includes("/inner.git")
      );
      assertEquals(server.headers[inner].get("x-token"), "header-token");
      assert(other.requests.length > 0);
      assertEquals(secretsOf(other), []);
    }
    const questions = await Deno.readTextFile(`${path}/questions`);
    assert(!questions.includes(new URL(other.url).host), questions);
  });

  it("sends no credentials, token or header to another host after a redirect", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "1" });
    const askpass = await makeAskpass(path);
    await using other = startGitServer(path);
    await using server = startGitServer(path);
    const headers = (...lines: string[]) =>
      `[http]\n${lines.map((line) => `\textraHeader = ${line}\n`).join("")}`;
    await makeFiles(path, {
      "helper": `[credential]\n\thelper = "${SNIPPET}"\n`,
      "header": headers("X-Token: header-token"),
      "bound":
        `[http "${server.url}"]\n\textraHeader = X-Token: header-token\n`,
      "authorization": headers("Authorization: Basic header-token"),
    });
    for (
      const [login, userInfo, env] of [
        [LOGIN, `${ENCODED}@`, {}],
        ["to ken:to ken", "", { GIT_ASKPASS: askpass }],
        ["to ken:to ken", "", { GIT_CONFIG_GLOBAL: `${path}/helper` }],
        [undefined, "", { GIT_CONFIG_GLOBAL: `${path}/header` }],
        [undefined, "", { GIT_CONFIG_GLOBAL: `${path}/authorization` }],
        [undefined, "", { GIT_CONFIG_GLOBAL: `${path}/bound` }],
        [undefined, "", {
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraHeader",
          GIT_CONFIG_VALUE_0: "X-Token: header-token",
        }],
      ] as const
    ) {
      for (const ownLogin of [undefined, login]) {
        server.faults = { login: ownLogin, redirectTo: other.url };
        const url = server.url.replace("//", `//${userInfo}`);
        for (const otherLogin of [undefined, "nobody:nothing"]) {
          other.faults = { login: otherLogin };
          // It fails if a login is missing, or if redirects are refused.
          await clone(path, `${url}origin/.git`, {
            env: { GIT_CONFIG_GLOBAL: "/dev/null", ...env },
          }).catch((error) => assert(error instanceof RunnerError, error));
        }
      }
    }
    assertEquals(secretsOf(other), []);
    const questions = await Deno.readTextFile(`${path}/questions`);
    assert(!questions.includes(new URL(other.url).host), questions);
  });

  it("takes no settings of a repository around the clone", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "1" });
    await using server = startGitServer(path);
    server.faults = { login: LOGIN };
    const outer = await makeRepository(path);
    for (
      const [key, value] of [
        ["credential.helper", `!touch ${path}/started;`],
        ["http.extraHeader", "X-Token: header-token"],
      ]
    ) await outer.git("config", key, value);
    await assertRejects(
      () => clone(path, `${server.url}origin/.git`),
      RunnerError,
      "could not read Username",
    );
    assertEquals(secretsOf(server), []);
    assertEquals(await exists(`${path}/started`), false);
  });

  it("follows redirects without a header", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "1" });
    await using other = startGitServer(path);
    await using server = startGitServer(path);
    server.faults = { redirectTo: other.url };
    const url = server.url.replace("//", `//${ENCODED}@`);
    const cloned = await clone(path, `${url}origin/.git`);
    assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "1");
    assertEquals(secretsOf(other), []);
  });

  it("calls the operator's program after the user's helpers", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "1" });
    await using server = startGitServer(path);
    const { host } = new URL(server.url);
    const askpass = await makeAskpass(path);
    await makeFiles(path, {
      "helped":
        `[credential]\n\thelper = "!f() { echo username=u; echo password=stored; }; f"\n`,
      "alias": `[url "${server.url}"]\n\tinsteadOf = https://alias.test/\n`,
    });
    for (
      const [login, url, config] of [
        ["u:stored", server.url, "helped"],
        ["to ken:to ken", server.url, "nothing"],
        ["v:to ken", server.url.replace("//", "//v@"), "nothing"],
        ["v:given", server.url.replace("//", "//v:given@"), "helped"],
        ["to ken:to ken", "https://alias.test/", "alias"],
      ]
    ) {
      server.faults = { login };
      const cloned = await clone(path, `${url}origin/.git`, {
        env: {
          GIT_ASKPASS: askpass,
          GIT_CONFIG_GLOBAL: `${path}/${config}`,
        },
      });
      assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "1");
    }
    const questions = await Deno.readTextFile(`${path}/questions`);
    // The default branch is looked up first, over a separate connection.
    assertEquals([...new Set(questions.split("\n"))].slice(0, 3), [
      `Username for 'http://${host}': `,
      `Password for 'http://to ken@${host}': `,
      `Password for 'http://v@${host}': `,
    ]);
  });

  it("sends each of two hosts the operator's credentials for it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const name of ["head", "base"]) {
      const repository = await makeRepository(`${path}/${name}/x`);
      await repository.commit({ ".reactorcide/jobs/a.yaml": name });
    }
    await using head = startGitServer(`${path}/head`);
    await using base = startGitServer(`${path}/base`);
    head.faults = { login: "to ken:to ken" };
    base.faults = { login: "to ken:to ken" };
    const { fillRepository, fillDefinitions } = evalRepository(
      { url: `${head.url}x/.git`, ref: "main" },
      { url: `${base.url}x/.git`, ref: "main" },
      sourceContext({
        cwd: path,
        env: {
          GIT_ASKPASS: await makeAskpass(path),
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraHeader",
          GIT_CONFIG_VALUE_0: "X-Token: header-token",
        },
      }),
    );
    await makeFiles(path, { "src/": "", "ci/": "" });
    await fillRepository(`${path}/src`);
    await fillDefinitions(`${path}/ci`);
    const read = (side: string) =>
      Deno.readTextFile(`${path}/ci/${side}/.reactorcide/jobs/a.yaml`);
    assertEquals([await read("head"), await read("base")], ["head", "base"]);
    assert(secretsOf(head).includes("header-token"));
    assert(secretsOf(base).includes("header-token"));
  });
});
