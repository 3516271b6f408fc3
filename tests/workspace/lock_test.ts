import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { openWorkspace, type Workspace } from "../../src/workspace/layout.ts";
import {
  isWorkspaceLocked,
  lockWorkspace,
  type LockWorkspaceOptions,
  type WorkspaceLock,
} from "../../src/workspace/lock.ts";
import {
  exists,
  listFiles,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const LOCK = "job/.reactorcide/lock";

function workspaceIn(directory: TemporaryDirectory): Workspace {
  const env = { REACTORCIDE_IN_CONTAINER: "false" };
  return openWorkspace({ cwd: directory.path, env });
}

function lock(
  workspace: Workspace,
  options: Partial<LockWorkspaceOptions> = {},
): Promise<WorkspaceLock> {
  return lockWorkspace(workspace, {
    command: "run",
    env: {},
    wait: false,
    signal: new AbortController().signal,
    onWait: () => {},
    ...options,
  });
}

async function assertBusy(locking: Promise<WorkspaceLock>): Promise<string> {
  const error = await assertRejects(() => locking, RunnerError);
  assertEquals(error.code, "workspace-busy");
  return error.message;
}

function under(ids: string): Partial<LockWorkspaceOptions> {
  return { env: { REACTORCIDE_WORKSPACE_LOCK: ids } };
}

describe("lockWorkspace()", () => {
  it("refuses a second lock, names the holder, and leaves no file", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    {
      await using _ = await lock(workspace, { command: "checkout" });
      assert(await isWorkspaceLocked(workspace));
      const message = await assertBusy(lock(workspace));
      const start = `Cannot use "${workspace.base}": process ${Deno.pid} ` +
        `(checkout) has held its lock since `;
      assertEquals(message.slice(0, start.length), start);
      const since = new Date(message.slice(start.length));
      assertEquals(message, start + since.toISOString());
    }
    assertEquals(await isWorkspaceLocked(workspace), false);
    assertEquals(await listFiles(directory.path), {});
    await using _ = await lock(workspace);
  });

  it("waits with `wait`, and reports it once", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const first = await lock(workspace);
    const reasons = Promise.withResolvers<string>();
    const second = lock(workspace, { wait: true, onWait: reasons.resolve });
    const reason = await reasons.promise;
    assertEquals(reason.split(":")[0], `Waiting for "${workspace.base}"`);
    await first[Symbol.asyncDispose]();
    await using _ = await second;
    await assertBusy(lock(workspace));
  });

  it("stops waiting when its signal is aborted", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await using _ = await lock(workspace);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = lock(workspace, {
      wait: true,
      signal,
      onWait: () => controller.abort(),
    });
    await assertRejects(() => waiting, DOMException);
  });

  it("gives the lock to one waiter at a time", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    let holders = 0;
    await Promise.all(Array.from({ length: 8 }, async () => {
      await using _ = await lock(workspace, { wait: true });
      assertEquals(++holders, 1);
      // Lets everything else run that is ready.
      await new Promise((resolve) => setTimeout(resolve));
      holders--;
    }));
    assertEquals(await listFiles(directory.path), {});
  });

  it("lets runners of the job use the workspace, but only one per source directory", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await using job = await lock(workspace, { sourceDirs: ["/job/src"] });
    await using a = await lock(workspace, {
      ...under(job.ids),
      sourceDirs: ["/job/src"],
    });
    await using _plain = await lock(workspace, under(job.ids));
    await using _other = await lock(workspace, {
      ...under(job.ids),
      sourceDirs: ["/job/b"],
    });
    await assertBusy(
      lock(workspace, {
        ...under(job.ids),
        sourceDirs: ["/job/b", "/job/src"],
      }),
    );
    // Its child processes can replace its source, as it can replace that of the
    // job.
    await using _nested = await lock(workspace, {
      ...under(a.ids),
      sourceDirs: ["/job/src"],
    });
    await assertBusy(
      lock(workspace, { ...under(a.ids), sourceDirs: ["/job/src"] }),
    );
    await assertBusy(lock(workspace, under("of-another-job")));
  });

  it("lets functions of the job start other jobs while they run", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await using job = await lock(workspace);
    {
      using _ = job.enterFunction();
      await using nested = await lock(workspace);
      assertEquals(nested.ids, job.ids);
    }
    await assertBusy(lock(workspace));
  });

  it("works without a file if a container does not allow one", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { job: "no directory" });
    const root = `${directory.path}/job`;
    const env = { REACTORCIDE_IN_CONTAINER: "true" };
    const workspace = openWorkspace({ cwd: directory.path, env, root });
    await using _ = await lock(workspace);
    await assertRejects(() => lock({ ...workspace, inContainer: false }));
  });

  const replaced: [what: string, files: Record<string, string>][] = [
    ["a link to a file", { [LOCK]: "-> ../../victim" }],
    ["a link that leads nowhere", { [LOCK]: "-> ../../nowhere" }],
    ["a directory", { [`${LOCK}/file`]: "" }],
    ["a directory behind a link", { "job/.reactorcide": "-> ../elsewhere" }],
  ];
  for (const [what, files] of replaced) {
    it(`does not write through ${what} that a step left`, async () => {
      await using directory = await temporaryDirectory();
      const workspace = workspaceIn(directory);
      await makeFiles(directory.path, {
        victim: "kept",
        "elsewhere/lock": "kept",
        ...files,
      });
      await (await lock(workspace))[Symbol.asyncDispose]();
      const left = {
        victim: "kept",
        "elsewhere/": "",
        "elsewhere/lock": "kept",
      };
      assertEquals(await listFiles(directory.path), left);
    });
  }

  it("does not write to a file that a step linked there", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const victim = `${directory.path}/victim`;
    await makeFiles(directory.path, {
      victim: "kept",
      "job/.reactorcide/": "",
    });
    await Deno.link(victim, `${directory.path}/${LOCK}`);
    await using _ = await lock(workspace);
    assertEquals(await Deno.readTextFile(victim), "kept");
    await assertBusy(lock(workspace));
  });

  it("does not print text that a step wrote to the file", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await using job = await lock(workspace);
    for (
      const text of ["", "{", '{"id":"a","pid":"\u001b[2J","command":"run"}']
    ) {
      await Deno.writeTextFile(`${directory.path}/${LOCK}`, text);
      assertEquals(
        await assertBusy(lock(workspace)),
        `Cannot use "${workspace.base}": another process holds its lock`,
      );
      await using _ = await lock(workspace, under(job.ids));
    }
    assert(await exists(`${directory.path}/${LOCK}`));
  });
});
