import { assertEquals, assertMatch } from "@std/assert";
import {
  changesSince,
  takeSnapshot,
} from "../../../src/cli/watch/source_snapshot.ts";
import { watchSource } from "../../../src/cli/watch/file_watcher.ts";
import { BARE_ENV } from "../../helpers/running.ts";
import { isClientMissing } from "../../helpers/client.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const WATCHER = new URL(
  "../../../src/cli/watch/file_watcher.ts",
  import.meta.url,
).href;

Deno.test("takeSnapshot() leaves out what is ignored, and changesSince() names the rest", async () => {
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
    changesSince(before, await takeSnapshot(source))
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
  if (isClientMissing("unshare")) return;
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
