import { assert } from "@std/assert";
import { pathExists } from "../../src/fs/files.ts";

/** Files that CONTRIBUTING.md uses as examples of new ones. */
const NEW_FILES = /fossil|chat/;

Deno.test("CONTRIBUTING.md names files that exist", async () => {
  const page = await Deno.readTextFile("CONTRIBUTING.md");
  const paths = [...page.matchAll(/`([a-z_]+\/[a-z_/]+\.ts)`/g)]
    .map(([, path]) => path)
    .filter((path) => !NEW_FILES.test(path));
  assert(paths.length > 10);
  for (const path of paths) {
    assert(await pathExists(path) || await pathExists(`src/${path}`), path);
  }
});
