import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type RestoreContext,
  restorePack,
  writePack,
} from "../../src/cache/pack.ts";
import { fixedEnvironment } from "../../src/environment/child_environment.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import { runCli } from "../helpers/cli.ts";
import { swapDuring } from "../helpers/swap_during.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PATHS = ["out/d/file"];

/** A job with a pack of its file, and a directory outside of the job. */
async function world(path: string) {
  const [root, outside] = [`${path}/job`, `${path}/outside`];
  await makeFiles(root, { "out/d/file": "saved" });
  await makeFiles(outside, { "kept": "outside", "file": "outside" });
  await Deno.mkdir(`${path}/tmp`);
  const context = {
    env: fixedEnvironment(Deno.env.toObject()),
    maxBytes: 1e6,
    cancellation: new Cancellation(),
    temporaryParents: [`${path}/tmp`, `${root}/.reactorcide/tmp`],
    store: { temporaryParents: [] },
  };
  const file = `${path}/pack`;
  const info = await writePack(root, PATHS, file, context);
  const restore = (changes: Partial<RestoreContext> = {}) =>
    restorePack(file, { ...info, paths: PATHS }, root, {
      ...context,
      ...changes,
    });
  return { root, outside, restore };
}

Deno.test("restorePack() changes nothing behind a link that a step creates meanwhile", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const { root, outside, restore } = await world(path);
  const before = await listFiles(outside);
  const folder = `${root}/out/d`;
  await Deno.symlink(outside, `${path}/link`);
  for (let round = 0; round < 100; round++) {
    await swapDuring({ folder, link: `${path}/link` }, restore);
    assertEquals(await listFiles(outside), before, `round ${round}`);
  }
  await restore();
  assertEquals(await Deno.readTextFile(`${folder}/file`), "saved");
});

Deno.test("restorePack() unpacks where no step has access", async () => {
  await using directory = await temporaryDirectory();
  const { root, restore } = await world(directory.path);
  await Deno.remove(`${root}/out`, { recursive: true });
  await Deno.writeTextFile(`${root}/.reactorcide`, "no directory");
  await restore();
  assertEquals(await listFiles(root), {
    ".reactorcide": "no directory",
    "out/": "",
    "out/d/": "",
    "out/d/file": "saved",
  });
});

Deno.test("restorePack() unpacks nothing in the directory of the job while an untrusted step runs", async () => {
  await using directory = await temporaryDirectory();
  const { root, restore } = await world(directory.path);
  await Deno.remove(`${root}/out`, { recursive: true });
  const temporaryParents = [`${root}/.reactorcide/tmp`];
  await assertRejects(
    () => restore({ temporaryParents, runExclusively: () => undefined }),
    Error,
    "an untrusted step is running",
  );
  assertEquals(await listFiles(root), {});
  await restore({ temporaryParents, runExclusively: (action) => action() });
  assertEquals(await Deno.readTextFile(`${root}/out/d/file`), "saved");
});

/** Whether temporary files of tests are on the file system of `/tmp`. */
async function isInTmp(): Promise<boolean> {
  await using directory = await temporaryDirectory();
  const [own, system] = await Promise.all(
    [directory.path, "/tmp"].map((path) => Deno.stat(path)),
  );
  return own.dev === system.dev;
}

Deno.test(
  "a step runs instead of being restored where an untrusted step could change its files",
  {
    // Otherwise, files can be unpacked in `/tmp`.
    ignore: await isInTmp(),
  },
  async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const cwd = `${path}/job`;
    const job = (isUntrusted: boolean) =>
      JSON.stringify({
        steps: {
          other: {
            run: "echo > started; until [ -e done ]; do sleep 0.1; done",
            ...isUntrusted ? { untrusted: true } : {},
          },
          wait: { run: "until [ -e started ]; do sleep 0.1; done" },
          build: {
            run: "mkdir -p out; echo built > out/file",
            needs: "wait",
            cache: { inputs: "in", outputs: "out/**" },
          },
          end: { run: "echo > done", needs: "build" },
        },
      });
    await makeFiles(cwd, {
      "trusted.json": job(false),
      "untrusted.json": job(true),
      "in": "",
      "tmp/": "",
    });
    const run = async (file: string, temporary: string) => {
      for (const name of ["out", "started", "done"]) {
        await Deno.remove(`${cwd}/${name}`, { recursive: true }).catch(
          () => {},
        );
      }
      const { code, stdout, stderr } = await runCli(
        ["run", "--job-file", file],
        {
          cwd,
          env: { TMPDIR: temporary, REACTORCIDE_CACHE_STORE: `${cwd}/store` },
        },
      );
      assertEquals(code, 0, stdout + stderr);
      assertEquals(await Deno.readTextFile(`${cwd}/out/file`), "built\n");
      return {
        isCached: /✓ build +cached/.test(stderr),
        isRefused: stderr.includes("an untrusted step is running"),
      };
    };
    const inside = `${cwd}/tmp`;
    await run("trusted.json", inside);
    assert((await run("trusted.json", inside)).isCached);
    assertEquals(await run("untrusted.json", inside), {
      isCached: false,
      isRefused: true,
    });
    assertEquals(await run("untrusted.json", path), {
      isCached: true,
      isRefused: false,
    });
  },
);
