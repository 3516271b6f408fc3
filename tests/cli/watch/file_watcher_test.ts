import { assertEquals, assertMatch } from "@std/assert";
import {
  ChangeFilter,
  compareSnapshots,
  type FileChange,
  takeSnapshot,
  watchSource,
} from "../../../src/cli/watch/file_watcher.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";
import { BARE_ENV } from "../../helpers/running.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const WATCHER = new URL(
  "../../../src/cli/watch/file_watcher.ts",
  import.meta.url,
).href;

const SNAPSHOT = new URL(
  "../../../src/cli/watch/file_watcher.ts",
  import.meta.url,
).href;

Deno.test("takeSnapshot() leaves out what is ignored, and compareSnapshots() names the rest", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "a": "1",
    "b": "1",
    "job/artifacts/x": "1",
    ".git/x": "1",
    "c.swp": "1",
    "d/e": "1",
  });
  const source = {
    roots: [path],
    ignored: [`${path}/job`],
    env: BARE_ENV,
  };
  const before = await takeSnapshot(source);
  assertEquals(
    [...before.keys()].sort(),
    ["a", "b", "d/e"].map((name) => `${path}/${name}`),
  );
  await makeFiles(path, { "a": "22", "f/g": "1", "job/y": "1" });
  await Deno.remove(`${path}/b`);
  assertEquals(
    compareSnapshots(before, await takeSnapshot(source))
      .map(({ path: file, kind }) => [file.slice(path.length + 1), kind])
      .sort(),
    [["a", "changed"], ["b", "removed"], ["f/g", "added"]],
  );
});

Deno.test("watchSource() wakes again after it has followed new directories", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { a: "1" });
  const source = { roots: [path], ignored: [], env: BARE_ENV };
  const signal = new AbortController().signal;
  const warnings: string[] = [];
  using watcher = watchSource(
    source,
    await takeSnapshot(source),
    (message) => warnings.push(message),
  );
  await watcher.next(signal);
  await makeFiles(path, { "d/e": "1" });
  await watcher.next(signal);
  watcher.follow(await takeSnapshot(source));
  await watcher.next(signal);
  await makeFiles(path, { "d/f": "1" });
  await watcher.next(signal);
  assertEquals(warnings, []);
});

Deno.test("watchSource() polls if the system has no watches left", async () => {
  if (isProgramMissing("unshare")) return;
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "a": "1",
    "watch.ts": `import { watchSource } from "${WATCHER}";
const source = { roots: ["${path}"], ignored: [], env: {} };
using watcher = watchSource(source, new Map(), console.log);
await watcher.next(new AbortController().signal);
console.log("woken");`,
  });
  const limit = "echo 0 > /proc/sys/user/max_inotify_instances";
  const run = `"${Deno.execPath()}" run -A --no-check ${path}/watch.ts`;
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["--user", "--map-root-user", "sh", "-c", `${limit} && ${run}`],
    cwd: path,
  }).output();
  const decoder = new TextDecoder();
  const printed = decoder.decode(stdout);
  // In most containers, user namespaces are not allowed.
  if (
    code !== 0 && /unshare|Permission|Read-only/.test(decoder.decode(stderr))
  ) {
    return;
  }
  assertMatch(printed, /Cannot watch all directories .*every 2 seconds/);
  assertMatch(printed, /woken/);
});

Deno.test("watchSource() polls once a named pipe has appeared", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "source/sub/a": "1",
    "watch.ts": `import { watchSource } from "${WATCHER}";
import { takeSnapshot } from "${SNAPSHOT}";
const source = { roots: ["${path}/source"], ignored: [], env: {} };
const { signal } = new AbortController();
const place = Deno.args[0];
using watcher = watchSource(source, await takeSnapshot(source), console.log, 20);
await watcher.next(signal);
await new Deno.Command("mkfifo", { args: [\`${path}/source/\${place}pipe\`] }).output();
for (const file of ["1", "new/2", "3"]) {
  await Deno.mkdir(\`${path}/source/\${place}new\`, { recursive: true });
  await Deno.writeTextFile(\`${path}/source/\${place}\${file}\`, "");
  await watcher.next(signal);
  watcher.follow(await takeSnapshot(source));
}
console.log("woken");
Deno.exit();`,
  });
  for (const place of ["", "sub/"]) {
    await makeFiles(path, { "source/sub/a": "1" });
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${path}/watch.ts`, place],
      cwd: path,
      signal: AbortSignal.timeout(60_000),
    }).output();
    const decoder = new TextDecoder();
    const printed = decoder.decode(stdout);
    assertMatch(
      printed,
      /one contains a named pipe.*\nwoken\n$/,
      decoder.decode(stderr),
    );
    await Deno.remove(`${path}/source`, { recursive: true });
  }
});

/** Changes of files, during runs and between them. */
async function changes() {
  const directory = await temporaryDirectory();
  const warnings: string[] = [];
  const own = new ChangeFilter((message) => warnings.push(message));
  return {
    warnings,
    async look(
      isRunning: boolean,
      files: Readonly<Record<string, [FileChange["kind"], string]>>,
    ) {
      const all: FileChange[] = [];
      for (const [name, [kind, text]] of Object.entries(files)) {
        const path = `${directory.path}/${name}`;
        if (kind === "removed") await Deno.remove(path).catch(() => {});
        else await Deno.writeTextFile(path, text);
        all.push({ path, kind });
      }
      const relevant = await own.selectRelevant(all, isRunning);
      return relevant.map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("a file that appears during a run does not start one", async () => {
  await using test = await changes();
  assertEquals(
    await test.look(true, { out: ["added", "1"], src: ["changed", "1"] }),
    ["src"],
  );
  assertEquals(await test.look(true, { out: ["changed", "2"] }), []);
  assertEquals(await test.look(true, { out: ["removed", ""] }), []);
  assertEquals(await test.look(false, { out: ["added", "3"] }), ["out"]);
  assertEquals(await test.look(true, { out: ["changed", "4"] }), ["out"]);
});

Deno.test("a file that a run writes with the same content starts one run", async () => {
  await using test = await changes();
  assertEquals(await test.look(true, { a: ["changed", "formatted"] }), ["a"]);
  assertEquals(await test.look(true, { a: ["changed", "formatted"] }), []);
  assertEquals(await test.look(true, { a: ["changed", "by hand"] }), ["a"]);
});

Deno.test("a file that interrupts several runs in a row is ignored, and named", async () => {
  await using test = await changes();
  for (const text of ["1", "2", "3"]) {
    assertEquals(await test.look(true, { a: ["changed", text] }), ["a"]);
  }
  assertEquals(
    await test.look(true, { a: ["changed", "4"], b: ["changed", "1"] }),
    ["b"],
  );
  assertEquals(test.warnings.length, 1);
  assertEquals(await test.look(false, { a: ["changed", "5"] }), []);
});

Deno.test("a change between runs resets the count", async () => {
  await using test = await changes();
  for (const text of ["1", "2", "3", "4", "5", "6"]) {
    assertEquals(await test.look(true, { a: ["changed", text] }), ["a"]);
    if (text === "3") {
      assertEquals(await test.look(false, { c: ["changed", text] }), ["c"]);
    }
  }
  assertEquals(test.warnings, []);
});
