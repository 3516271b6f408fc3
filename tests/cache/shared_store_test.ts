import { assert, assertEquals } from "@std/assert";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const KEYS = ["a", "A", "ab", "b-1", "b-2"];

const ALPHABET =
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/** The only tree that is ever saved under a key. */
function treeOf(key: string): Record<string, string> {
  return {
    "tree/": "",
    "tree/key": key,
    // It hardly compresses.
    "tree/large": new Random(KEYS.indexOf(key)).text(4_500, ALPHABET),
    "tree/link": "-> key",
  };
}

Deno.test("jobs that share a store restore only what was saved under their key", async () => {
  const random = new Random();
  await using directory = await temporaryDirectory();
  const jobs = ["one", "two", "three"].map(async (name) => {
    const cwd = `${directory.path}/${name}`;
    await Deno.mkdir(cwd);
    const env = {
      REACTORCIDE_CACHE_STORE: `${directory.path}/store`,
      // Three or four packs fit.
      REACTORCIDE_CACHE_MAX_BYTES: "15000",
    };
    const run = (...args: string[]) =>
      runMain(["cache", ...args], { cwd, env });
    let hits = 0;
    for (let round = 0; round < 25; round++) {
      const key = random.pick(KEYS);
      const kind = random.below(8);
      if (kind === 0) {
        const { code, stderr } = await run(random.pick(["prune", "clear"]));
        assertEquals(code, 0, stderr);
        continue;
      }
      if (kind < 4) {
        await Deno.remove(`${cwd}/tree`, { recursive: true }).catch(() => {});
        await makeFiles(cwd, treeOf(key));
        const { code, stdout, stderr } = await run(
          ...["save", "deps", "--key", key, "tree"],
        );
        const line = stdout.trim();
        assert(line === `saved ${key}` || line === `exists ${key}`, stderr);
        assertEquals(code, 0);
        continue;
      }
      const before = await listFiles(cwd);
      const { code, stdout, stderr } = await run(
        ...["restore", "deps", "--key", key, "--fallback", key[0]],
      );
      assertEquals([code, stderr], [0, ""], `seed ${random.seed}`);
      const [state, found] = stdout.trim().split(" ");
      if (state === "miss") assertEquals(await listFiles(cwd), before);
      else {
        hits++;
        assert(state === "exact" ? found === key : found.startsWith(key[0]));
        assertEquals(
          await listFiles(cwd),
          treeOf(found),
          `seed ${random.seed}`,
        );
      }
    }
    return hits;
  });
  const hits = await Promise.all(jobs);
  assert(hits.some((count) => count > 0), `seed ${random.seed}`);
  assertEquals(
    await Array.fromAsync(Deno.readDir(`${directory.path}/store/tmp`)),
    [],
  );
});
