import { assertEquals } from "@std/assert";
import { DirectoryStore } from "../../src/cache/directory_store.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const NAME = "v1/local/entries/file";

/**
 * Replaces the folder of an object by a link to another directory, and back,
 * until an action on the object ends.
 */
async function swapDuring(
  path: string,
  action: () => Promise<unknown>,
): Promise<void> {
  const folder = `${path}/store/v1/local/entries`;
  const doing = action().catch(() => {});
  let isDone = false;
  doing.then(() => isDone = true);
  for (let isLink = false; !isDone || isLink; isLink = !isLink) {
    await Deno.rename(folder, `${path}/${isLink ? "link" : "folder"}`);
    const next = `${path}/${isLink ? "folder" : "link"}`;
    // The store may have created the folder again.
    while (!await Deno.rename(next, folder).then(() => true, () => false)) {
      await Deno.remove(folder, { recursive: true });
    }
  }
  await doing;
}

Deno.test("DirectoryStore changes nothing behind a link that replaces a folder", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const outside = { file: "outside" };
  await makeFiles(`${path}/outside`, outside);
  await makeFiles(`${path}/store/v1/local/entries`, {});
  await Deno.mkdir(`${path}/store/v1/local/entries`, { recursive: true });
  await Deno.symlink(`${path}/outside`, `${path}/link`);
  const store = await DirectoryStore.open(`${path}/store`);
  const content = new TextEncoder().encode("inside");
  for (let round = 0; round < 150; round++) {
    await swapDuring(path, () => store.put(NAME, content));
    assertEquals(await listFiles(`${path}/outside`), outside, `put ${round}`);
    await makeFiles(`${path}/store`, { [NAME]: "inside" });
    await swapDuring(path, () => store.remove(NAME));
    assertEquals(await listFiles(`${path}/outside`), outside, `rm ${round}`);
  }
  await store.put(NAME, content);
  await store.remove(NAME);
  assertEquals(await store.getSize(NAME), undefined);
});
