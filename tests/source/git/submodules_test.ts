import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { clone } from "../../helpers/clone.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { startGitServer } from "../../helpers/git_server.ts";
import {
  exists,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/**
 * Creates `origin` with the submodule `inner`, which has the submodule
 * `innermost`.
 */
async function makeNest(path: string): Promise<GitRepository> {
  const innermost = await makeRepository(`${path}/innermost`);
  await innermost.commit({ file: "innermost" });
  const inner = await makeRepository(`${path}/inner`);
  await link(inner, "../innermost", "deep");
  await inner.commit({ file: "inner" });
  const origin = await makeRepository(`${path}/origin`);
  await link(origin, "../inner", "sub/inner");
  await origin.commit({ file: "origin" });
  // The commit of the submodule is not its newest one.
  await inner.commit({ file: "newer" });
  return origin;
}

/** Adds a submodule with any URL. */
async function link(
  repository: GitRepository,
  url: string,
  path: string,
): Promise<void> {
  await repository.git(
    ...["-c", "protocol.file.allow=always"],
    ...["submodule", "--quiet", "add", "--", url, path],
  );
}

/** Adds a submodule that git itself would reject. */
async function forge(
  repository: GitRepository,
  modules: string,
  path = "sub",
): Promise<void> {
  const id = await repository.git("rev-parse", "HEAD");
  await Deno.writeTextFile(`${repository.path}/.gitmodules`, modules);
  await repository.git("add", ".gitmodules");
  await repository.git(
    ...["update-index", "--add", "--cacheinfo", `160000,${id},${path}`],
  );
  await repository.git("commit", "--quiet", "--message", "Forged");
}

describe("gitSource() and submodules", () => {
  it("skips them, checks them out, or includes nested ones", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeNest(path);
    const read = async (submodules: "off" | "on" | "recursive") => {
      const cloned = await clone(path, "origin", { submodules });
      const files = ["sub/inner/file", "sub/inner/deep/file"];
      return await Promise.all(
        files.map((file) =>
          Deno.readTextFile(`${cloned.path}/${file}`).catch(() => undefined)
        ),
      );
    };
    assertEquals(await read("off"), [undefined, undefined]);
    assertEquals(await read("on"), ["inner", undefined]);
    assertEquals(await read("recursive"), ["inner", "innermost"]);
  });

  it("fetches only a part of their history as well", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeNest(path);
    for (const [depth, isShallow] of [[1, true], [0, false]] as const) {
      const cloned = await clone(path, `file://${path}/origin`, {
        submodules: "on",
        fetchDepth: depth,
      });
      assertEquals(
        await exists(`${cloned.path}/.git/modules/sub/inner/shallow`),
        isShallow,
      );
    }
  });

  it("rejects local directories if the repository is not local", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const secret = await makeRepository(`${path}/secret`);
    await secret.commit({ file: "secret" });
    const origin = await makeRepository(`${path}/origin`);
    await link(origin, `file://${secret.path}`, "sub");
    await origin.commit({ file: "origin" });
    await using server = startGitServer(path);
    await assertRejects(
      () => clone(path, `${server.url}origin/.git`, { submodules: "on" }),
      RunnerError,
      "transport 'file' not allowed",
    );
  });

  it("runs nothing and writes nothing outside, whatever their names are", async () => {
    const forgeries = [
      `[submodule "s"]\n\tpath = sub\n\turl = ext::sh -c "touch MARKER"\n`,
      `[submodule "s"]\n\tpath = sub\n\turl = --upload-pack=touch MARKER\n`,
      `[submodule "s"]\n\tpath = sub\n\turl = -u./payload\n`,
      `[submodule "s"]\n\tpath = sub\n\turl = ssh://-oProxyCommand=touch%20MARKER/x\n`,
      `[submodule "../../../outside"]\n\tpath = sub\n\turl = ../origin\n`,
      `[submodule "s"]\n\tpath = ../../outside\n\turl = ../origin\n`,
      `[submodule "s"]\n\tpath = -u\n\turl = ../origin\n`,
      `[submodule "s"]\n\tpath = sub\n\turl = ../origin\n\tupdate = !touch MARKER\n`,
      `[submodule "s"]\n\tpath = sub\n\turl = "../origin\\n[core]\\nfsmonitor=touch MARKER"\n`,
    ];
    for (const forgery of forgeries) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const origin = await makeRepository(`${path}/origin`);
      await origin.commit({ file: "text" });
      await forge(origin, forgery.replace("MARKER", `${path}/marker`));
      await clone(path, "origin", { submodules: "recursive" })
        .catch((error) => {
          if (!(error instanceof RunnerError)) throw error;
        });
      assertEquals(await exists(`${path}/marker`), false, forgery);
      assertEquals(await exists(`${path}/outside`), false, forgery);
      assertEquals(await exists(`${path}/../outside`), false, forgery);
    }
  });

  it("does not put them behind a link of the repository", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.mkdir(`${path}/outside`);
    const origin = await makeRepository(`${path}/origin`);
    await Deno.symlink(`${path}/outside`, `${origin.path}/link`);
    await origin.commit({ file: "text" });
    await forge(
      origin,
      `[submodule "s"]\n\tpath = link/sub\n\turl = ../origin\n`,
      "link/sub",
    ).catch(() => {});
    await clone(path, "origin", { submodules: "on" }).catch(() => {});
    assertEquals(await Array.fromAsync(Deno.readDir(`${path}/outside`)), []);
  });

  it("runs none of their hooks", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeNest(path);
    const hook = `${path}/hooks/post-checkout`;
    await Deno.mkdir(`${path}/hooks`);
    await Deno.writeTextFile(hook, `#!/bin/sh\ntouch ${path}/marker\n`);
    await Deno.chmod(hook, 0o755);
    await clone(path, origin.path, {
      submodules: "recursive",
      env: {
        GIT_CONFIG_COUNT: "2",
        GIT_CONFIG_KEY_0: "core.hooksPath",
        GIT_CONFIG_VALUE_0: `${path}/hooks`,
        GIT_CONFIG_KEY_1: "init.templateDir",
        GIT_CONFIG_VALUE_1: path,
      },
    });
    assertEquals(await exists(`${path}/marker`), false);
    assertEquals(
      await exists(`${path}/clone/.git/modules/sub/inner/hooks`),
      false,
    );
  });
});
