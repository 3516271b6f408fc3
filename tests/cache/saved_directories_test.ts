import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runShell } from "../helpers/archives.ts";
import { type CliResult, startCli } from "../helpers/cli.ts";
import { killAfter } from "../helpers/kill_after.ts";
import { runMain } from "../helpers/run_main.ts";
import { mountSmallDisk } from "../helpers/small_disk.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Prints everything that a restored tree must have in common with the saved one. */
const SHOW_TREE =
  `find tree -printf '%P %y %m %l %n ' '(' -type l -o -printf %.23T+ ')' -printf '\\n' | sort
find tree -type f -exec sha256sum {} + | sort`;

/** A directory of a job, and a store beside it. */
async function world() {
  const directory = await temporaryDirectory();
  const [cwd, store] = [`${directory.path}/job`, `${directory.path}/store`];
  await Deno.mkdir(cwd);
  const variables = { REACTORCIDE_CACHE_STORE: store };
  return {
    cwd,
    store,
    env: variables,
    run: (args: string[], env: Record<string, string> = {}) =>
      runMain(["cache", ...args], { cwd, env: { ...variables, ...env } }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const SAVE = ["save", "deps", "--key", "k1", "tree"];
const RESTORE = ["restore", "deps", "--key", "k1"];

function assertPrints(result: CliResult, stdout: string): void {
  assertEquals({ ...result, stderr: "" }, { code: 0, stdout, stderr: "" });
}

describe("cache save and restore", () => {
  it("restores a tree with modes, links, empty directories, times and names that are not UTF-8", async () => {
    await using job = await world();
    await runShell(
      job.cwd,
      `mkdir -p tree/a/empty 'tree/with space' tree/${"x".repeat(200)}
echo one > tree/a/one; chmod 751 tree/a/one; ln tree/a/one tree/hard
ln -s a/one tree/link; ln -s missing tree/dangling; ln -s ../a tree/a/up
printf x > "$(printf 'tree/a/\\377\\376')"; mkdir "$(printf 'tree/\\351')"
printf y > "$(printf 'tree/\\351/\\351')"; ln -s one "$(printf 'tree/a/\\375')"
printf z > tree/${"x".repeat(200)}/${"é".repeat(100)}
head -c 300000 /dev/urandom > tree/large; : > tree/none; : > tree/open; chmod 666 tree/open
touch -d '1969-12-31T12:00:00.25Z' tree/none; touch -d 2001-02-03T04:05:06.789Z tree/a
chmod 500 tree/a/empty; chmod 400 tree/large; chmod 555 tree`,
    );
    const before = await runShell(job.cwd, SHOW_TREE);
    assertPrints(await job.run(SAVE), "saved k1\n");
    await runShell(job.cwd, "chmod -R u+w tree; rm -r tree");
    // The second time, the tree is replaced.
    for (let count = 0; count < 2; count++) {
      assertPrints(await job.run(RESTORE), "exact k1\n");
      assertEquals(await runShell(job.cwd, SHOW_TREE), before);
    }
    assertEquals(
      await Array.fromAsync(Deno.readDir(job.cwd)).then((all) =>
        all.map(({ name }) => name)
      ),
      ["tree"],
    );
  });

  it("replaces what is there, and saves a key once", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/a": "1", "one": "file" });
    assertPrints(
      await job.run([...SAVE, "one"]),
      "saved k1\n",
    );
    await makeFiles(job.cwd, { "tree/a": "2", "tree/b": "2", "one": "new" });
    assertPrints(await job.run([...SAVE, "one"]), "exists k1\n");
    assertPrints(await job.run(RESTORE), "exact k1\n");
    assertEquals(await listFiles(job.cwd), {
      "one": "file",
      "tree/": "",
      "tree/a": "1",
    });
  });

  it("saves and restores as the mode of the cache allows", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/a": "1" });
    const run = (args: string[], mode: string) =>
      job.run(args, { REACTORCIDE_CACHE: mode });
    for (const mode of ["read-only", "off"]) {
      const { code, stdout, stderr } = await run(SAVE, mode);
      assertEquals([code, stdout], [0, ""]);
      assertStringIncludes(
        stderr,
        `Not saved: the mode of the cache is ${mode}`,
      );
      assertEquals((await job.run(RESTORE)).stdout, "miss\n");
    }
    assertEquals((await run(SAVE, "write-only")).stdout, "saved k1\n");
    assertEquals((await run(RESTORE, "write-only")).stdout, "miss\n");
    assertEquals((await run(RESTORE, "off")).stdout, "miss\n");
    assertEquals((await run(RESTORE, "read-only")).stdout, "exact k1\n");
  });

  it("restores the newest entry of a fallback, and says so", async () => {
    await using job = await world();
    for (const key of ["a-1", "a-2", "b-3"]) {
      await makeFiles(job.cwd, { "tree/key": key });
      await job.run(["save", "deps", "--key", key, "tree"]);
    }
    const restore = ["restore", "deps", "--key", "a-9"];
    const [b, a] = [["--fallback", "x-"], ["--fallback", "a-"]];
    assertPrints(await job.run([...restore, ...b, ...a]), "fallback a-2\n");
    assertEquals(await Deno.readTextFile(`${job.cwd}/tree/key`), "a-2");
    assertPrints(await job.run([...restore, ...b]), "miss\n");
    assertEquals((await job.run([...restore, "--fail-on-miss"])).code, 1);
    // The name of the cache and, if they are given, the paths have to match.
    assertPrints(await job.run(["restore", "other", "--key", "a-1"]), "miss\n");
    const exact = ["restore", "deps", "--key", "a-1"];
    assertPrints(await job.run([...exact, "other"]), "miss\n");
    assertPrints(await job.run([...exact, "tree"]), "exact a-1\n");
  });

  it("keeps keys apart that differ only in case or look like paths", async () => {
    await using job = await world();
    const keys = ["Key", "key", "../../key", "a/b", "é", "e\u0301"];
    for (const key of keys) {
      await makeFiles(job.cwd, { "tree/key": key });
      assertPrints(
        await job.run(["save", "deps", "--key", key, "tree"]),
        `saved ${key}\n`,
      );
    }
    for (const key of keys) {
      await job.run(["restore", "deps", "--key", key]);
      assertEquals(await Deno.readTextFile(`${job.cwd}/tree/key`), key);
    }
  });

  it("reads other namespaces, and writes only its own", async () => {
    await using job = await world();
    const main = { REACTORCIDE_CACHE_NAMESPACE: "main" };
    const proposal = {
      REACTORCIDE_CACHE_NAMESPACE: "pr-7",
      REACTORCIDE_CACHE_READ_FROM: "main",
    };
    await makeFiles(job.cwd, { "tree/a": "main" });
    await job.run(SAVE, main);
    assertPrints(await job.run(RESTORE, proposal), "exact k1\n");
    await makeFiles(job.cwd, { "tree/a": "proposal" });
    assertPrints(await job.run(SAVE, proposal), "saved k1\n");
    assertPrints(await job.run(RESTORE, main), "exact k1\n");
    assertEquals(await Deno.readTextFile(`${job.cwd}/tree/a`), "main");
    assertPrints(await job.run(RESTORE, proposal), "exact k1\n");
    assertEquals(await Deno.readTextFile(`${job.cwd}/tree/a`), "proposal");
    assertPrints(await job.run(RESTORE), "miss\n");
  });

  it("saves nothing outside the directory of the job", async () => {
    await using job = await world();
    await makeFiles(job.cwd, {
      "absolute/link": "-> /etc",
      "up/link": "-> ../../store",
      "out": "-> /etc",
      "tree/a": "1",
      ".git/config": "x",
    });
    await runShell(job.cwd, "mkdir pipe; mkfifo pipe/p");
    for (
      const [path, reason] of [
        ["..", "outside"],
        [".", "directory of the job itself"],
        ["/etc", "outside"],
        [".git", "git"],
        ["absolute", 'leads to "/etc"'],
        ["up", "leads to"],
        ["out", "leads to"],
        ["pipe", "not a file"],
        ["missing", "No such file"],
        ["out/passwd", "leads"],
      ]
    ) {
      const { code, stderr } = await job.run([
        ...["save", "deps", "--key", path, path],
      ]);
      assert(code === 1 || code === 2, `${path}: ${code}`);
      assertMatch(stderr, new RegExp(reason, "i"));
    }
    const { stdout } = await job.run(["stats"]);
    assertMatch(stdout, /: 0 entries, 0 of /);
  });

  it("does not restore through a link that leads out", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/sub/a": "1" });
    await job.run(["save", "deps", "--key", "k1", "tree/sub"]);
    await runShell(
      job.cwd,
      "rm -r tree; mkdir ../outside; ln -s ../outside tree",
    );
    const { code, stdout, stderr } = await job.run(RESTORE);
    assertEquals([code, stdout], [0, "miss\n"]);
    assertMatch(stderr, /outside/);
    assertEquals(await listFiles(`${job.cwd}/../outside`), {});
  });

  it("replaces no tree in which something is mounted", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/mount/": "", "tree/a": "1" });
    await job.run(SAVE);
    const place = `${job.cwd}/tree/mount`;
    await using disk = await mountSmallDisk(place, "128k");
    if (disk === undefined) return;
    await Deno.writeTextFile(`${place}/own`, "1");
    const { code, stdout, stderr } = await job.run(RESTORE);
    assertEquals([code, stdout], [0, "miss\n"]);
    assertMatch(stderr, /contains a mount point/);
    assertEquals(await Deno.readTextFile(`${place}/own`), "1");
  });

  it("puts everything back if a path cannot be restored", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "a/x": "saved", "b/c/x": "saved" });
    await job.run(["save", "deps", "--key", "k1", "a", "b/c"]);
    await runShell(
      job.cwd,
      "rm -r a b; mkdir a; echo old > a/x; echo file > b",
    );
    const before = await listFiles(job.cwd);
    const { code, stdout } = await job.run(RESTORE);
    assertEquals([code, stdout], [0, "miss\n"]);
    assertEquals(await listFiles(job.cwd), before);
  });

  it("does not fail if the store cannot be used, and warns once", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/a": "1", "file": "" });
    const env = { REACTORCIDE_CACHE_STORE: `${job.cwd}/file/store` };
    for (const args of [SAVE, [...RESTORE, "--fallback", "k"]]) {
      const { code, stderr } = await job.run(args, env);
      assertEquals(code, 0);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
    }
  });

  it("removes what was used least recently beyond the limit", async () => {
    await using job = await world();
    const save = async (key: string, maxBytes: number) => {
      const bytes = crypto.getRandomValues(new Uint8Array(20_000));
      await makeFiles(job.cwd, { "tree/": "" });
      await Deno.writeFile(`${job.cwd}/tree/a`, bytes);
      return await job.run(["save", "deps", "--key", key, "tree"], {
        REACTORCIDE_CACHE_MAX_BYTES: String(maxBytes),
      });
    };
    for (const key of ["a", "b", "c"]) await save(key, 65_000);
    assertPrints(await job.run(["restore", "deps", "--key", "a"]), "exact a\n");
    await save("d", 65_000);
    const hits = [];
    for (const key of ["a", "b", "c", "d"]) {
      hits.push((await job.run(["restore", "deps", "--key", key])).stdout);
    }
    assertEquals(hits, ["exact a\n", "miss\n", "exact c\n", "exact d\n"]);
    const { stderr } = await save("e", 10_000);
    assertMatch(stderr, /larger than the limit/);
    assertMatch((await job.run(["clear"])).stdout, /^removed 3 entries/);
    assertEquals(
      Object.keys(await listFiles(job.store)).filter((name) =>
        !name.endsWith("/")
      ),
      [],
    );
  });

  it("has no half entry on a full disk", async () => {
    await using job = await world();
    await Deno.mkdir(job.store);
    await using disk = await mountSmallDisk(job.store, "128k");
    if (disk === undefined) return;
    await runShell(
      job.cwd,
      "mkdir tree; head -c 500000 /dev/urandom > tree/a",
    );
    const { code, stderr } = await job.run(SAVE);
    assertEquals(code, 0);
    assertMatch(stderr, /No space left/i);
    assertEquals(await listFiles(job.store), { "tmp/": "" });
    assertPrints(await job.run(RESTORE), "miss\n");
  });

  it("works with a clock that jumped", async () => {
    await using job = await world();
    for (const key of ["a", "b", "c"]) {
      await makeFiles(job.cwd, { "tree/key": key });
      await job.run(["save", "deps", "--key", key, "tree"]);
    }
    const folder = `${job.store}/v1/local/entries/deps`;
    const times = [new Date("2100-01-01"), new Date("1970-01-01"), new Date()];
    for await (const { name } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      const entry = JSON.parse(await Deno.readTextFile(path));
      const time = times.pop()!;
      const text = JSON.stringify({ ...entry, createdMs: time.getTime() });
      await Deno.writeTextFile(path, text);
      await Deno.utime(path, time, time);
    }
    for (const key of ["a", "b", "c"]) {
      const restore = ["restore", "deps", "--key", key];
      assertPrints(await job.run(restore), `exact ${key}\n`);
      assertEquals(await Deno.readTextFile(`${job.cwd}/tree/key`), key);
    }
    assertMatch((await job.run(["prune"])).stdout, /^removed 0 entries/);
  });

  it("writes packs that GNU tar reads as well", async () => {
    await using job = await world();
    await runShell(
      job.cwd,
      `mkdir -p tree/${"d".repeat(120)}/empty; echo 1 > tree/a; ln tree/a tree/b
ln -s ${"t".repeat(150)} tree/link; printf x > "$(printf 'tree/\\377')"
head -c 1500 /dev/urandom > tree/${"d".repeat(120)}/é
touch -d '2001-02-03T04:05:06.789Z' tree/a; chmod 640 tree/a`,
    );
    const before = await runShell(job.cwd, SHOW_TREE);
    await job.run(SAVE);
    await runShell(
      job.cwd,
      `rm -r tree; tar -xf "$(echo ../store/v1/local/packs/*)"`,
    );
    assertEquals(await runShell(job.cwd, SHOW_TREE), before);
  });

  it("lets two processes save the same key and others concurrently", async () => {
    await using job = await world();
    await makeFiles(job.cwd, { "tree/a": "1" });
    const results = await Promise.all(
      ["k1", "k1", "k2"].map(async (key) => {
        await using cli = startCli(
          ["cache", "save", "deps", "--key", key, "tree"],
          job,
        );
        return await cli.end();
      }),
    );
    assertEquals(
      results.map(({ stdout }) => stdout).sort(),
      ["exists k1\n", "saved k1\n", "saved k2\n"],
    );
    assertPrints(await job.run(RESTORE), "exact k1\n");
    assertMatch((await job.run(["stats"])).stdout, /: 2 entries/);
  });

  it("has no half entry after SIGKILL, and saves the key again", async () => {
    await using job = await world();
    await runShell(
      job.cwd,
      "mkdir tree; head -c 3000000 /dev/urandom > tree/a; echo b > tree/b",
    );
    const before = await runShell(job.cwd, SHOW_TREE);
    for (let round = 0; round < 4; round++) {
      await using cli = startCli(["cache", ...SAVE], job);
      // The process is killed when it has written some of the pack.
      await killAfter(cli, job.store, Math.random() * 2_500_000);
      const { stdout } = await job.run(RESTORE);
      assert(["miss\n", "exact k1\n"].includes(stdout), stdout);
      assertEquals(await runShell(job.cwd, SHOW_TREE), before);
      await job.run(["clear"]);
    }
    const { stdout } = await job.run(SAVE);
    assert(stdout === "saved k1\n", stdout);
    assertPrints(await job.run(RESTORE), "exact k1\n");
    assertEquals(await runShell(job.cwd, SHOW_TREE), before);
  });

  it("restores a path as a whole or not at all, even after SIGKILL", async () => {
    await using job = await world();
    await runShell(
      job.cwd,
      `mkdir tree; for i in $(seq 200); do echo saved > tree/$i; done
head -c 3000000 /dev/urandom > tree/large`,
    );
    const saved = await runShell(job.cwd, SHOW_TREE);
    await job.run(SAVE);
    await runShell(job.cwd, "rm -r tree; mkdir tree; echo old > tree/old");
    const old = await runShell(job.cwd, SHOW_TREE);
    for (let round = 0; round < 4; round++) {
      await using cli = startCli(["cache", ...RESTORE], job);
      // The process is killed when it has unpacked some of the pack.
      const temporary = `${job.cwd}/.reactorcide`;
      await killAfter(cli, temporary, Math.random() * 3_000_000);
      const there = await Deno.lstat(`${job.cwd}/tree`).catch(() => undefined);
      if (there === undefined) continue;
      const now = await runShell(job.cwd, SHOW_TREE);
      assert(now === saved || now === old, now);
    }
    assertPrints(await job.run(RESTORE), "exact k1\n");
    assertEquals(await runShell(job.cwd, SHOW_TREE), saved);
  });
});
