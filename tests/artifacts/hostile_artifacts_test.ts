import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type ArtifactFile,
  type ArtifactManifest,
  encodeFiles,
  encodeManifest,
  manifestName,
} from "../../src/artifacts/artifact_manifest.ts";
import { sha256Hex } from "../../src/fs/files.ts";
import { packName } from "../../src/cache/cache_entry.ts";
import { createTar, runShell, type TarEntry } from "../helpers/archives.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const WORKFLOW = `
name: ci
jobs:
  build:
    command: sh build.sh
    artifacts: { tree: { paths: [tree, hidden] , optional: true } }
  test:
    needs: [{ job: build, artifacts: [tree] }]
    command: sh test.sh
`;

/** A workflow whose first job is hostile. */
async function attacked(build: string, files: Record<string, string> = {}) {
  const directory = await temporaryDirectory();
  const [cwd, store] = [`${directory.path}/ci`, `${directory.path}/store`];
  await makeFiles(cwd, {
    "ci.yaml": WORKFLOW,
    "build.sh": build,
    "test.sh": "touch ../../../../../../started",
    ...files,
  });
  const run = (...args: string[]) =>
    runMain(["workflow", "run", "ci.yaml", ...args], {
      cwd,
      env: { REACTORCIDE_CACHE_STORE: store },
    });
  return {
    root: directory.path,
    cwd,
    store,
    run,
    job: (name: string) => `${cwd}/.reactorcide/workflow/jobs/${name}/job/src`,
    /** Gets the artifact, and checks that nothing is written. */
    async assertNotGot(pattern: RegExp) {
      const { code, stderr } = await runMain(
        ["artifacts", "get", "tree", "--output", "out"],
        { cwd, env: { REACTORCIDE_CACHE_STORE: store } },
      );
      assertEquals(code, 1, stderr);
      assertMatch(stderr, pattern);
      assertEquals(await listFiles(`${cwd}/out`).catch(() => ({})), {});
      assertEquals(await exists(`${directory.path}/evil`), false);
    },
    /** Runs, and checks that the second job fails before its command starts. */
    async assertRefused(pattern: RegExp, ...args: string[]) {
      const { code, stderr } = await run(...args);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, pattern);
      assertEquals(await exists(`${cwd}/started`), false);
      assertEquals(await exists(`${directory.path}/evil`), false);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

type Attacked = Awaited<ReturnType<typeof attacked>>;

const TREE: TarEntry = { name: "tree/", type: "5", mode: 0o755 };

/** The entries of a tar, as the list of files describes them. */
async function filesOf(entries: readonly TarEntry[]): Promise<ArtifactFile[]> {
  const types = { 0: "file", 1: "hard link", 2: "link", 5: "directory" };
  return await Promise.all(entries.map(async (entry) => {
    const content = new TextEncoder().encode(String(entry.content ?? ""));
    const type = types[Number(entry.type ?? "0") as 0] as ArtifactFile["type"];
    return {
      path: entry.name.replace(/\/$/, ""),
      type: type ?? "file",
      mode: entry.mode ?? 0o644,
      size: content.length,
      sha256: await sha256Hex(content),
      target: entry.target,
    };
  }));
}

/**
 * Replaces the artifact of the first job with another one. The result of the job
 * refers to it, as if the job had saved it itself.
 */
async function plant(
  { cwd, store }: Attacked,
  entries: readonly TarEntry[],
  changes: Partial<ArtifactManifest> & {
    list?: (files: ArtifactFile[]) => unknown;
    hash?: string;
  } = {},
): Promise<void> {
  const { list = (files) => files, hash, ...others } = changes;
  const stateFile = `${cwd}/.reactorcide/workflow-state.json`;
  const state = JSON.parse(await Deno.readTextFile(stateFile));
  const [saved] = state.jobs.build.artifacts;
  const path = `${store}/${await manifestName(saved)}`;
  const old = JSON.parse(await Deno.readTextFile(path));
  const tar = createTar(entries);
  const pack = new Uint8Array(
    await new Response(
      new Blob([tar]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
  const files = await filesOf(entries);
  const text = encodeFiles(list(files) as ArtifactFile[]);
  const manifest = {
    ...old,
    ...{ job: saved.job, name: saved.name, format: "gzip" },
    sha256: await sha256Hex(pack),
    packBytes: pack.length,
    bytes: tar.length,
    count: files.length,
    files: { sha256: await sha256Hex(text), bytes: text.length },
    ...others,
  };
  const bytes = encodeManifest(manifest);
  await Deno.writeFile(`${store}/${packName("local", manifest.sha256)}`, pack);
  await Deno.writeFile(
    `${store}/${packName("local", manifest.files.sha256)}`,
    text,
  );
  await Deno.writeFile(path, bytes);
  saved.sha256 = hash ?? await sha256Hex(bytes);
  await Deno.writeTextFile(stateFile, JSON.stringify(state));
  await Deno.remove(`${stateFile}.log`).catch(() => {});
}

const BUILD = "mkdir tree; echo a > tree/a";

describe("artifacts of an untrusted job", () => {
  it("do not read through links that lead out of their directory", async () => {
    for (
      const [build, pattern] of [
        ["mkdir tree; ln -s /etc/passwd tree/l", /outside the directory/],
        ["mkdir tree; ln -s ../../../x tree/l", /outside the directory/],
        ["ln -s /etc tree", /outside the directory/],
        ["ln -s /etc out; mkdir tree; ln -s ../out tree/l", /outside/],
        ["mkdir tree; ln -s l tree/l", /too many symbolic links/],
        ["mkdir tree; mkfifo tree/pipe", /not a file, directory or link/],
        [
          'cd ..; rm -rf src; mkdir "$PWD/away"; ln -s away src; mkdir away/tree',
          /replaced it with a link/,
        ],
        ["cd ..; rm -rf src; ln -s / src", /replaced it with a link/],
      ] as const
    ) {
      await using ci = await attacked(build);
      await ci.assertRefused(pattern);
      assertEquals(await exists(`${ci.store}/v1`), false);
    }
  });

  it("omit files of git and of the runner", async () => {
    await using ci = await attacked(
      `mkdir -p tree/.git/hooks tree/sub/.reactorcide tree/.GIT hidden
echo evil > tree/.git/hooks/post-checkout; echo evil > tree/.GIT/config
echo evil > tree/sub/.reactorcide/x; echo ok > tree/.github`,
    );
    assertEquals((await ci.run()).code, 0);
    assertEquals(await listFiles(`${ci.job("test")}/tree`), {
      ".github": "ok\n",
      "sub/": "",
    });
  });

  it("do not replace directories with files, and are not written through links", async () => {
    for (
      const [files, pattern] of [
        [
          { "tree": "-> ../../../../../../.." },
          /a link is in the way at "tree"/,
        ],
        [{ "tree": "-> sub", "sub/x": "" }, /a link is in the way at "tree"/],
        [{ "tree/a/b": "" }, /a directory is in the way at "tree\/a"/],
        [{ "tree": "file" }, /a file is in the way at "tree"/],
      ] as const
    ) {
      await using ci = await attacked(
        `rm -rf tree; ${BUILD}`,
        files as unknown as Record<string, string>,
      );
      await ci.assertRefused(pattern);
    }
    // A link in the place of a file is replaced, and its target is kept.
    await using ci = await attacked(`rm -rf tree; ${BUILD}`, {
      "tree/a": "-> ../kept",
      "kept": "kept",
    });
    assertEquals((await ci.run()).code, 0);
    const { kept, ...others } = await listFiles(ci.job("test"));
    assertEquals([kept, others["tree/a"]], ["kept", "a\n"]);
  });

  it("contain no link that leads out through a link in the other job's source", async () => {
    await using ci = await attacked(
      "rm -f out; mkdir tree; ln -s ../out/passwd tree/l",
      { "out": "-> /etc" },
    );
    await ci.assertRefused(/outside/);
    assertEquals(await exists(`${ci.job("test")}/tree/l`), false);
  });

  it("are refused if the list of files, the pack and the manifest disagree", async () => {
    await using ci = await attacked(BUILD);
    await ci.run();
    const file = { name: "tree/b", content: "x" };
    const planted: [RegExp, TarEntry[], Parameters<typeof plant>[2]?][] = [
      [/tree\/\.\.\/\.\.\/evil.* leads out/, [{
        ...file,
        name: "tree/../../evil",
      }]],
      [/leads out/, [{ ...file, name: "/evil" }]],
      [/git/, [TREE, { ...file, name: "tree/.git/hooks/x" }]],
      [/runner/, [TREE, { ...file, name: "tree/.Reactorcide/x" }]],
      [/leads out/, [TREE, { name: "tree/l", type: "2", target: "../../x" }]],
      [/absolute/, [TREE, { name: "tree/l", type: "2", target: "/etc" }]],
      [
        /is a link/,
        [
          TREE,
          { name: "tree/l", type: "2", target: "." },
          { name: "tree/l/evil", content: "x" },
        ],
      ],
      [
        /not an earlier file/,
        [TREE, { name: "tree/l", type: "1", target: "build.sh" }],
      ],
      [/contains "\.\."/, [TREE, {
        name: "tree/l",
        type: "1",
        target: "../../build.sh",
      }]],
      [/differs from the list/, [TREE, { name: "tree/d", type: "3" }]],
      [/differs from the list/, [TREE, { name: "tree/p", type: "6" }]],
      [/twice/, [TREE, file, file]],
      [/differs from the list/, [TREE, file], {
        list: (files) => files.slice(0, 1),
        count: 1,
      }],
      [/does not include "tree\/c"/, [TREE], {
        list: (files) => [...files, { ...files[0], path: "tree/c" }],
        count: 2,
      }],
      [/differs from the list/, [TREE, file], {
        list: ([tree, one]) => [tree, { ...one, sha256: "0".repeat(64) }],
      }],
      [/differs from the list/, [TREE, { ...file, mode: 0o4777 }], {
        list: ([tree, one]) => [tree, { ...one, mode: 0o755 }],
      }],
      [/list of its files is not valid/, [TREE], { list: () => "x" }],
      [/list of its files is not valid/, [TREE], { list: () => [null] }],
      [/list of its files is not valid/, [TREE, file], {
        list: ([tree]) => [tree, { ...tree, mode: -1 }],
      }],
      [/larger than 10 bytes/, [TREE, file], { packBytes: 10 }],
      [/larger than 10 bytes/, [TREE, file], { bytes: 10 }],
      [/larger than \d+ bytes/, [TREE, file], { bytes: 10 ** 15 }],
      [/manifest is not valid/, [TREE], { format: "xz" as "gzip" }],
      [/manifest is not valid/, [TREE], { files: { sha256: "x", bytes: 1 } }],
      [/manifest belongs to another/, [TREE], { job: "other" }],
      [/manifest belongs to another/, [TREE], { name: "bin" }],
      [/manifest was changed/, [TREE], { hash: "0".repeat(64) }],
    ];
    for (const [pattern, entries, changes] of planted) {
      await plant(ci, entries, changes);
      await ci.assertNotGot(pattern);
    }
    await Deno.remove(`${ci.cwd}/started`);
    await plant(ci, [TREE, { ...file, name: "test.sh" }]);
    await ci.assertRefused(/its definition does not select/, "--only", "test");
    await plant(ci, [TREE, file]);
    assertEquals((await ci.run("--only", "test")).code, 0);
    assert(await exists(`${ci.job("test")}/tree/b`));
  });

  it("are refused if any byte in the store was changed", async () => {
    await using ci = await attacked(BUILD);
    await ci.run();
    for (const path of Object.keys(await listFiles(ci.store))) {
      if (path.endsWith("/")) continue;
      const file = `${ci.store}/${path}`;
      const bytes = await Deno.readFile(file);
      const step = 1 + Math.floor(bytes.length / 3);
      for (let at = 0; at < bytes.length; at += step) {
        const changed = bytes.slice();
        changed[at] ^= 1;
        await Deno.writeFile(file, changed);
        await ci.assertNotGot(/was changed/);
      }
      await Deno.writeFile(file, bytes.subarray(0, 10));
      await ci.assertNotGot(/was changed/);
      await Deno.remove(file);
      await ci.assertNotGot(/not in the store|no longer/);
      await runShell(ci.store, `ln -s /etc/passwd ${path}`);
      await ci.assertNotGot(/symbolic link/);
      await Deno.remove(file);
      await Deno.writeFile(file, bytes);
    }
    assertEquals((await ci.run("--only", "test")).code, 0);
  });
});
