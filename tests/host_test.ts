import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, cliEnv } from "./helpers/cli.ts";
import { temporaryDirectory } from "./helpers/temporary_directory.ts";

/** Environment of the host of a process that Deno runs with these variables. */
async function hostEnv(
  env: Record<string, string>,
): Promise<Record<string, string>> {
  await using cache = await temporaryDirectory();
  const host = import.meta.resolve("../src/host.ts");
  const script = `import { processHost } from ${JSON.stringify(host)};
    console.log(JSON.stringify(processHost().env));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    clearEnv: true,
    env: { DENO_DIR: cache.path, ...env },
  }).output();
  const { DENO_DIR: _, ...rest } = JSON.parse(new TextDecoder().decode(stdout));
  return rest;
}

describe("processHost()", () => {
  it("reports a current directory that cannot be named, in one line", async () => {
    await using directory = await temporaryDirectory();
    const script = String
      .raw`d=$(printf 'd\351'); mkdir "$d"; cd "$d"; exec "$@"`;
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", script, "sh", Deno.execPath(), "run", "-A", CLI, "doctor"],
      cwd: directory.path,
      clearEnv: true,
      env: cliEnv(),
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [
      1,
      "[runnerlib] error: Cannot use the current directory: its path is not UTF-8\n",
    ]);
  });

  it("removes Deno's own node from PATH", async () => {
    await using empty = await temporaryDirectory();
    const environments: Record<string, string>[] = [
      {},
      { PATH: empty.path },
      { PATH: `${empty.path}:${empty.path}/bin` },
    ];
    for (const env of environments) {
      assertEquals(await hostEnv(env), env);
    }
  });

  it("removes the directories of npx from PATH", async () => {
    const npx = "/root/.npm/_npx/1/node_modules/.bin:/w/node_modules/.bin:" +
      "/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin";
    const own = "/w/node_modules/.bin:/x/node-gyp-bin:/usr/bin";
    const DENO_DISABLE_NODE_SHIM = "1";
    const env = { npm_lifecycle_event: "npx", DENO_DISABLE_NODE_SHIM };
    assertEquals(await hostEnv({ ...env, PATH: `${npx}:${own}` }), {
      ...env,
      PATH: own,
    });
  });

  it("keeps the PATH that npm gives to a script", async () => {
    const env = {
      npm_lifecycle_event: "ci",
      DENO_DISABLE_NODE_SHIM: "1",
      PATH: "/w/node_modules/.bin:/x/node-gyp-bin:/usr/bin",
    };
    assertEquals(await hostEnv(env), env);
  });

  it("removes what git sets for a hook", async () => {
    const kept = {
      GIT_AUTHOR_EMAIL: "me@example.com",
      GIT_EDITOR: "vi",
      GIT_SSH_COMMAND: "ssh -4",
      DENO_DISABLE_NODE_SHIM: "1",
    };
    const hook = {
      ...kept,
      GIT_EXEC_PATH: "/usr/lib/git-core",
      PATH: "/usr/lib/git-core:/usr/bin:/bin",
    };
    assertEquals(await hostEnv(hook), { ...kept, PATH: "/usr/bin:/bin" });
    const ofCommit = {
      ...hook,
      GIT_AUTHOR_NAME: "Me",
      GIT_AUTHOR_DATE: "@1795861934 +0000",
      GIT_EDITOR: ":",
    };
    const { GIT_AUTHOR_EMAIL: _, GIT_EDITOR: __, ...others } = kept;
    assertEquals(await hostEnv(ofCommit), { ...others, PATH: "/usr/bin:/bin" });
    const own = { ...ofCommit, PATH: "/usr/bin:/usr/lib/git-core" };
    assertEquals(await hostEnv(own), own);
  });
});
