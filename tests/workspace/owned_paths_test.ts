import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { privateDirectory } from "../../src/fs/temporary_directory.ts";
import { RunnerError } from "../../src/errors.ts";
import { openWorkspace, type Workspace } from "../../src/workspace/layout.ts";
import {
  claimPath,
  ownsPath,
  releasePath,
  removeOwnedPaths,
  restoreOwnedPaths,
} from "../../src/workspace/owned_paths.ts";
import {
  exists,
  listFiles,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

function workspaceIn(
  directory: TemporaryDirectory,
  inContainer = false,
): Workspace {
  return openWorkspace({
    cwd: directory.path,
    env: { REACTORCIDE_IN_CONTAINER: String(inContainer) },
    root: `${directory.path}/job`,
  });
}

describe("claimPath()", () => {
  it("records the path without creating it", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const path = workspace.pathOf("/job/a/src");
    assertEquals(await ownsPath(workspace, path), false);
    await claimPath(workspace, path);
    await claimPath(workspace, path);
    assertEquals(await ownsPath(workspace, path), true);
    assertEquals(await ownsPath(workspace, workspace.pathOf("/job/a")), false);
    assertEquals(await exists(path), false);
    assertEquals(
      JSON.parse(
        await Deno.readTextFile(
          `${workspace.base}/.reactorcide/owned_paths.json`,
        ),
      ),
      { paths: ["a/src"] },
    );
  });

  it("can be undone", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await claimPath(workspace, workspace.pathOf("/job/src"));
    await claimPath(workspace, workspace.pathOf("/job/ci"));
    await releasePath(workspace, workspace.pathOf("/job/src"));
    await releasePath(workspace, workspace.pathOf("/job/other"));
    assert(!await ownsPath(workspace, workspace.pathOf("/job/src")));
    assert(await ownsPath(workspace, workspace.pathOf("/job/ci")));
  });

  it("refuses the workspace, the runner's files and paths outside", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, { "job/link": "-> .." });
    for (const path of ["", "/.reactorcide", "/link", "/link/x", "/../x"]) {
      const error = await assertRejects(
        () => claimPath(workspace, `${workspace.base}${path}`),
        RunnerError,
      );
      assertEquals(error.code, "workspace");
    }
  });

  it("replaces a link that leads out with a directory", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, {
      "elsewhere/": "",
      "job/.reactorcide": "-> ../elsewhere",
    });
    await claimPath(workspace, workspace.pathOf("/job/src"));
    assertEquals(await listFiles(`${directory.path}/elsewhere`), {});
    assert(await ownsPath(workspace, workspace.pathOf("/job/src")));
  });
});

describe("restoreOwnedPaths()", () => {
  const damages: [what: string, files: Record<string, string>][] = [
    ["is missing", {}],
    ["is empty", { ".reactorcide/owned_paths.json": "" }],
    ["contains other paths", {
      ".reactorcide/owned_paths.json": '{"paths": ["../x"]}',
    }],
    ["is a directory", { ".reactorcide/owned_paths.json/": "" }],
    ["is a link", { ".reactorcide/owned_paths.json": "-> ../../victim" }],
    ["is behind a link", { ".reactorcide": "-> ../elsewhere" }],
  ];
  for (const [what, files] of damages) {
    it(`restores a record that ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const workspace = workspaceIn(directory);
      await makeFiles(directory.path, { victim: "kept", "elsewhere/a": "" });
      const earlier = workspaceIn(directory);
      await claimPath(earlier, earlier.pathOf("/job/earlier"));
      await claimPath(workspace, workspace.pathOf("/job/src"));
      await Deno.remove(`${workspace.base}/.reactorcide`, { recursive: true });
      await makeFiles(workspace.base, files);
      await restoreOwnedPaths(workspace);
      assert(await ownsPath(workspace, workspace.pathOf("/job/src")));
      assert(await ownsPath(workspace, workspace.pathOf("/job/earlier")));
      assertEquals(await Deno.readTextFile(`${directory.path}/victim`), "kept");
      assertEquals(await listFiles(`${directory.path}/elsewhere`), { a: "" });
    });
  }

  it("keeps paths that another process recorded at the same time", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const other = workspaceIn(directory);
    await claimPath(workspace, workspace.pathOf("/job/a"));
    await claimPath(other, other.pathOf("/job/b"));
    await restoreOwnedPaths(workspace);
    for (const path of ["/job/a", "/job/b"]) {
      assert(await ownsPath(workspace, workspace.pathOf(path)));
    }
  });
});

describe("removeOwnedPaths()", () => {
  it("removes only what the runner created", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(workspace.base, {
      "src/file": "ours",
      "a/b/ci/file": "ours",
      "mine/file": "a user's",
    });
    for (const path of ["/job/src", "/job/a/b/ci", "/job/never-made"]) {
      await claimPath(workspace, workspace.pathOf(path));
    }
    assertEquals(await removeOwnedPaths(workspace), [
      workspace.pathOf("/job/src"),
      workspace.pathOf("/job/a/b/ci"),
    ]);
    assertEquals(await listFiles(workspace.base), {
      "mine/": "",
      "mine/file": "a user's",
    });
    assertEquals(await removeOwnedPaths(workspace), []);
  });

  it("removes an empty workspace, except in a container", async () => {
    await using directory = await temporaryDirectory();
    for (const inContainer of [false, true]) {
      const workspace = workspaceIn(directory, inContainer);
      await makeFiles(workspace.base, { "src/file": "" });
      await claimPath(workspace, workspace.pathOf("/job/src"));
      await removeOwnedPaths(workspace);
      assertEquals(await exists(workspace.base), inContainer);
    }
    assertEquals(await listFiles(`${directory.path}/job`), {});
  });

  it("does nothing if nothing was created", async () => {
    await using directory = await temporaryDirectory();
    assertEquals(await removeOwnedPaths(workspaceIn(directory)), []);
    assertEquals(await listFiles(directory.path), {});
  });

  it("unlinks a recorded path that has become a link", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, { "victim/file": "a user's" });
    await claimPath(workspace, workspace.pathOf("/job/src"));
    await Deno.symlink("../victim", `${workspace.base}/src`);
    await removeOwnedPaths(workspace);
    assertEquals(await listFiles(directory.path), {
      "victim/": "",
      "victim/file": "a user's",
    });
  });

  it("does not follow links inside what it removes", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, {
      "victim/file": "a user's",
      "job/src/link": "-> ../../victim",
    });
    await claimPath(workspace, workspace.pathOf("/job/src"));
    await removeOwnedPaths(workspace);
    assertEquals(await listFiles(directory.path), {
      "victim/": "",
      "victim/file": "a user's",
    });
  });

  it("removes no path of a record that was tampered with", async () => {
    const records = [
      '{"paths":["src","../victim"]}',
      '{"paths":["src/../../victim"]}',
      '{"paths":["/etc"]}',
      '{"paths":["."]}',
      '{"paths":[""]}',
      '{"paths":[".reactorcide"]}',
      '{"paths":["src\\u0000"]}',
      '{"paths":["src/"]}',
      '{"paths":[7]}',
      '{"paths":"src"}',
      "[]",
      "null",
      "",
      "{",
    ];
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    const file = `${workspace.base}/.reactorcide/owned_paths.json`;
    await makeFiles(directory.path, {
      "victim/file": "a user's",
      "job/src/file": "",
      "job/.reactorcide/": "",
    });
    const before = await listFiles(directory.path);
    delete before["job/.reactorcide/"];
    for (const record of records) {
      await makeFiles(workspace.base, {
        ".reactorcide/owned_paths.json": record,
      });
      const reasons: string[] = [];
      const removed = await removeOwnedPaths(workspace, (reason) => {
        reasons.push(reason);
      });
      assertEquals(removed, []);
      assertStringIncludes(
        reasons.join(),
        `Left the recorded paths: Cannot read the record "${file}": `,
      );
      assertEquals(await listFiles(directory.path), before);
    }
  });

  it("removes nothing through a directory that has become a link", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await makeFiles(directory.path, { "victim/src/file": "a user's" });
    await claimPath(workspace, workspace.pathOf("/job/a/src"));
    await Deno.symlink("../victim", `${workspace.base}/a`);
    await claimPath(workspace, workspace.pathOf("/job/src"));
    const reasons: string[] = [];
    await removeOwnedPaths(workspace, (reason) => void reasons.push(reason));
    assertEquals(reasons.map((reason) => reason.split(": ")[1]), [
      `it leads to "${directory.path}/victim", outside "${workspace.base}"`,
    ]);
    assertEquals(await exists(`${workspace.base}/.reactorcide`), false);
    assert(await exists(`${directory.path}/victim/src/file`));
  });

  const replaced: [what: string, files: Record<string, string>][] = [
    ["links", { "outputs.json": "-> ../../victim/file", "run.json": "-> /x" }],
    ["directories", { "outputs.json/a/b": "", "run.json/c": "", "tmp/": "" }],
  ];
  for (const [what, files] of replaced) {
    it(`removes ${what} with which a step replaced its files`, async () => {
      await using directory = await temporaryDirectory();
      const workspace = workspaceIn(directory);
      const victim = { "victim/file": "kept" };
      await makeFiles(directory.path, { ...victim, "job/src/file": "ours" });
      await claimPath(workspace, workspace.pathOf("/job/src"));
      await makeFiles(`${workspace.base}/.reactorcide`, files);
      await removeOwnedPaths(workspace);
      assertEquals(await listFiles(directory.path), {
        "victim/": "",
        ...victim,
      });
    });
  }

  it("removes temporary files of killed runs, but not those in use", async () => {
    await using directory = await temporaryDirectory();
    const workspace = workspaceIn(directory);
    await claimPath(workspace, workspace.pathOf("/job/src"));
    const parent = `${workspace.base}/.reactorcide/tmp`;
    {
      using used = privateDirectory([parent]);
      await removeOwnedPaths(workspace);
      assert(await exists(used.path));
    }
    await removeOwnedPaths(workspace);
    assertEquals(await listFiles(directory.path), {});
  });

  const inPlaceOfRecord: [what: string, command: string[]][] = [
    ["a directory", ["mkdir", "-p", "owned_paths.json/a"]],
    ["a pipe", ["mkfifo", "owned_paths.json"]],
    ["a link to a device", ["ln", "-s", "/dev/zero", "owned_paths.json"]],
    ["a huge file", ["truncate", "-s", "1T", "owned_paths.json"]],
  ];
  for (const [what, [program, ...args]] of inPlaceOfRecord) {
    it(`removes ${what} with which a step replaced the record`, async () => {
      await using directory = await temporaryDirectory();
      const workspace = workspaceIn(directory);
      const cwd = `${workspace.base}/.reactorcide`;
      await makeFiles(cwd, { "outputs.json": "{}" });
      await new Deno.Command(program, { args, cwd }).output();
      await assertRejects(
        () => claimPath(workspace, workspace.pathOf("/job/src")),
        RunnerError,
        `Cannot read the record "${cwd}/owned_paths.json": `,
      );
      await removeOwnedPaths(workspace);
      assertEquals(await listFiles(directory.path), {});
    });
  }
});
