import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type CacheEntry,
  encodeEntry,
  entryName,
  packName,
} from "../../src/cache/cache_entry.ts";
import { createTar, runShell, type TarEntry } from "../helpers/archives.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const ID = { namespace: "local", name: "deps", key: "k1" };

/** A job whose directory `tree` must not change, and a store that is not trusted. */
async function victim() {
  const directory = await temporaryDirectory();
  const [cwd, store] = [`${directory.path}/job`, `${directory.path}/store`];
  await makeFiles(cwd, { "tree/a": "own" });
  return {
    root: directory.path,
    cwd,
    store,
    run: (...args: string[]) =>
      runMain(["cache", ...args], {
        cwd,
        env: { REACTORCIDE_CACHE_STORE: store },
      }),
    /** Restores, and checks that it is a miss that changes nothing. */
    async assertMiss(pattern?: RegExp) {
      const before = await listFiles(cwd);
      const { code, stdout, stderr } = await this.run(
        ...["restore", "deps", "--key", "k1"],
      );
      assertEquals([code, stdout], [0, "miss\n"], stderr);
      if (pattern !== undefined) assertMatch(stderr, pattern);
      assertEquals(await listFiles(cwd), before);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

type Victim = Awaited<ReturnType<typeof victim>>;

/** Plants an entry with any pack. */
async function plant(
  { store }: Victim,
  tar: Uint8Array<ArrayBuffer>,
  changes: Partial<CacheEntry> = {},
): Promise<void> {
  const pack = new Uint8Array(
    await new Response(
      new Blob([tar]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
  const digest = await crypto.subtle.digest("SHA-256", pack);
  const entry: CacheEntry = {
    ...ID,
    createdMs: Date.now(),
    format: "gzip",
    sha256: new Uint8Array(digest).toHex(),
    packBytes: pack.length,
    bytes: tar.length,
    count: 100,
    paths: ["tree"],
    ...changes,
  };
  const place = `${store}/${packName("local", entry.sha256)}`;
  await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(place, pack);
  await plantEntry(store, encodeEntry(entry));
}

async function plantEntry(
  store: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const path = `${store}/${await entryName(ID)}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(path, bytes);
}

const TREE: TarEntry = { name: "tree/", type: "5", mode: 0o755 };

describe("cache restore from a store that is not trusted", () => {
  it("restores a planted entry that is valid", async () => {
    await using job = await victim();
    await plant(job, createTar([TREE, { name: "tree/b", content: "new" }]));
    const { stdout } = await job.run("restore", "deps", "--key", "k1");
    assertEquals(stdout, "exact k1\n");
    assertEquals(await listFiles(job.cwd), { "tree/": "", "tree/b": "new" });
  });

  it("rejects names, links and devices that lead out", async () => {
    const packs: [reason: RegExp, ...entries: TarEntry[]][] = [
      [/\.\./, TREE, { name: "tree/../../evil", content: "x" }],
      [/absolute/, TREE, { name: "/evil", content: "x" }],
      [/absolute/, TREE, { name: "tree/l", type: "2", target: "/etc" }],
      [/leads out/, TREE, { name: "tree/l", type: "2", target: "../../x" }],
      [
        /is a link/,
        TREE,
        { name: "tree/l", type: "2", target: "." },
        { name: "tree/l/evil", content: "x" },
      ],
      [
        /not an earlier file/,
        TREE,
        { name: "tree/l", type: "1", target: "../job/tree/a" },
      ],
      [/device/, TREE, { name: "tree/d", type: "3" }],
      [/fifo/, TREE, { name: "tree/p", type: "6" }],
    ];
    for (const [reason, ...entries] of packs) {
      await using job = await victim();
      await plant(job, createTar(entries));
      await job.assertMiss(
        entries.some(({ type }) => type === "1") ? undefined : reason,
      );
      assertEquals(await exists(`${job.root}/evil`), false);
    }
  });

  it("ignores what is in a pack but not in its entry", async () => {
    await using job = await victim();
    await plant(
      job,
      createTar([TREE, { name: "other", content: "x" }, {
        name: ".git/hooks/post-checkout",
        content: "x",
      }]),
    );
    const { stdout } = await job.run("restore", "deps", "--key", "k1");
    assertEquals(stdout, "exact k1\n");
    assertEquals(await listFiles(job.cwd), { "tree/": "" });
  });

  it("rejects packs that are larger than their entry says", async () => {
    await using job = await victim();
    const zeros = new Uint8Array(3_000_000);
    const tar = createTar([TREE, { name: "tree/zeros", content: zeros }]);
    await plant(job, tar, { bytes: 10_000 });
    await job.assertMiss(/larger than 10000 bytes/);
    await plant(job, tar, { count: 1 });
    await job.assertMiss(/more than 1 entries/);
    await plant(job, tar, { bytes: 10 ** 15 });
    await job.assertMiss(/larger than the limit/);
    await plant(job, tar, { packBytes: 10 ** 15 });
    await job.assertMiss(/larger than the limit/);
    await plant(job, tar, { packBytes: 10 });
    await job.assertMiss(/larger than 10 bytes/);
  });

  it("rejects each changed byte of a pack, and saves the key again", async () => {
    await using job = await victim();
    await job.run("save", "deps", "--key", "k1", "tree");
    const folder = `${job.store}/v1/local/packs`;
    const [{ name }] = await Array.fromAsync(Deno.readDir(folder));
    const entry = await Deno.readFile(`${job.store}/${await entryName(ID)}`);
    const pack = await Deno.readFile(`${folder}/${name}`);
    for (let at = 0; at < pack.length; at += 1 + Math.floor(pack.length / 9)) {
      const changed = pack.slice();
      changed[at] ^= 1;
      await Deno.writeFile(`${folder}/${name}`, changed);
      await plantEntry(job.store, entry);
      await job.assertMiss(/does not match its checksum/);
    }
    await Deno.writeFile(`${folder}/${name}`, pack.subarray(0, 20));
    await plantEntry(job.store, entry);
    await job.assertMiss(/does not match its checksum/);
    const { stdout } = await job.run("save", "deps", "--key", "k1", "tree");
    assertEquals(stdout, "saved k1\n");
  });

  it("rejects entries of other keys, and entries that are damaged", async () => {
    await using job = await victim();
    const tar = createTar([TREE]);
    const changes: Partial<CacheEntry>[] = [
      { key: "k2" },
      { name: "other" },
      { namespace: "main" },
      { paths: [] },
      { paths: [".."] },
      { paths: ["/etc"] },
      { paths: ["tree", "tree/a"] },
      { paths: ["tree", "tree"] },
      { paths: [".git/hooks"] },
      { paths: [".reactorcide"] },
      { paths: ["missing"] },
      { bytes: -1 },
      { count: 1.5 },
      { format: "xz" as "gzip" },
    ];
    for (const change of changes) {
      await plant(job, tar, change);
      await job.assertMiss(/./);
    }
    for (
      const text of ["", "{", "null", "[]", '{"version":1}', "[".repeat(9_999)]
    ) {
      await plantEntry(job.store, new TextEncoder().encode(text));
      await job.assertMiss(/not valid/);
    }
    await plantEntry(job.store, new Uint8Array(300_000));
    await job.assertMiss(/larger than/);
  });

  it("follows no link in the store, and waits for no pipe", async () => {
    await using job = await victim();
    await job.run("save", "deps", "--key", "k1", "tree");
    const entry = `store/${await entryName(ID)}`;
    await runShell(job.root, `mv ${entry} moved; ln -s "$PWD/moved" ${entry}`);
    await job.assertMiss(/symbolic link/);
    await runShell(job.root, `rm ${entry}; mkfifo ${entry}`);
    await job.assertMiss(/not a regular file/);
    await runShell(job.root, `rm ${entry}; ln -s /dev/zero ${entry}`);
    await job.assertMiss();
    await runShell(
      job.root,
      `rm -r store/v1; mkdir away; ln -s ../away store/v1`,
    );
    const { code, stdout } = await job.run(
      ...["save", "deps", "--key", "k1", "tree"],
    );
    assertEquals([code, stdout], [0, ""]);
    await job.run("clear");
    assertEquals(await listFiles(`${job.root}/away`), {});
    await runShell(job.root, "rm -r store; mkdir away/tmp; ln -s away store");
    assert((await job.run("stats")).code === 0);
  });
});
