import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fixedEnvironment } from "../../../src/environment/child_environment.ts";
import { RunnerError } from "../../../src/errors.ts";
import { Cancellation } from "../../../src/process/cancellation.ts";
import { gitReason, runGit } from "../../../src/source/git/run_git.ts";
import { GIT_ENV } from "../../helpers/git_repository.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

/** Runs a program named `git` that prints its environment. */
async function environmentOf(
  env: Record<string, string>,
): Promise<Record<string, string>> {
  await using directory = await temporaryDirectory();
  // Another process writes it: a program that this one has open for writing, or
  // a child of it before its start, cannot be started ("text file busy").
  await new Deno.Command("/bin/sh", {
    args: [
      "-c",
      "printf '#!/bin/sh\\nexec /usr/bin/env\\n' >git && chmod 755 git",
    ],
    cwd: directory.path,
  }).output();
  const { stdout } = await runGit([], directory.path, {
    env: fixedEnvironment({ ...env, PATH: directory.path }),
    cancellation: new Cancellation(),
  });
  return Object.fromEntries(
    stdout.trim().split("\n").map((line) => [
      line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1),
    ]),
  );
}

describe("runGit()", () => {
  it("prevents git from prompting and from using unknown transports", async () => {
    const env = await environmentOf({ SSH_ASKPASS: "/bin/x", LC_ALL: "de_DE" });
    assertEquals(env.GIT_TERMINAL_PROMPT, "0");
    assertEquals(env.GIT_ASKPASS, "");
    assertEquals(env.SSH_ASKPASS, "");
    assertEquals(env.SSH_ASKPASS_REQUIRE, "never");
    assertEquals(env.GIT_ALLOW_PROTOCOL, "file:git:http:https:ssh");
    assertEquals(env.LC_ALL, "C");
  });

  it("keeps the configuration of the environment", async () => {
    const kept = {
      GIT_SSH_COMMAND: "ssh -i key",
      GIT_CONFIG_GLOBAL: "/somewhere",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "/mine",
      GIT_CEILING_DIRECTORIES: "/",
      GIT_EXEC_PATH: "/git-core",
      HOME: "/home/me",
    };
    const env = await environmentOf({ ...kept, GIT_CONFIG_COUNT: "1" });
    for (const [name, value] of Object.entries(kept)) {
      assertEquals(env[name], value, name);
    }
    assertEquals(env.GIT_CONFIG_COUNT, "2");
    assertEquals(env.GIT_CONFIG_KEY_1, "safe.directory");
    assertEquals(env.GIT_CONFIG_VALUE_1, "*");
  });

  it("lets the environment allow fewer transports, but not more", async () => {
    const env = await environmentOf({ GIT_ALLOW_PROTOCOL: "ext:https:fd" });
    assertEquals(env.GIT_ALLOW_PROTOCOL, "https");
  });

  it("drops every variable that selects a repository", async () => {
    const { stdout } = await new Deno.Command("git", {
      args: ["rev-parse", "--local-env-vars"],
      clearEnv: true,
      env: GIT_ENV,
    }).output();
    const names = new TextDecoder().decode(stdout).trim().split("\n")
      .filter((name) => name !== "GIT_CONFIG_COUNT");
    assert(names.includes("GIT_DIR"), names.join());
    names.push(
      ...["GIT_NAMESPACE", "GIT_TEMPLATE_DIR", "GIT_DEFAULT_HASH"],
      ...["GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "GIT_ATTR_SOURCE"],
      ...["GIT_LITERAL_PATHSPECS", "GIT_QUARANTINE_PATH", "GIT_OF_TOMORROW"],
    );
    const env = await environmentOf(
      Object.fromEntries(names.map((name) => [name, "/other"])),
    );
    assertEquals(names.filter((name) => name in env), []);
  });

  it("prefers its options over the environment", async () => {
    const { stdout } = await runGit(["config", "core.hooksPath"], "/", {
      env: {
        ...GIT_ENV,
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "core.hooksPath",
        GIT_CONFIG_VALUE_0: "/evil",
      },
      cancellation: new Cancellation(),
    });
    assertEquals(stdout, "/dev/null\n");
  });

  it("reports that git is not installed", async () => {
    await using directory = await temporaryDirectory();
    const error = await assertRejects(
      () =>
        runGit(["version"], directory.path, {
          env: fixedEnvironment({ PATH: directory.path }),
          cancellation: new Cancellation(),
        }),
      RunnerError,
      'Cannot run "git": it is not installed',
    );
    assertEquals(error.code, "source-failed");
  });
});

describe("gitReason()", () => {
  const reasonOf = (stderr: string, url = "https://example.com/a") =>
    gitReason({
      exitCode: 128,
      signal: null,
      stdout: "",
      stderr,
    }, url);

  it("returns git's own reason in one line", () => {
    assertEquals(
      reasonOf("Cloning into 'x'...\nfatal: repository 'x' does not exist\n"),
      "repository 'x' does not exist",
    );
  });

  it("includes messages of ssh and the server, but no general advice", () => {
    assertEquals(
      reasonOf([
        "Cloning into 'x'...",
        "warning: something else",
        "remote: ",
        "remote: No such project.",
        "git@example.com: Permission denied (publickey).",
        "fatal: Could not read from remote repository.",
        "",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
      ].join("\n")),
      "No such project.; git@example.com: Permission denied (publickey).; " +
        "Could not read from remote repository.",
    );
  });

  it("returns something for unusual output", () => {
    assertEquals(reasonOf("something odd\n"), "something odd");
    assertEquals(reasonOf(""), "git ended with exit code 128");
  });

  it("removes terminal sequences and limits the length", () => {
    assertEquals(reasonOf("fatal: a\x1b[2Jb\u009b1mc\x07d"), "abc d");
    const long = reasonOf(`fatal: ${"x".repeat(5_000)}`);
    assertEquals(long.length, 401);
    const flood = reasonOf(`${"noise\n".repeat(100_000)}fatal: the end\n`);
    assert(flood.length <= 401);
  });

  it("hides user info, even if the output is truncated", () => {
    const url = "https://me:correct-horse@example.com/a";
    for (let length = 8_120; length < 8_260; length++) {
      const line = `fatal: ${url} ${".".repeat(length)}`;
      const reason = reasonOf(`${line}\nfatal: end`, url);
      assert(!/horse|orse|rse@/.test(reason), reason);
    }
  });
});
