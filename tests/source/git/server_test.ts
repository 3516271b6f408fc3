import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { prepareSource } from "../../../src/source/prepare.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { type GitServer, startGitServer } from "../../helpers/git_server.ts";
import { sourceContext } from "../../helpers/source_context.ts";
import {
  exists,
  listFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";
import type { GitOptions } from "../../../src/source/source.ts";

/**
 * A repository with three commits behind a server, and a directory for the
 * source.
 */
interface Scene extends AsyncDisposable {
  readonly server: GitServer;
  readonly origin: GitRepository;
  /** IDs of the commits; the last one is on no branch. */
  readonly ids: readonly [string, string, string];
  readonly context: ReturnType<typeof sourceContext>;
  /** Absolute path of the source. */
  readonly target: string;
  /** Prepares the source, with two short delays for the server. */
  prepare(ref: string, git?: GitOptions): Promise<string | undefined>;
}

async function openScene(env: Record<string, string> = {}): Promise<Scene> {
  const directory = await temporaryDirectory();
  const origin = await makeRepository(`${directory.path}/origin`);
  const first = await origin.commit({ version: "1" });
  const second = await origin.commit({ version: "2", "a/b": "b" });
  await origin.git("checkout", "--quiet", "--detach");
  const third = await origin.commit({ version: "3" });
  await origin.git("checkout", "--quiet", "main");
  const server = startGitServer(directory.path);
  const context = sourceContext({ cwd: directory.path, env });
  const target = context.workspace.pathOf("/job/src");
  return {
    server,
    origin,
    ids: [first, second, third],
    context,
    target,
    async prepare(ref, git = {}) {
      const { commit } = await prepareSource({
        type: "git",
        url: `${server.url}origin/.git`,
        ref,
        target,
        replace: true,
        git: { retry: { attempts: 3, delayMs: 1 }, ...git },
      }, context);
      return commit;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Asserts that the source cannot be prepared and nothing of it remains. */
async function assertNothing(
  scene: Scene,
  ref: string,
  message: string,
  git?: GitOptions,
): Promise<void> {
  const error = await assertRejects(
    () => scene.prepare(ref, git),
    RunnerError,
    message,
  );
  assertEquals(error.code, "source-failed");
  assertEquals(await exists(scene.target), false);
}

describe("gitSource() with a server", () => {
  it("fetches one commit in two requests", async () => {
    await using scene = await openScene();
    const { server, ids } = scene;
    assertEquals(await scene.prepare(ids[0]), ids[0]);
    assertEquals(server.requests, [
      "GET /origin/.git/info/refs?service=git-upload-pack",
      "POST /origin/.git/git-upload-pack",
    ]);
  });

  it("retries broken connections", async () => {
    await using scene = await openScene();
    for (
      const faults of [
        { dropped: 2 },
        { cut: 2 },
        { status: [503, 2] as [number, number] },
        { status: [429, 1] as [number, number] },
      ]
    ) {
      scene.server.faults = faults;
      assertEquals(await scene.prepare("main"), scene.ids[1]);
      assertEquals(await Deno.readTextFile(`${scene.target}/version`), "2");
    }
    const warnings = scene.context.log.lines.filter((line) =>
      line.includes("retrying")
    );
    assertEquals(warnings.length, 7);
  });

  it("gives up if connections keep breaking, and leaves nothing behind", async () => {
    await using scene = await openScene();
    scene.server.faults = { dropped: 99 };
    await assertNothing(scene, "main", "Cannot check out");
    scene.server.faults = { cut: 99 };
    await assertNothing(scene, "main", "Cannot check out");
    scene.server.faults = { status: [500, 99] };
    await assertNothing(scene, "main", "error: 500");
  });

  it("does not retry if access is denied", async () => {
    await using scene = await openScene();
    for (const code of [401, 403, 404]) {
      scene.server.faults = { status: [code, 99] };
      const before = scene.server.requests.length;
      await assertNothing(scene, "main", "Cannot clone");
      assert(scene.server.requests.length - before <= 2);
    }
  });

  it("continues without a filter that is refused", async () => {
    await using scene = await openScene();
    await scene.origin.git("config", "uploadpack.allowFilter", "true");
    scene.server.faults = { refusesFilter: true };
    const filter = "blob:none";
    assertEquals(await scene.prepare("main", { filter }), scene.ids[1]);
    const config = await Deno.readTextFile(`${scene.target}/.git/config`);
    assert(!/promisor|partial/i.test(config), config);
  });

  it("continues without a depth that is refused", async () => {
    await using scene = await openScene();
    scene.server.faults = { refusesDepth: true };
    for (const ref of [scene.ids[0], "main"]) {
      await scene.prepare(ref, { filter: "blob:none" });
      assertEquals(await exists(`${scene.target}/.git/shallow`), false);
    }
  });

  it("searches the history for a commit that the server does not serve", async () => {
    await using scene = await openScene();
    await scene.origin.git("config", "uploadpack.allowAnySHA1InWant", "false");
    scene.server.faults = { speaksOldProtocol: true };
    const [first, second, third] = scene.ids;
    assertEquals(await scene.prepare(first), first);
    assertEquals(await scene.prepare(second), second);
    await assertNothing(scene, third, "the repository has no such commit");
  });

  it("searches the pull request first", async () => {
    await using scene = await openScene({ REACTORCIDE_PR_NUMBER: "7" });
    const { origin, server, ids: [first, , third] } = scene;
    await origin.git("config", "uploadpack.allowAnySHA1InWant", "false");
    server.faults = { speaksOldProtocol: true };
    for (const folder of ["pull", "merge-requests"]) {
      await origin.git("update-ref", `refs/${folder}/7/head`, third);
      assertEquals(await scene.prepare(third), third);
      assertEquals(await scene.prepare(third.slice(0, 9)), third);
      assertEquals(await scene.prepare(first), first);
      await origin.git("update-ref", "-d", `refs/${folder}/7/head`);
    }
  });

  it("rejects another commit than the requested one", async () => {
    await using scene = await openScene();
    const [first, , third] = scene.ids;
    scene.server.faults = { swapped: [third, first] };
    await assertNothing(scene, third, "Cannot check out");
  });

  it("hides its credentials everywhere, even in the clone", async () => {
    await using scene = await openScene();
    scene.server.faults = { login: "me:correct horse" };
    const url = scene.server.url.replace("//", "//me:correct%20horse@");
    const { context, target } = scene;
    await scene.origin.git("config", "uploadpack.allowFilter", "true");
    for (const filter of [undefined, "blob:none"]) {
      await prepareSource({
        type: "git",
        url: `${url}origin/.git`,
        ref: "main",
        target,
        replace: true,
        git: { filter },
      }, context);
      assertEquals(await Deno.readTextFile(`${target}/version`), "2");
      const said = JSON.stringify(context.log.lines);
      assert(!/correct/.test(said), said);
      for (const file of ["config", "FETCH_HEAD", "logs/HEAD"]) {
        const text = await Deno.readTextFile(`${target}/.git/${file}`);
        assert(!/correct|me:/.test(text), `${file}: ${text}`);
      }
    }
    scene.server.faults = { login: "another:one" };
    const error = await assertRejects(
      () =>
        prepareSource({
          type: "git",
          url: `${url}origin/.git`,
          target,
          replace: true,
        }, context),
      RunnerError,
    );
    assert(!/correct/.test(error.message), error.message);
    assertEquals(await listFiles(target).catch(() => ({})), {});
  });
});
