import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gitReason } from "../../../src/source/git/failure_and_retry.ts";

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
