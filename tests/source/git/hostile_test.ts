import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { prepareSource } from "../../../src/source/prepare.ts";
import { makeRepository } from "../../helpers/git_repository.ts";
import { sourceContext } from "../../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const HOSTILE_REFS = [
  "--upload-pack=touch MARKER",
  "-u touch MARKER",
  "--exec=touch MARKER",
  "-",
  "main\n--upload-pack=touch MARKER",
  "main\0",
  "main..@{",
  "main@{upstream}",
  "@{-1}",
  "@",
  ":/text",
  "main:version",
  "main^{/text}",
  "main~1",
  "+main:refs/heads/evil",
  "*",
  "refs/heads/*:refs/heads/*",
  "../../outside",
  "a//b",
  ".hidden",
  "x.lock",
  " main",
  "$(touch MARKER)",
  "`touch MARKER`",
  "main;touch MARKER",
];

const HOSTILE_URLS = [
  "--upload-pack=touch MARKER",
  "-oProxyCommand=touch MARKER",
  "ext::sh -c touch% MARKER",
  "fd::17",
  "ssh://-oProxyCommand=touch%20MARKER/x",
  "ssh://user@-oProxyCommand=touch%20MARKER/x",
  "ssh://%2DoProxyCommand=touch%20MARKER/x",
  "-oProxyCommand=touch MARKER:x",
  "git@-oProxyCommand=touch MARKER:x",
  "https://host/x\nhost=evil",
  "https://host/x%0ahost=evil",
  "file:///x --upload-pack=touch MARKER",
  "$(touch MARKER)",
  "|touch MARKER",
  "ftp://127.0.0.1:1/x",
];

describe("a hostile git source", () => {
  it("runs nothing and leaves nothing behind, for any ref and URL", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ version: "1" });
    const before = await listFiles(path);
    const marker = `${path}/marker`;
    const pairs = [
      ...HOSTILE_REFS.map((ref) => [origin.path, ref]),
      ...HOSTILE_URLS.map((url) => [url, "main"]),
    ].map((pair) => pair.map((text) => text.replace("MARKER", marker)));
    for (const [url, ref] of pairs) {
      const context = sourceContext({ cwd: path });
      const error = await prepareSource({
        type: "git",
        url,
        ref,
        target: context.workspace.pathOf("/job/src"),
        replace: true,
        git: { retry: { attempts: 1 }, submodules: "recursive" },
      }, context).then(() => undefined, (error) => error);
      assert(error instanceof RunnerError, `${url} ${ref}: ${error}`);
      assert(!/[\0\n]/.test(error.message), error.message);
      assertEquals(await exists(marker), false, `${url} ${ref}`);
      assertEquals(await exists(`${path}/job/src`), false);
      await Deno.remove(`${path}/job`, { recursive: true }).catch(() => {});
    }
    assertEquals(await listFiles(path), before);
  });

  it("writes nothing through its links", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "outside/": "" });
    const origin = await makeRepository(`${path}/origin`);
    await Deno.symlink(`${path}/outside`, `${origin.path}/link`);
    await Deno.symlink("../../outside", `${origin.path}/relative`);
    await Deno.symlink(".git/hooks", `${origin.path}/hooks`);
    const first = await origin.commit({ version: "1" });
    // A tree in which the link is a directory, as when switching between
    // commits.
    await Deno.remove(`${origin.path}/link`);
    const second = await origin.commit({ "link/file": "x", version: "2" });
    for (const ref of [first, second, first]) {
      const context = sourceContext({ cwd: path });
      const target = context.workspace.pathOf("/job/src");
      const git = { fetchDepth: 0 };
      await prepareSource(
        { type: "git", url: origin.path, ref, target, replace: true, git },
        context,
      );
      assertEquals(await listFiles(`${path}/outside`), {});
      assertEquals(await exists(`${target}/.git/hooks`), false);
    }
  });
});
