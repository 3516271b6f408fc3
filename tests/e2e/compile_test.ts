import { assert, assertEquals } from "@std/assert";
import { CLI, cliEnv, REPOSITORY } from "../helpers/cli.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

/** Size of the end of a compiled program that contains its modules, in bytes. */
const CONTENT_BYTES = 64 * 1024 * 1024;

Deno.test("a compiled runner contains modules that are imported late, and the programs that run plugins", async () => {
  await using directory = await temporaryDirectory();
  const program = `${directory.path}/runnerlib`;
  // Deno itself replaces the base that would be downloaded: the result contains
  // the same modules, although it cannot run them.
  await deno(["compile", "--quiet", "--no-check", "--output", program, CLI], {
    DENORT_BIN: Deno.execPath(),
  });
  const held = await endOf(program);
  const names = await lateModules();
  assert(names.length > 50, `only ${names.length} modules are imported late`);
  assertEquals(names.filter((name) => !held.includes(`"${name}"`)), []);
  const python = `${REPOSITORY}/src/plugins/python/runnerlib`;
  const texts = [
    `${REPOSITORY}/src/plugins/sandbox/sandbox_worker.js`,
    ...(await Array.fromAsync(Deno.readDir(python))).map(({ name }) => name)
      .filter((name) => name.endsWith(".py")).map((name) =>
        `${python}/${name}`
      ),
  ];
  for (const path of texts) {
    assert(held.includes(await Deno.readTextFile(path)), path);
  }
});

/** Names of the files that `import()` loads when they are needed. */
async function lateModules(): Promise<string[]> {
  const { modules } = JSON.parse(await deno(["info", "--json", CLI]));
  const urls: string[] = modules.flatMap((
    { dependencies = [] }: {
      dependencies?: { isDynamic?: boolean; code?: { specifier: string } }[];
    },
  ) =>
    dependencies.filter((dependency) => dependency.isDynamic).map((item) =>
      item.code!.specifier
    )
  );
  return urls.filter((url) => url.startsWith("file:"))
    .map((url) => url.slice(url.lastIndexOf("/") + 1));
}

async function deno(
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: REPOSITORY,
    clearEnv: true,
    env: cliEnv(env),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function endOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  await file.seek(-CONTENT_BYTES, Deno.SeekMode.End);
  return await new Response(file.readable).text();
}
