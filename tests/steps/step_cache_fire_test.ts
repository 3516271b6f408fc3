import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidEntry, packName } from "../../src/cache/cache_entry.ts";
import {
  encodeStepEntry,
  keyOfParts,
  readStepEntry,
  type StepEntry,
  stepEntryName,
} from "../../src/cache/step_entry.ts";
import { pathExistsSync, sha256Hex } from "../../src/fs/files.ts";
import { createTar, runShell, type TarEntry } from "../helpers/archives.ts";
import { type CachedJob, cachedJob } from "../helpers/cached_job.ts";
import { startCli } from "../helpers/cli.ts";
import { Random } from "../helpers/random.ts";
import { until } from "../helpers/soon.ts";
import {
  exists,
  listFiles,
  makeFiles,
} from "../helpers/temporary_directory.ts";

const STEPS = {
  build: {
    run:
      "mkdir -p out; cat src/* > out/all; echo built; echo v=1 >> $REACTORCIDE_OUTPUT",
    cache: { inputs: "src/**", outputs: "out/**" },
  },
};

/** Removes everything but the store and the inputs. */
async function forget({ directory }: CachedJob): Promise<void> {
  await runShell(directory, "rm -rf job/out user");
}

/** A job whose result is in the store, and not in its directory. */
async function victim(): Promise<CachedJob & { entry: StepEntry }> {
  const job = await cachedJob(STEPS, {
    "src/one": "1",
    "outside/file": "safe",
  });
  await job.run();
  const [entry] = await entriesOf(job);
  await forget(job);
  return { ...job, entry };
}

async function entriesOf({ store }: CachedJob): Promise<StepEntry[]> {
  const entries: StepEntry[] = [];
  const steps = `${store}/v1/local/steps`;
  for await (const { name: step } of Deno.readDir(steps)) {
    for await (const { name } of Deno.readDir(`${steps}/${step}`)) {
      if (name === "last") continue;
      const text = await Deno.readTextFile(`${steps}/${step}/${name}`);
      const { checksum: _, ...entry } = JSON.parse(text);
      entries.push(entry);
    }
  }
  return entries;
}

async function plant(
  { store, entry }: CachedJob & { entry: StepEntry },
  changes: Partial<StepEntry>,
): Promise<void> {
  const bytes = await encodeStepEntry({ ...entry, ...changes });
  await Deno.writeFile(`${store}/${stepEntryName(entry)}`, bytes);
}

/** Replaces the pack by another archive, to which the manifest refers. */
async function plantPack(
  job: CachedJob & { entry: StepEntry },
  entries: readonly TarEntry[],
  changes: Partial<StepEntry> = {},
): Promise<void> {
  const tar = createTar(entries);
  const zipped = new Blob([tar]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const pack = new Uint8Array(await new Response(zipped).arrayBuffer());
  const sha256 = await sha256Hex(pack);
  await Deno.writeFile(`${job.store}/${packName("local", sha256)}`, pack);
  await plant(job, {
    pack: {
      format: "gzip",
      sha256,
      packBytes: pack.length,
      bytes: tar.length,
      count: 100,
    },
    ...changes,
  });
}

/** Runs the job, and checks that the step ran and nothing else was written. */
async function assertMiss(job: CachedJob, what: string): Promise<void> {
  const { code, ran, stderr } = await job.run();
  assertEquals([code, ran], [0, ["build"]], `${what}\n${stderr}`);
  assertEquals(await listFiles(`${job.cwd}/out`), { all: "1" }, what);
  assertEquals(await listFiles(`${job.cwd}/outside`), { file: "safe" }, what);
  const names = (await Array.fromAsync(Deno.readDir(job.directory)))
    .map(({ name }) => name).sort();
  assertEquals(names, ["job", "store", "user"], what);
}

describe("an untrusted store of steps", () => {
  it("is a miss if a byte of a pack, a log or a manifest is changed", async () => {
    for (const what of ["pack", "manifest", "log", "truncated"]) {
      await using job = await victim();
      const { store, entry } = job;
      const flip = async (path: string) => {
        const bytes = await Deno.readFile(path);
        bytes[bytes.length >> 1] ^= 1;
        await Deno.writeFile(path, bytes);
      };
      const manifest = `${store}/${stepEntryName(entry)}`;
      if (what === "pack") {
        await flip(`${store}/${packName("local", entry.pack!.sha256)}`);
      } else if (what === "manifest") await flip(manifest);
      else if (what === "truncated") await Deno.truncate(manifest, 100);
      else await plant(job, { log: { parts: [], inline: "YQ==" } });
      await assertMiss(job, what);
      // The next run replaces it.
      assertEquals((await job.run()).cached, ["build"], what);
    }
  });

  it("is a miss if any byte of a manifest is changed", async () => {
    await using job = await victim();
    const { signal } = new AbortController();
    const bytes = await encodeStepEntry(job.entry);
    const read = (content: Uint8Array) =>
      readStepEntry(job.entry, {
        get: () =>
          Promise.resolve((async function* () {
            yield content;
          })()),
      }, signal);
    assertEquals((await read(bytes))?.values, { v: "1" });
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] ^= 1 << at % 8;
      await assertRejects(
        () => read(changed),
        InvalidEntry,
        undefined,
        `${at}`,
      );
    }
    // A write that was cut off anywhere.
    for (let end = 0; end < bytes.length; end += 7) {
      await assertRejects(() => read(bytes.subarray(0, end)), InvalidEntry);
    }
  });

  it("is a miss if it contains what no step can write", async () => {
    await using job = await victim();
    const parts = Array(200_000).fill({ stream: "stdout", length: 0 });
    const changes: Partial<StepEntry>[] = [
      { log: { parts, inline: "" } },
      { log: { parts: [{ stream: "stdout", length: -1 }], inline: "" } },
      { values: { "v=w": "" } },
      { durationMs: -1 },
    ];
    for (const [at, change] of changes.entries()) {
      await forget(job);
      await plant(job, change);
      await assertMiss(job, `${at}`);
    }
  });

  it("is a miss if a manifest is built to exhaust memory", async () => {
    await using job = await victim();
    const size = 60 * 1024 * 1024;
    for (const unit of ["{},", "[", '{"a":']) {
      const text = `[${unit.repeat(size / unit.length)}`;
      await forget(job);
      await Deno.writeTextFile(
        `${job.store}/${stepEntryName(job.entry)}`,
        text,
      );
      await assertMiss(job, unit);
    }
  });

  it("is a miss if a manifest is that of another key, step or namespace", async () => {
    await using job = await victim();
    await makeFiles(job.cwd, { "src/one": "2" });
    await job.run();
    const [other] = (await entriesOf(job))
      .filter(({ key }) => key !== job.entry.key);
    await makeFiles(job.cwd, { "src/one": "1" });
    await forget(job);
    await Deno.copyFile(
      `${job.store}/${stepEntryName(other)}`,
      `${job.store}/${stepEntryName(job.entry)}`,
    );
    await assertMiss(job, "another key");
    for (const name of ["namespace", "step", "key"] as const) {
      await forget(job);
      await Deno.writeFile(
        `${job.store}/${stepEntryName(job.entry)}`,
        await encodeStepEntry({
          ...job.entry,
          [name]: other[name].replace(/^./, "f"),
        }),
      );
      await assertMiss(job, name);
    }
    await forget(job);
    const parts = { ...job.entry.parts, command: "other" };
    assert(await keyOfParts(parts) !== job.entry.key);
    await plant(job, { parts });
    await assertMiss(job, "other parts");
  });

  it("cannot lead out of the directory of the job", async () => {
    const file = {
      type: "file",
      mode: 0o644,
      content: "0".repeat(64),
    } as const;
    const paths = [
      ["../evil"],
      ["/tmp/evil"],
      [".git/config"],
      [".reactorcide/run.json"],
      ["out/../../evil"],
      ["out", "out/all"],
      ["out/all", "out/all"],
      [""],
      ["out/\0"],
      // These are in the directory, but not what the step creates.
      ["src/one"],
      ["outside/file"],
      ["out/all", "other"],
      // Comparing each part of it with others would take forever.
      [`out/${"a/".repeat(1_000_000)}a`],
      [`out/${"a/".repeat(2_000)}a`],
    ];
    await using job = await victim();
    await plant(job, {});
    assertEquals((await job.run()).cached, ["build"]);
    for (const list of paths) {
      await forget(job);
      const outputs = list.map((path) => ({ ...file, path }));
      await plant(job, { outputs });
      await assertMiss(job, JSON.stringify(list).slice(0, 100));
      assertEquals(await Deno.readTextFile(`${job.cwd}/src/one`), "1");
    }
  });

  it("cannot make a pack write elsewhere", async () => {
    const out: TarEntry = { name: "out/", type: "5", mode: 0o755 };
    const packs: TarEntry[][] = [
      [out, { name: "../evil", content: "x" }],
      [out, { name: "/evil", content: "x" }],
      [out, { name: "out/all", type: "2", target: "../../evil" }],
      [{ name: "out", type: "2", target: "outside" }, {
        name: "out/all",
        content: "x",
      }],
      [out, { name: "out/all", type: "3" }],
      [out],
    ];
    await using job = await victim();
    for (const entries of packs) {
      await forget(job);
      await plantPack(job, entries);
      await assertMiss(job, JSON.stringify(entries));
    }
  });

  it("cannot replace files that are not outputs of the step", async () => {
    await using job = await victim();
    const content = await sha256Hex("evil");
    const [output] = job.entry.outputs;
    for (const path of ["src/one", "outside/file", "new"]) {
      await forget(job);
      const entries = [{ name: path, content: "evil" }];
      const outputs = [{ ...output, path, content }];
      await plantPack(job, entries, { outputs });
      await assertMiss(job, path);
      assertEquals(await Deno.readTextFile(`${job.cwd}/src/one`), "1");
      assertEquals(await exists(`${job.cwd}/new`), false);
    }
  });

  it("does not write through a link in the directory of the job", async () => {
    await using job = await victim();
    const path = `${job.directory}/elsewhere`;
    await Deno.mkdir(path);
    await Deno.symlink(path, `${job.cwd}/out`);
    // The command itself follows the link, so its result is not known.
    for (let count = 0; count < 2; count++) {
      const { code, ran, stderr } = await job.run();
      assertEquals([code, ran], [0, ["build"]]);
      assertStringIncludes(stderr, 'build: not cached: "out" is a link');
      await Deno.remove(`${path}/all`);
    }
  });

  it("is reported once if it cannot be used, and never fails a step", async () => {
    const steps = Object.fromEntries(
      ["a", "b", "c"].map((name) => [name, {
        run: "true",
        cache: { inputs: "src/**" },
      }]),
    );
    await using job = await cachedJob(steps, { "src/one": "1" });
    await Deno.writeTextFile(`${job.directory}/file`, "");
    const stores = [
      `${job.directory}/file`,
      `${job.directory}/file/below`,
      "https://127.0.0.1:1/cache",
    ];
    for (const store of stores) {
      const { code, ran, stderr } = await job.run(["--concurrency", "1"], {
        REACTORCIDE_CACHE_STORE: store,
      });
      assertEquals([code, ran], [0, ["a", "b", "c"]], stderr);
      const warnings = stderr.split("Cannot use the cache of steps").length - 1;
      assertEquals(warnings, 1, stderr);
    }
    const { code, stderr } = await job.run([], {
      REACTORCIDE_CACHE_STORE: "relative",
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot use the cache store");
  });

  it("does not use the memory of another user", async () => {
    await using job = await cachedJob(STEPS, { "src/one": "1" });
    await job.run();
    const files = `${job.directory}/user/reactorcide/files`;
    const [memory] = await Array.fromAsync(Deno.readDir(files));
    const path = `${files}/${memory.name}`;
    const content = JSON.parse(await Deno.readTextFile(path));
    for (const step of Object.values<{ entry: StepEntry }>(content.steps)) {
      Object.assign(step.entry, { values: { v: "forged" } });
    }
    const output = async () => {
      await job.run();
      const kept = await Deno.readTextFile(
        `${job.cwd}/.reactorcide/outputs.json`,
      )
        .catch(() =>
          Deno.readTextFile(`${job.cwd}/job/.reactorcide/outputs.json`)
        );
      return JSON.parse(kept).build.v;
    };
    await Deno.writeTextFile(path, JSON.stringify(content));
    await Deno.chmod(path, 0o666);
    assertEquals(await output(), "1");
    for (const text of ["", "{", '{"version":1,"files":[],"steps":{}}']) {
      await Deno.writeTextFile(path, text);
      assertEquals(await output(), "1");
    }
  });
});

describe("several runners with one store of steps", () => {
  it("save the same result at once", async () => {
    await using job = await cachedJob(STEPS, { "src/one": "1" });
    await using other = await cachedJob(STEPS, { "src/one": "1" });
    const env = { REACTORCIDE_CACHE_STORE: job.store };
    const source = { REACTORCIDE_SOURCE_TYPE: "none" };
    for (let count = 0; count < 3; count++) {
      await makeFiles(job.cwd, { "src/one": String(count) });
      await makeFiles(other.cwd, { "src/one": String(count) });
      const runs = await Promise.all([
        job.run([], source),
        other.run([], { ...env, ...source }),
      ]);
      assertEquals(runs.map(({ code }) => code), [0, 0]);
      for (const { cwd } of [job, other]) {
        assertEquals(await Deno.readTextFile(`${cwd}/out/all`), String(count));
      }
      await runShell(job.cwd, "rm -r out");
      assertEquals((await job.run([], source)).cached, ["build"]);
    }
  });

  it("recognize the files that a step created before its runner was killed", async () => {
    const run = 'mkdir -p out; cp src/* out; [ -z "$WAIT" ] || sleep 5';
    await using job = await cachedJob(
      { build: { ...STEPS.build, run } },
      { "src/a": "1", "src/b": "2", "out/own": "mine" },
    );
    const env = { ...job.env, WAIT: "1" };
    await using cli = startCli(["run", "--job-file", "job.yaml"], {
      cwd: job.cwd,
      env,
    });
    const isThere = () => pathExistsSync(`${job.cwd}/out/b`);
    await until(isThere, "the outputs");
    cli.child.kill("SIGKILL");
    await cli.end();
    await Deno.remove(`${job.cwd}/src/b`);
    assertEquals((await job.run()).ran, ["build"]);
    assertEquals(await listFiles(`${job.cwd}/out`), { a: "1", own: "mine" });
  });

  it("leave no partial result if one is killed while it saves", async () => {
    const random = new Random();
    const run =
      "mkdir -p out; head -c 8000000 /dev/urandom > out/all; cat src/one >> out/all";
    await using job = await cachedJob(
      { build: { ...STEPS.build, run } },
      { "src/one": "1" },
    );
    for (let count = 0; count < 2; count++) {
      await makeFiles(job.cwd, { "src/one": String(count) });
      await using cli = startCli(["run", "--job-file", "job.yaml"], job);
      // It packs as soon as there is a temporary directory in the store.
      const isSaving = async () =>
        (await Array.fromAsync(Deno.readDir(`${job.store}/tmp`))).length > 0;
      let isOver = false;
      void cli.child.status.then(() => isOver = true);
      while (!isOver && !await isSaving().catch(() => false)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const delayMs = random.below(150);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      try {
        cli.child.kill("SIGKILL");
      } catch {
        // It has saved its result.
      }
      await cli.end();
      const packed = async () =>
        new TextDecoder().decode(await Deno.readFile(`${job.cwd}/out/all`))
          .endsWith(String(count));
      await job.run();
      assert(await packed());
      const before = await sha256Hex(
        await Deno.readFile(`${job.cwd}/out/all`),
      );
      await runShell(job.cwd, "rm -r out");
      assertEquals((await job.run()).cached, ["build"]);
      const after = await sha256Hex(
        await Deno.readFile(`${job.cwd}/out/all`),
      );
      assertEquals(after, before);
    }
    // The next runner removes the temporary files of those that were killed.
    await makeFiles(job.cwd, { "src/one": "last" });
    await using cli = startCli(["run", "--job-file", "job.yaml"], job);
    assertEquals((await cli.end()).code, 0);
    assertEquals(await Array.fromAsync(Deno.readDir(`${job.store}/tmp`)), []);
    assertEquals(await exists(`${job.cwd}/out/all`), true);
  });
});
