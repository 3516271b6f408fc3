import { assertEquals } from "@std/assert";
import { VERSION } from "../src/package_version.ts";
import { REPOSITORY } from "./helpers/cli.ts";

/** Files that name the Deno that the project is built with. */
const NAMES_DENO = [
  ...[".ci/run", ".github/workflows/publish.yml", "CONTRIBUTING.md"],
  ...["Dockerfile", "README.md", "docs/quick-start.md"],
  ...["scripts/base_images.sh", "scripts/test_image.sh"],
];

Deno.test("the image has the version of the package", async () => {
  const [, version] = /^ARG VERSION=(.*)$/m.exec(await read("Dockerfile")) ??
    [];
  assertEquals(version, VERSION);
  assertEquals(JSON.parse(await read("deno.json")).version, VERSION);
});

Deno.test("every file names the same Deno", async () => {
  const [, version] =
    /^ARG DENO_VERSION=(.*)$/m.exec(await read("Dockerfile")) ??
      [];
  for (const path of NAMES_DENO) {
    const named = (await read(path)).matchAll(
      /(?:deno@|Deno |DENO_VERSION=|deno_version="\$\{1:-)(\d+\.\d+\.\d+)/g,
    );
    const versions = new Set([...named].map(([, found]) => found));
    assertEquals(versions, new Set([version]), path);
  }
});

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(`${REPOSITORY}/${path}`);
}
