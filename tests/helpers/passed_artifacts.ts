import { assertEquals, assertMatch } from "@std/assert";
import { runShell } from "./archives.ts";
import { runMain } from "./run_main.ts";
import { makeFiles, temporaryDirectory } from "./temporary_directory.ts";

const WORKFLOW = `name: ci
jobs:
  build:
    command: mkdir -p out; cp seed out/large; ln -s large out/link
    artifacts: { out: { paths: [out/] } }
  test:
    needs: [{ job: build, artifacts: [out] }]
    command: cat out/link > ../../../../../../passed
`;

/**
 * Passes artifacts from one job of a workflow to another, and to a person,
 * through a store.
 *
 * @param env Variables that name the store.
 */
export async function passArtifacts(
  env: Record<string, string>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  const cwd = `${directory.path}/ci`;
  await makeFiles(cwd, { "ci.yaml": WORKFLOW });
  await runShell(cwd, "head -c 300000 /dev/urandom > seed");
  const sum = (path: string) => runShell(cwd, `sha256sum < ${path}`);
  const run = (...args: string[]) => runMain(args, { cwd, env });
  const { code, stdout, stderr } = await run("workflow", "run", "ci.yaml");
  assertEquals(code, 0, stdout + stderr);
  assertEquals(await sum("passed"), await sum("seed"));
  const list = await run("artifacts", "list");
  assertMatch(list.stdout, /^build +out +3 files/m);
  const got = await run("artifacts", "get", "out", "--output", "../got");
  assertEquals(got.code, 0, got.stderr);
  assertEquals(await sum("../got/out/link"), await sum("seed"));
}
