import type { Benchmark } from "./measure.ts";
import { denoRun, measureTime } from "./programs.ts";
import { installTurbo, writeTurboProject } from "./turbo.ts";

const CLI = import.meta.resolve("../cli.ts");

/** Mean size of a file, in bytes. */
const FILE_BYTES = 20 * 1024;

/** Number of files in a directory. */
const DIRECTORY_COUNT = 40;

/**
 * Time to restore a tree from the cache, and to save it.
 *
 * The baseline is GNU tar with zstd, which unpacks the same archive. It does not
 * back up an existing tree, check hashes, or look for dangerous entries.
 * Turborepo restores the same tree as the output of a task.
 *
 * @param directory Directory to work in.
 * @param treeBytes Size of the tree.
 * @returns The benchmark.
 */
export async function restoredTree(
  directory: string,
  treeBytes: number,
): Promise<Benchmark> {
  const project = `${directory}/restored`;
  const store = `${directory}/restored-store`;
  await makeTree(`${project}/tree`, treeBytes);
  const cache = (...args: string[]) => [
    ...["env", `REACTORCIDE_CACHE_STORE=${store}`],
    ...denoRun(CLI, "cache", ...args),
  ];
  const save = cache("save", "tree", "--key", "k", "tree");
  await measureTime(save, project);
  const clear = (path: string) =>
    Deno.remove(path, { recursive: true }).catch(() => {});
  const turbo = await createTurboProject(directory, `${project}/tree`);
  return {
    title: `Restoring a tree of ${treeBytes / 1024 ** 2} MiB`,
    unit: "ms",
    variants: [
      {
        name: "cache restore",
        async measure() {
          await clear(`${project}/tree`);
          return await measureTime(
            cache("restore", "tree", "--key", "k"),
            project,
          );
        },
      },
      {
        name: "tar -x",
        async measure() {
          await clear(`${project}/copy`);
          await Deno.mkdir(`${project}/copy`);
          const command = `tar --zstd -xf ${store}/v1/local/packs/* -C copy`;
          return await measureTime(["sh", "-c", command], project);
        },
      },
      ...turbo === undefined ? [] : [{
        name: "turbo",
        async measure() {
          await clear(`${turbo.cwd}/packages/tree/dist`);
          return await measureTime(turbo.argv, turbo.cwd);
        },
      }],
      {
        name: "cache save",
        async measure() {
          await clear(store);
          return await measureTime(save, project);
        },
      },
      {
        name: "tar -c",
        measure: () =>
          measureTime(
            ["sh", "-c", "tar -cf - tree | zstd -q -T0 -3 -f -o copy.tar.zst"],
            project,
          ),
      },
    ],
    comparisons: [
      { subject: "cache restore", floor: "tar -x", goal: "G15" },
      ...turbo === undefined
        ? []
        : [{ subject: "cache restore", floor: "turbo" }],
      { subject: "cache save", floor: "tar -c" },
    ],
  };
}

/** Creates a project whose only task has created the tree. */
async function createTurboProject(
  directory: string,
  tree: string,
): Promise<{ argv: string[]; cwd: string } | undefined> {
  const cwd = `${directory}/restored-turbo`;
  await writeTurboProject(cwd, {
    packages: { tree: `cp -r ${tree} dist` },
    inputs: ["package.json"],
    outputs: ["dist/**"],
  });
  const argv = await installTurbo(cwd);
  if (argv === undefined) return undefined;
  await measureTime(argv, cwd);
  return { argv, cwd };
}

/** Writes files of random words; some are much larger than others. */
async function makeTree(path: string, treeBytes: number): Promise<void> {
  const words = Array.from(
    { length: 2_000 },
    () => crypto.getRandomValues(new Uint8Array(4)).toHex(),
  );
  const pick = () => words[Math.floor(Math.random() * words.length)];
  const text = new TextEncoder().encode(
    Array.from({ length: 60_000 }, pick).join(" "),
  );
  let written = 0;
  for (let count = 0; written < treeBytes; count++) {
    const folder = `${path}/${Math.floor(count / DIRECTORY_COUNT)}`;
    if (count % DIRECTORY_COUNT === 0) {
      await Deno.mkdir(folder, { recursive: true });
    }
    // The square of a random number from 0 to 1 is a third on average.
    const size = Math.ceil(3 * FILE_BYTES * Math.random() ** 2);
    const at = Math.floor(Math.random() * (text.length - size));
    await Deno.writeFile(`${folder}/${count}`, text.subarray(at, at + size));
    written += size;
  }
}
