import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { runMain } from "../helpers/run_main.ts";

const WORKFLOW = `
name: ci
jobs:
  build:
    for_each: [x, y]
    command: mkdir dist; echo $ITEM > dist/$ITEM; chmod 700 dist/$ITEM; ln -s $ITEM dist/link-$ITEM
    artifacts:
      app: { paths: [dist/**], retention: 1h }
      log: { paths: ["dist/[x]"], optional: true }
  other:
    command: echo other > log
    artifacts: { log: { paths: [log] } }
`;

/** A directory in which a workflow with artifacts has run. */
async function afterRun() {
  const directory = await temporaryDirectory();
  const [cwd, store] = [`${directory.path}/ci`, `${directory.path}/store`];
  await makeFiles(cwd, { "ci.yaml": WORKFLOW });
  const run = (...args: string[]) =>
    runMain(args, { cwd, env: { REACTORCIDE_CACHE_STORE: store } });
  const { code, stderr } = await run("workflow", "run", "ci.yaml");
  assertEquals(code, 0, stderr);
  return {
    cwd,
    store,
    root: directory.path,
    artifacts: (...args: string[]) => run("artifacts", ...args),
    run,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe("runnerlib artifacts", () => {
  it("lists what the last run has saved, and the files of an artifact", async () => {
    await using ci = await afterRun();
    const { stdout } = await ci.artifacts("list");
    assertEquals(
      stdout.split("\n").map((line) => line.replace(/expires .*/, "expires")),
      [
        "build[0]  app  3 files, 2 bytes  expires",
        "build[0]  log  1 files, 2 bytes  expires",
        "build[1]  app  3 files, 2 bytes  expires",
        "other  log  1 files, 6 bytes  expires",
        "",
      ],
    );
    const files = await ci.artifacts("list", "app", "--job", "build[1]");
    assertEquals(files.stdout.replaceAll(/[0-9a-f]{64}/g, "HASH").split("\n"), [
      "755  0  directory  dist",
      "777  0  link  dist/link-y -> y",
      "700  2  HASH  dist/y",
      "",
    ]);
    const json = JSON.parse((await ci.artifacts("list", "--json")).stdout);
    const [{ expiresMs, createdMs, isStored, workflow }] = json;
    assertEquals([workflow, isStored], ["ci", true]);
    assertEquals(expiresMs - createdMs, 3_600_000);
  });

  it("gets the files of one artifact, of one item, or of all", async () => {
    await using ci = await afterRun();
    await ci.artifacts("get", "app", "--output", "out");
    assertEquals(await listFiles(`${ci.cwd}/out`), {
      "dist/": "",
      "dist/link-x": "-> x",
      "dist/link-y": "-> y",
      "dist/x": "x\n",
      "dist/y": "y\n",
    });
    const { mode } = await Deno.stat(`${ci.cwd}/out/dist/x`);
    assertEquals(mode! & 0o777, 0o700);
    await ci.artifacts("get", "app", "--job", "build[0]");
    assertEquals(await exists(`${ci.cwd}/app/dist/y`), false);
    const several = await ci.artifacts("get");
    assertEquals(several.code, 2);
    assertStringIncludes(several.stderr, "select one with --job: build, other");
    await ci.artifacts("get", "--job", "other", "--output", "all");
    assertEquals(await listFiles(`${ci.cwd}/all`), {
      "log/": "",
      "log/log": "other\n",
    });
  });

  it("replaces files, but never writes through a link", async () => {
    await using ci = await afterRun();
    await makeFiles(ci.cwd, {
      "out/dist/x": "-> ../../kept",
      "out/dist/kept": "kept",
      "kept": "kept",
      "linked/dist": "-> ../away",
      "away/x": "kept",
      "hidden/.reactorcide": "-> ../../elsewhere",
    });
    assertEquals((await ci.artifacts("get", "app", "-o", "out")).code, 0);
    assertEquals(await Deno.readTextFile(`${ci.cwd}/kept`), "kept");
    assertEquals(await Deno.readTextFile(`${ci.cwd}/out/dist/x`), "x\n");
    assertEquals(await Deno.readTextFile(`${ci.cwd}/out/dist/kept`), "kept");
    const linked = await ci.artifacts("get", "app", "-o", "linked");
    assertEquals(linked.code, 1);
    assertStringIncludes(linked.stderr, 'a link is in the way at "dist"');
    assertEquals(await listFiles(`${ci.cwd}/away`), { "x": "kept" });
    const hidden = await ci.artifacts("get", "app", "-o", "hidden");
    assertEquals(hidden.code, 1, hidden.stderr);
    assertEquals(await exists(`${ci.root}/elsewhere`), false);
  });

  it("lists all runs in the store, and gets artifacts of one of them", async () => {
    await using ci = await afterRun();
    await ci.run("workflow", "run", "ci.yaml");
    const all = JSON.parse(
      (await ci.artifacts("list", "--all", "--json")).stdout,
    ) as { run: string; name: string; bytes: number }[];
    assertEquals(all.length, 8);
    const runs = [...new Set(all.map(({ run }) => run))];
    assertEquals(runs.length, 2);
    await ci.artifacts("get", "app", "--run", runs[1], "-o", "old");
    assert(await exists(`${ci.cwd}/old/dist/y`));
    assertEquals((await ci.artifacts("get", "app", "--all")).code, 2);
  });

  it("removes expired artifacts, and reports that they no longer exist", async () => {
    await using ci = await afterRun();
    const folder = `${ci.store}/v1/local/artifacts`;
    for await (const { name } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      const manifest = JSON.parse(await Deno.readTextFile(path));
      if (manifest.name !== "app") continue;
      manifest.expiresMs = Date.now() - 1;
      await Deno.writeTextFile(path, JSON.stringify(manifest));
    }
    const { stdout } = await ci.run("cache", "prune");
    assertStringIncludes(stdout, "removed 2 entries");
    const list = (await ci.artifacts("list")).stdout.split("\n");
    assertEquals(
      list.filter((line) => line.includes("no longer in the store")).length,
      2,
    );
    const { code, stderr } = await ci.artifacts("get", "app");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "it is not in the store");
    assertEquals((await ci.artifacts("list", "log", "--job", "other")).code, 0);
  });

  it("explains why artifacts cannot be listed or restored", async () => {
    await using ci = await afterRun();
    for (
      const [args, code, text] of [
        [[], 2, "An action is required"],
        [["get", "ap"], 1, 'did you mean "app"?'],
        [["list", "app", "--job", "nobody"], 1, "no job has saved it"],
      ] as const
    ) {
      const result = await ci.artifacts(...args);
      assertEquals(result.code, code);
      assertStringIncludes(result.stderr, text);
    }
    await Deno.remove(`${ci.cwd}/.reactorcide/workflow-state.json`);
    const result = await ci.artifacts("list");
    assertEquals(result.code, 2);
    assertStringIncludes(result.stderr, "No workflow has run");
  });
});
