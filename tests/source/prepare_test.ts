import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import type { SourceContext, SourceRequest } from "../../src/source/source.ts";
import { ownsPath, removeOwnedPaths } from "../../src/workspace/owned_paths.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Requests a copy of `from` at `/job/src` by default. */
function request(
  { workspace }: SourceContext,
  changes: Partial<SourceRequest> = {},
): SourceRequest {
  return {
    type: "copy",
    url: "from",
    target: workspace.pathOf("/job/src"),
    replace: false,
    ...changes,
  };
}

describe("prepareSource()", () => {
  it("does nothing for type none", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path });
    assertEquals(
      await prepareSource(request(context, { type: "none" }), context),
      {},
    );
    assertEquals(await listFiles(directory.path), {});
  });

  it("fills a directory that is missing or empty", async () => {
    for (const inContainer of [false, true]) {
      for (const state of ["absent", "empty"]) {
        await using directory = await temporaryDirectory();
        const context = sourceContext({ cwd: directory.path, inContainer });
        await makeFiles(directory.path, { "from/file": "new" });
        const target = context.workspace.pathOf("/job/src");
        if (state === "empty") await Deno.mkdir(target, { recursive: true });
        assertEquals(await prepareSource(request(context), context), {
          path: target,
          commit: undefined,
        });
        assertEquals(await listFiles(target), { "file": "new" });
        assertEquals(await ownsPath(context.workspace, target), !inContainer);
      }
    }
  });

  it("returns the commit of a git source", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const commit = await origin.commit({ file: "text" });
    const context = sourceContext({ cwd: directory.path });
    const git = request(context, { type: "git", url: "origin", ref: "main" });
    const path = context.workspace.pathOf("/job/src");
    assertEquals(await prepareSource(git, context), { path, commit });
    assertEquals(await Deno.readTextFile(`${path}/file`), "text");
    // The runner may replace what it has created.
    assertEquals(await prepareSource(git, context), { path, commit });
    assertEquals(await removeOwnedPaths(context.workspace), [path]);
  });

  it("keeps the source that a worker put into a container", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path, inContainer: true });
    await makeFiles(directory.path, {
      "from/file": "new",
      "job/src/file": "mounted",
    });
    const target = context.workspace.pathOf("/job/src");
    assertEquals(await prepareSource(request(context), context), {
      path: target,
      skipped: true,
    });
    assertEquals(await listFiles(target), { "file": "mounted" });
    assertEquals(context.log.lines, [
      `info source: The source already exists {"path":"${target}"}`,
    ]);
  });

  it("replaces CI code in a container", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path, inContainer: true });
    const target = context.workspace.pathOf("/job/ci");
    await makeFiles(directory.path, {
      "from/file": "trusted",
      "job/ci/evil": "planted",
      "job/ci/deep/evil": "planted",
    });
    await prepareSource(request(context, { target, replace: true }), context);
    assertEquals(await listFiles(target), { "file": "trusted" });
  });

  it("never replaces a directory of a user", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path });
    await makeFiles(directory.path, {
      "from/file": "new",
      "job/src/file": "a user's",
    });
    const before = await listFiles(directory.path);
    for (const replace of [false, true]) {
      const target = context.workspace.pathOf("/job/src");
      const error = await assertRejects(
        () => prepareSource(request(context, { replace }), context),
        RunnerError,
        `Cannot prepare "${target}": the directory is not empty, and no earlier run of runnerlib created it; remove it if another runner created it, or choose another directory with --code-dir`,
      );
      assertEquals(error.code, "source-failed");
      assertEquals(await listFiles(directory.path), before);
    }
  });

  it("replaces the result of an earlier run, even an incomplete one", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path });
    const target = context.workspace.pathOf("/job/src");
    await makeFiles(directory.path, { "from/file": "1" });
    await prepareSource(request(context), context);
    await makeFiles(target, { "left/over": "" });
    await makeFiles(directory.path, { "from/file": "2" });
    await prepareSource(request(context), context);
    assertEquals(await listFiles(target), { "file": "2" });
  });

  it("leaves no partial result after a failure", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    await origin.commit({ file: "text" });
    for (const inContainer of [false, true]) {
      for (const existed of [false, true]) {
        const context = sourceContext({ cwd: directory.path, inContainer });
        const target = context.workspace.pathOf("/job/src");
        if (existed) await Deno.mkdir(target, { recursive: true });
        const git = request(context, {
          type: "git",
          url: "origin",
          ref: "missing",
        });
        await assertRejects(() => prepareSource(git, context), RunnerError);
        assertEquals(await exists(target), existed);
        if (existed) assertEquals(await listFiles(target), {});
        // A user may put something there now, which must not be replaced.
        assertEquals(await ownsPath(context.workspace, target), false);
        await Deno.remove(context.workspace.base, { recursive: true });
      }
    }
  });

  it("leaves no partial result after a cancellation", async () => {
    await using directory = await temporaryDirectory();
    // A server that accepts connections and sends nothing.
    using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = server.addr as Deno.NetAddr;
    const context = sourceContext({ cwd: directory.path, inContainer: true });
    const target = context.workspace.pathOf("/job/src");
    await Deno.mkdir(target, { recursive: true });
    const prepared = prepareSource(
      request(context, { type: "git", url: `git://127.0.0.1:${port}/a` }),
      context,
    );
    const rejected = assertRejects(() => prepared, DOMException);
    using _connection = await server.accept();
    assert(await exists(`${target}/.git`));
    context.cancellation.cancel("SIGTERM");
    assertEquals((await rejected).name, "AbortError");
    assertEquals(await listFiles(target), {});
  });

  it("does not start if the job is already cancelled", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path });
    await makeFiles(directory.path, { "from/file": "" });
    context.cancellation.cancel("SIGINT");
    await assertRejects(
      () => prepareSource(request(context), context),
      DOMException,
    );
    assertEquals(await exists(context.workspace.base), false);
  });

  it("validates the source before it empties the directory", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path, inContainer: true });
    const target = context.workspace.pathOf("/job/ci");
    await makeFiles(target, { "file": "old" });
    const bad: Partial<SourceRequest>[] = [
      { type: "git", url: "ext::sh -c 'touch marker'" },
      { type: "git", url: "/origin", ref: "--upload-pack=touch marker" },
      { type: "copy", url: "missing" },
      { type: "copy", url: "job/ci" },
      { type: "git", url: undefined },
      { type: "copy", url: "" },
    ];
    for (const changes of bad) {
      const error = await assertRejects(
        () =>
          prepareSource(
            request(context, { target, replace: true, ...changes }),
            context,
          ),
        RunnerError,
      );
      assertEquals(error.code, "source-failed");
      assertEquals(await listFiles(target), { "file": "old" });
    }
  });

  it("follows no link that leads out of the workspace", async () => {
    await using directory = await temporaryDirectory();
    for (const inContainer of [false, true]) {
      const context = sourceContext({ cwd: directory.path, inContainer });
      await makeFiles(directory.path, {
        "from/file": "new",
        "victim/file": "a user's",
        "job/ci": "-> ../victim",
      });
      for (const path of ["/job/ci", "/job/ci/below"]) {
        const target = context.workspace.pathOf(path);
        const error = await assertRejects(
          () =>
            prepareSource(request(context, { target, replace: true }), context),
          RunnerError,
          `outside "${context.workspace.base}"`,
        );
        assertEquals(error.code, "workspace");
      }
      assertEquals(await listFiles(`${directory.path}/victim`), {
        "file": "a user's",
      });
      await Deno.remove(`${directory.path}/job`, { recursive: true });
    }
  });

  it("rejects a path that is a file", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({ cwd: directory.path, inContainer: true });
    await makeFiles(directory.path, { "from/file": "", "job/src": "a file" });
    await assertRejects(
      () => prepareSource(request(context), context),
      RunnerError,
      `Cannot prepare "${
        context.workspace.pathOf("/job/src")
      }": not a directory`,
    );
  });
});
