import { assertEquals } from "@std/assert";

const helpers = new URL("./helpers/", import.meta.url);

Deno.test("tests/helpers/README.md names every helper and no other file", async () => {
  const page = await Deno.readTextFile(new URL("README.md", helpers));
  const named = [...page.matchAll(/`(\w+\.ts)`/g)].map(([, name]) => name);
  const files: string[] = [];
  for await (const { name } of Deno.readDir(helpers)) {
    if (name.endsWith(".ts")) files.push(name);
  }
  const scripts = ["add_secrets.ts"];
  assertEquals(
    named.toSorted(),
    files.filter((name) => !scripts.includes(name)).toSorted(),
  );
});
