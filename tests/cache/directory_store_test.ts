import { assertEquals } from "@std/assert";
import { DirectoryStore } from "../../src/cache/directory_store.ts";
import { swapDuring } from "../helpers/swap_during.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const NAME = "v1/local/entries/file";

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
  const swap = {
    folder: `${path}/store/v1/local/entries`,
    link: `${path}/link`,
  };
  for (let round = 0; round < 150; round++) {
    await swapDuring(swap, () => store.put(NAME, content));
    assertEquals(await listFiles(`${path}/outside`), outside, `put ${round}`);
    await makeFiles(`${path}/store`, { [NAME]: "inside" });
    await swapDuring(swap, () => store.remove(NAME));
    assertEquals(await listFiles(`${path}/outside`), outside, `rm ${round}`);
  }
  await store.put(NAME, content);
  await store.remove(NAME);
  assertEquals(await store.getSize(NAME), undefined);
});
