import { assertEquals } from "@std/assert";
import { DirectoryStore } from "../../src/cache/directory_store.ts";
import { listStore, pruneStore } from "../../src/cache/prune.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const { signal } = new AbortController();

const HASHES = ["a", "b", "c", "d", "e"].map((digit) => digit.repeat(64));

interface Planted {
  path: string;
  text: string;
  packs: string[];
  isExpired: boolean;
}

/** Manifests of both other kinds, which share the packs of their namespace. */
function randomManifests(random: Random): Planted[] {
  return Array.from({ length: random.below(8) }, (_, at) => {
    const namespace = random.pick(["main", "pr-7"]);
    const folder = random.pick(["steps/build", "artifacts/run/1"]);
    const hashes = HASHES.filter(() => random.below(3) === 0);
    const isExpired = random.below(6) === 0;
    return {
      path: `v1/${namespace}/${folder}/${at}.json`,
      text: JSON.stringify({
        version: 1,
        namespace,
        name: `the ${at}th`,
        ...hashes.length === 1 ? { sha256: hashes[0] } : { packs: hashes },
        ...isExpired ? { expiresMs: Date.now() - 1 } : {},
      }),
      packs: hashes.map((hash) => `v1/${namespace}/packs/${hash}`),
      isExpired,
    };
  });
}

/**
 * What remains, by the simplest rule: artifacts come before all others, and the
 * newest first.
 */
function expected(
  manifests: readonly Planted[],
  packs: ReadonlyMap<string, number>,
  maxBytes: number,
): string[] {
  let kept = new Set<string>();
  const order = [true, false].flatMap((isFirst) =>
    manifests.filter(({ path }) => path.includes("/artifacts/") === isFirst)
  );
  for (const { path, text, packs: needed, isExpired } of order) {
    const all = new Set([...kept, path, ...needed]);
    const sizes = [...all].map((name) =>
      packs.get(name) ??
        manifests.find((manifest) => manifest.path === name)?.text.length ??
        Infinity
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (!isExpired && text !== "" && total <= maxBytes) kept = all;
  }
  return [...kept].sort();
}

async function filesIn(path: string): Promise<string[]> {
  return Object.keys(await listFiles(path))
    .filter((name) => !name.endsWith("/")).sort();
}

Deno.test("pruneStore() keeps the most recently used manifests of all kinds, and removes the others", async () => {
  const random = new Random();
  for (let round = 0; round < 40; round++) {
    await using directory = await temporaryDirectory();
    const manifests = randomManifests(random);
    const packs = new Map(
      ["main", "pr-7"].flatMap((namespace) =>
        HASHES.map((hash) =>
          [`v1/${namespace}/packs/${hash}`, random.below(2_000)] as const
        )
      ).filter(() => random.below(8) > 0),
    );
    await makeFiles(directory.path, {
      ...Object.fromEntries([...packs].map(([name, size]) => [
        name,
        "x".repeat(size),
      ])),
      ...Object.fromEntries(manifests.map(({ path, text }) => [path, text])),
      "v1/main/unknown/file": "",
      "v1/main/steps/broken.json": "{",
      "v1/main/steps/foreign.json": JSON.stringify({
        version: 1,
        namespace: "pr-7",
        name: "it is elsewhere",
      }),
      "v1/main/artifacts/link.json": "-> ../steps/broken.json",
    });
    for (const [at, { path }] of manifests.entries()) {
      const time = new Date(Date.UTC(2026, 0, 1) - at * 1_000);
      await Deno.utime(`${directory.path}/${path}`, time, time);
    }
    const maxBytes = 1 + random.below(9_000);
    const store = await DirectoryStore.open(directory.path);
    await pruneStore(store, maxBytes, signal);
    const remaining = expected(manifests, packs, maxBytes);
    assertEquals(
      await filesIn(directory.path),
      remaining,
      `seed ${random.seed}`,
    );
    const contents = await listStore(store, signal);
    assertEquals(contents.otherNames, []);
    assertEquals(
      [...contents.manifests.map(({ path }) => path), ...contents.packs.keys()]
        .sort(),
      remaining,
    );
    await pruneStore(store, 0, signal);
    assertEquals(await filesIn(directory.path), []);
  }
});

Deno.test("cache stats shows the manifests of all kinds", async () => {
  await using directory = await temporaryDirectory();
  const [hash] = HASHES;
  const step = { version: 1, namespace: "main", name: "build", sha256: hash };
  await makeFiles(directory.path, {
    [`store/v1/main/packs/${hash}`]: "12345",
    "store/v1/main/steps/x.json": JSON.stringify(step),
  });
  const size = 5 + JSON.stringify(step).length;
  const { stdout } = await runMain(["cache", "stats"], {
    cwd: directory.path,
    env: { REACTORCIDE_CACHE_STORE: `${directory.path}/store` },
  });
  const [first, second] = stdout.split("\n");
  assertEquals(
    first,
    `${directory.path}/store: 1 entries, ${size} of 10737418240 bytes`,
  );
  assertEquals(
    second.replace(/used .*/, ""),
    `main  steps  build    ${size} bytes  `,
  );
});
