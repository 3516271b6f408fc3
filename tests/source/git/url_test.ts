import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import {
  repositoryIdentity,
  resolveGitUrl,
} from "../../../src/source/git/url.ts";

describe("resolveGitUrl()", () => {
  it("passes URLs unchanged", () => {
    const urls = [
      "https://example.com/a/b.git",
      "http://me:secret@example.com:8080/a%20b?c#d",
      "ssh://git@example.com:22/a",
      "git+ssh://example.com/a",
      "ssh+git://example.com/a",
      "ssh://[::1]:22/a",
      "git@example.com:a/b.git",
      "[::1]:a",
      "[git@example.com:22]:a",
      "git://example.com/a",
      "file:///a/b",
      "/a/b",
    ];
    for (const url of urls) assertEquals(resolveGitUrl(url, "/here").href, url);
  });

  it("makes local paths absolute", () => {
    const paths = {
      ".": "/here",
      "./a": "/here/a",
      "../a": "/a",
      "a/b:c": "/here/a/b:c",
      "./-a": "/here/-a",
      "./a::b": "/here/a::b",
    };
    for (const [path, location] of Object.entries(paths)) {
      assertEquals(resolveGitUrl(path, "/here").href, location);
    }
  });

  it("recognizes what git opens on this machine", () => {
    for (
      const url of ["a", "/a", "./a:b", "file:///a"]
    ) assert(resolveGitUrl(url, "/here").isLocal, url);
    for (
      const url of ["host:a", "https://example.com/a", "ssh://example.com/a"]
    ) assert(!resolveGitUrl(url, "/here").isLocal, url);
  });

  it("rejects everything that git could take as an option or a command", () => {
    const problems = {
      "": "is empty",
      " ": "is empty",
      "-oProxyCommand=touch marker": 'starts with "-"',
      "--upload-pack=touch marker": 'starts with "-"',
      "-u": 'starts with "-"',
      "ext::sh -c 'touch marker'": 'names the transport helper "ext"',
      "EXT::x": 'names the transport helper "EXT"',
      "fd::7": 'names the transport helper "fd"',
      "https::https://example.com": 'names the transport helper "https"',
      "::x": 'names the transport helper ""',
      "htps://example.com/a": '; did you mean "https://"?',
      "javascript://example.com/a": 'must start with "file://", "git://"',
      "HTTPS://example.com/a": 'must start with "file://", "git://"',
      "://example.com/a": 'must start with "file://", "git://"',
      "https://example.com/a\nhost=evil": "contains a control character",
      "https://example.com/a\0": "contains a control character",
      "a\x7fb": "contains a control character",
      "https://example.com%0ahost=evil/a": "an encoded control character",
      "https://example.com/%00": "an encoded control character",
      "ssh://-oProxyCommand=touch%20marker/a": "a user or host that starts",
      "ssh://%2doProxyCommand=x/a": "a user or host that starts",
      "ssh://git@-oProxyCommand=x/a": "a user or host that starts",
      "ssh://-oProxyCommand=x@host/a": "a user or host that starts",
      "ssh://[-oProxyCommand=x]:22/a": "a user or host that starts",
      "git@-oProxyCommand=x:a": "a user or host that starts",
      "[-oProxyCommand=x]:a": "a user or host that starts",
    };
    for (const [url, problem] of Object.entries(problems)) {
      const error = assertThrows(
        () => resolveGitUrl(url, "/here"),
        RunnerError,
        problem,
      );
      assertEquals(error.code, "source-failed");
    }
  });

  it("does not repeat the user info of a rejected URL", () => {
    assertThrows(
      () => resolveGitUrl("https://me:secret\n@example.com/a", "/here"),
      RunnerError,
      'Cannot clone "https://***@example.com/a": the URL contains',
    );
  });
});

Deno.test("repositoryIdentity() ignores differences in spelling", () => {
  const spellings = [
    "https://github.com/user/repo",
    "https://github.com/user/repo.git",
    "https://github.com/user/repo/",
    "https://me:secret@GitHub.com:443/user/repo.git/",
    "ssh://git@github.com/user/repo.git",
    "git@github.com:user/repo.git",
    "git://github.com/user/repo",
  ];
  for (const one of spellings) {
    assertEquals(repositoryIdentity(one), "github.com/user/repo");
    assertEquals(
      resolveGitUrl(one, "/here").identity,
      repositoryIdentity(one),
    );
  }
  for (
    const other of [
      "https://github.com/user/Repo",
      "https://github.com/user/repo2",
      "https://gitlab.com/user/repo",
      "https://github.com:8443/user/repo",
      "/github.com/user/repo",
    ]
  ) {
    assertNotEquals(repositoryIdentity(other), "github.com/user/repo", other);
  }
  for (const path of ["/a/b", "/a/b.git", "/a/b/", "file:///a/b"]) {
    assertEquals(repositoryIdentity(path), "/a/b");
  }
});
