import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runShell } from "../helpers/archives.ts";
import { cachedJob } from "../helpers/cached_job.ts";
import { mountSmallDisk } from "../helpers/small_disk.ts";
import { exists, listFiles } from "../helpers/temporary_directory.ts";

const STEPS = {
  build: {
    run:
      "mkdir -p out; if [ -e full ]; then echo small; else cat large; fi > out/a",
    cache: { inputs: "src/**", outputs: "out/**" },
  },
};

/** Content that cannot be compressed. */
const MAKE_LARGE = "head -c 500000 /dev/urandom > large";

describe("a full disk", () => {
  it("runs a step, and saves no partial result", async () => {
    await using job = await cachedJob(STEPS, { "src/one": "1" });
    await runShell(job.directory, `cd job; ${MAKE_LARGE}; mkdir ../store`);
    await using disk = await mountSmallDisk(job.store, "256k");
    if (disk === undefined) return;
    for (let count = 0; count < 2; count++) {
      const { code, ran, stderr } = await job.run();
      assertEquals([code, ran], [0, ["build"]], stderr);
      assertMatch(stderr, /No space left/i);
      assertEquals(await listFiles(job.store), { "tmp/": "" });
    }
  });

  it("runs a step whose result cannot be restored, without leaving part of the result", async () => {
    await using job = await cachedJob(STEPS);
    await using disk = await mountSmallDisk(job.cwd, "3m");
    if (disk === undefined) return;
    await job.define(STEPS);
    const free = "$(($(stat -f -c %a .) * $(stat -f -c %S .) - 300000))";
    await runShell(
      job.cwd,
      `mkdir src; echo 1 > src/one; ${MAKE_LARGE}`,
    );
    assertEquals((await job.run()).ran, ["build"]);
    await runShell(job.cwd, `rm -r out; head -c "${free}" /dev/zero > full`);
    const { code, ran, stderr } = await job.run();
    assertEquals([code, ran], [0, ["build"]], stderr);
    assertMatch(stderr, /No space left/i);
    assertEquals(await listFiles(`${job.cwd}/out`), { a: "small\n" });
    assertEquals(await exists(`${job.cwd}/.reactorcide/tmp`), false);
  });
});
