import { assertEquals, assertRejects } from "@std/assert";
import type { OutputFile } from "../../src/cache/step_entry.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { Uncacheable } from "../../src/steps/cache/file_tree.ts";
import { outputWithSecret } from "../../src/steps/cache/secret_scan.ts";

const SECRET = "correct-horse-battery";

Deno.test("outputWithSecret() finds a secret in an output, but neither follows links nor waits for pipes", async () => {
  const root = await Deno.makeTempDir();
  const elsewhere = await Deno.makeTempFile();
  const masker = new Masker();
  masker.add(SECRET);
  const search = (...paths: string[]) => {
    const outputs = paths.map((path) => ({ path, type: "file" }) as OutputFile);
    const { signal } = new AbortController();
    return outputWithSecret(root, outputs, masker, signal);
  };
  try {
    // The secret is at the border between two chunks.
    const filled = "x".repeat(1024 * 1024 - 5);
    await Deno.writeTextFile(`${root}/plain`, `${filled} nothing`);
    await Deno.writeTextFile(`${root}/secret`, `${filled}${SECRET}`);
    await Deno.writeTextFile(`${root}/empty`, "");
    await Deno.writeTextFile(elsewhere, SECRET);
    await Deno.symlink(elsewhere, `${root}/link`);
    await new Deno.Command("mkfifo", { args: [`${root}/pipe`] }).output();
    assertEquals(await search("empty", "plain"), undefined);
    assertEquals(await search("plain", "secret", "pipe"), "secret");
    for (const path of ["link", "pipe", "missing"]) {
      await assertRejects(() => search(path), Uncacheable, path);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
    await Deno.remove(elsewhere);
  }
});
