import type { Benchmark } from "./measure.ts";
import { denoRun, measureTime } from "./programs.ts";

const MIB = 1024 * 1024;

const CLI = import.meta.resolve("../cli.ts");

/** Size of the files that do not compress, in bytes. */
const RANDOM_BYTES = MIB;

/** Size of the files that compress well, in bytes. */
const TEXT_BYTES = 10_000;

/** Creates a few large files and many small ones, as most builds do. */
const MAKE_TREE = `set -eu
mkdir tree
for d in $(seq 10); do
  mkdir tree/$d
  head -c $(($1 * 8 / 100)) /dev/urandom | split -b ${RANDOM_BYTES} - tree/$d/r-
  seq $((d * 1000000)) $((d * 1000000 + $1 / 100)) | head -c $(($1 * 2 / 100)) |
    split -b ${TEXT_BYTES} -a 4 - tree/$d/t-
done`;

const WORKFLOW = `
name: bench
jobs:
  build:
    command: mv "$TREE" tree
    artifacts: { tree: { paths: [tree] } }
  test:
    needs: [{ job: build, artifacts: [tree] }]
    command: test -d tree
`;

/**
 * Time to pass a tree from one job of a workflow to another through the store:
 * packing, hashing, compressing, and restoring.
 *
 * @param directory Directory to work in.
 * @param treeBytes Size of the tree; a fifth of it consists of small files.
 */
export function artifacts(directory: string, treeBytes: number): Benchmark {
  const cwd = `${directory}/artifacts`;
  const prepare = async () => {
    await Deno.remove(cwd, { recursive: true }).catch(() => {});
    await Deno.mkdir(`${cwd}/ci`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/ci/ci.yaml`, WORKFLOW);
    await measureTime(["sh", "-c", MAKE_TREE, "sh", String(treeBytes)], cwd);
  };
  return {
    title: `Passing ${Math.round(treeBytes / MIB)} MiB to another job`,
    unit: "ms",
    variants: [
      {
        name: "ours",
        async measure() {
          await prepare();
          const script =
            `REACTORCIDE_CACHE_STORE=${cwd}/store TREE=${cwd}/tree exec "$@"`;
          const argv = denoRun(CLI, "workflow", "run", "ci.yaml");
          return await measureTime(
            ["sh", "-c", script, "sh", ...argv],
            `${cwd}/ci`,
          );
        },
      },
      {
        name: "tar and zstd",
        async measure() {
          await prepare();
          return await measureTime(
            [
              "sh",
              "-c",
              "tar -c tree | zstd -q -T0 -3 -o pack && mkdir copy && zstd -qdc pack | tar -x -C copy",
            ],
            cwd,
          );
        },
      },
    ],
    comparisons: [{ subject: "ours", floor: "tar and zstd" }],
  };
}
