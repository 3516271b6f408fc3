import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  checkCredentials,
  removeCredentials,
  withoutCredentials,
} from "../../src/source/worker_credentials.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const CREDENTIALS = {
  "job/.reactorcide/vcs-auth/credentials": "https://me:secret@host",
  "job/.reactorcide/vcs-auth/gitconfig": "",
  "job/.reactorcide/vcs-auth/deep/file": "",
  "job/src/file": "",
};

describe("removeCredentials()", () => {
  const contextIn = (cwd: string, env: Record<string, string>) => ({
    ...sourceContext({ cwd, inContainer: true }),
    env,
  });

  it("removes the directory and its contents, and can be called again", async () => {
    await using directory = await temporaryDirectory();
    for (
      const path of [
        "/job/.reactorcide/vcs-auth",
        `${directory.path}/job/.reactorcide/vcs-auth/`,
      ]
    ) {
      await makeFiles(directory.path, CREDENTIALS);
      const context = contextIn(directory.path, {
        REACTORCIDE_VCS_AUTH_DIR: path,
        REACTORCIDE_VCS_AUTH_CLEANUP: "true",
      });
      await removeCredentials(context);
      await removeCredentials(context);
      assertEquals(await listFiles(`${directory.path}/job`), {
        ".reactorcide/": "",
        "src/": "",
        "src/file": "",
      });
      assertEquals(context.log.lines, []);
    }
  });

  it("empties a directory that is a mount point", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/auth/": "" });
    const path = `${directory.path}/job/auth`;
    const run = (program: string, ...args: string[]) =>
      new Deno.Command(program, { args, stderr: "null" }).output();
    const mount = await run("mount", "-t", "tmpfs", "none", path)
      .catch(() => ({ success: false }));
    // Few users may mount anything; root in a container may.
    if (!mount.success) return;
    try {
      await makeFiles(path, { "credentials": "secret", "deep/file": "" });
      const context = contextIn(directory.path, {
        REACTORCIDE_VCS_AUTH_DIR: "/job/auth",
      });
      await removeCredentials(context);
      assertEquals(await listFiles(path), {});
      assertEquals(context.log.lines, []);
    } finally {
      await run("umount", path);
    }
  });

  it("does nothing if there are none, or they are kept", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, CREDENTIALS);
    const before = await listFiles(directory.path);
    const REACTORCIDE_VCS_AUTH_DIR = "/job/.reactorcide/vcs-auth";
    const environments: Record<string, string>[] = [
      {},
      { REACTORCIDE_VCS_AUTH_DIR: "" },
      ...["0", "false", "NO"].map((value) => ({
        REACTORCIDE_VCS_AUTH_DIR,
        REACTORCIDE_VCS_AUTH_CLEANUP: value,
      })),
    ];
    for (const env of environments) {
      const context = contextIn(directory.path, env);
      await removeCredentials(context);
      assertEquals(context.log.lines, []);
    }
    assertEquals(await listFiles(directory.path), before);
  });

  it("rejects directories outside the workspace", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      ...CREDENTIALS,
      "victim/file": "a user's",
      "job/link": "-> ../victim",
    });
    const before = await listFiles(directory.path);
    const hostile = [
      "/",
      "//",
      "/job",
      "/job/",
      "/job/../victim",
      "/job/link",
      "/job/src/..",
      directory.path,
      `${directory.path}/job`,
      `${directory.path}/job/src/..`,
      `${directory.path}/victim`,
      "victim",
      "../victim",
      ".",
      "/job/a\0b",
    ];
    for (const path of hostile) {
      const context = contextIn(directory.path, {
        REACTORCIDE_VCS_AUTH_DIR: path,
      });
      await removeCredentials(context);
      assertEquals(context.log.lines.length, 1, path);
      assert(
        context.log.lines[0].startsWith(
          "warning source: Cannot remove the credentials of the source ",
        ),
      );
      assertEquals(await listFiles(directory.path), before);
    }
  });

  it("warns if the directory is a file", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/auth": "" });
    const context = contextIn(directory.path, {
      REACTORCIDE_VCS_AUTH_DIR: "/job/auth",
    });
    await removeCredentials(context);
    assertEquals(context.log.lines.length, 1);
    assert(await exists(`${directory.path}/job/auth`));
  });
});

Deno.test({
  name: "credentials that the user cannot read are a warning, once",
  // Root can read everything; the tests of the image cover other users.
  ignore: Deno.uid() === 0,
  async fn() {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, CREDENTIALS);
    const context = {
      ...sourceContext({ cwd: directory.path, inContainer: true }),
      env: { REACTORCIDE_VCS_AUTH_DIR: "/job/.reactorcide/vcs-auth" },
    };
    await checkCredentials(context);
    assertEquals(context.log.lines, []);
    const owned = `${directory.path}/job/.reactorcide`;
    await Deno.chmod(owned, 0o000);
    try {
      await checkCredentials(context);
      await removeCredentials(context);
      await removeCredentials(context);
    } finally {
      await Deno.chmod(owned, 0o700);
    }
    assertEquals(context.log.lines.length, 1);
    assertStringIncludes(
      context.log.lines[0],
      `Cannot read the git credentials in "/job/.reactorcide/vcs-auth": permission denied. Private repositories will not be readable`,
    );
    assertStringIncludes(context.log.lines[0], `who owns "${owned}"`);
  },
});

describe("withoutCredentials()", () => {
  const AUTH = {
    REACTORCIDE_VCS_AUTH_DIR: "/job/.reactorcide/vcs-auth",
    GIT_CONFIG_GLOBAL: "/job/.reactorcide/vcs-auth/gitconfig",
  };

  it("drops the removed configuration and keeps safe directories", () => {
    assertEquals(withoutCredentials({ ...AUTH, HOME: "/home/runner" }), {
      REACTORCIDE_VCS_AUTH_DIR: "/job/.reactorcide/vcs-auth",
      HOME: "/home/runner",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
    });
  });

  it("appends to the existing configuration", () => {
    const env = withoutCredentials({
      ...AUTH,
      GIT_CONFIG_COUNT: "2",
      GIT_CONFIG_KEY_0: "a.b",
      GIT_CONFIG_VALUE_0: "c",
      GIT_CONFIG_KEY_1: "d.e",
      GIT_CONFIG_VALUE_1: "f",
    });
    assertEquals(env.GIT_CONFIG_COUNT, "3");
    assertEquals(env.GIT_CONFIG_KEY_0, "a.b");
    assertEquals(env.GIT_CONFIG_KEY_1, "d.e");
    assertEquals(env.GIT_CONFIG_KEY_2, "safe.directory");
  });

  it("does not change an environment whose configuration is elsewhere, or kept", () => {
    const environments: Record<string, string>[] = [
      {},
      { GIT_CONFIG_GLOBAL: "/home/me/.gitconfig" },
      { ...AUTH, GIT_CONFIG_GLOBAL: "/home/me/.gitconfig" },
      { ...AUTH, GIT_CONFIG_GLOBAL: "/job/.reactorcide/vcs-auth2/gitconfig" },
      { ...AUTH, REACTORCIDE_VCS_AUTH_CLEANUP: "0" },
    ];
    for (const env of environments) {
      assertEquals(withoutCredentials(env), env);
    }
  });
});
