import { assertEquals } from "@std/assert";
import { restorePack, writePack } from "../../src/cache/pack.ts";
import { fixedEnvironment } from "../../src/environment/child_environment.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
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
  const restore = () =>
    restorePack(file, { ...info, paths: PATHS }, root, context);
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
