import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stagePackage } from "../../scripts/stage.ts";
import { listLinks, startJsrRegistry } from "../helpers/jsr_registry.ts";
import { NETWORK, pickVariables } from "../helpers/passed_variables.ts";

Deno.test("the package can be published and used", async (t) => {
  const home = await Deno.makeTempDir({ prefix: "runnerlib-registry-" });
  await using registry = await startJsrRegistry(await listLinks());
  await using _ = { [Symbol.asyncDispose]: () => removeTree(home) };
  const deno = (directory: string, ...args: string[]) =>
    runDeno(directory, args, { home, jsrUrl: registry.url });

  await t.step("publish", async () => {
    const target = await stagePackage(home);
    const { code, output } = await deno(
      target,
      "publish",
      "--allow-dirty",
      "--no-check",
      "--no-provenance",
      "--token=any",
    );
    assertEquals(code, 0, output);
    assertStringIncludes(output, "Successfully published");
  });

  await t.step("run the command line", async () => {
    const { code, output } = await deno(
      await makeFolder(home, "command"),
      "run",
      "-A",
      "--no-config",
      "--no-lock",
      "jsr:@reactorcide/runnerlib/cli",
      "run",
      "--job-command",
      "echo hello; runnerlib --version; exit 3",
    );
    assertMatch(output, /^hello\n\d+\.\d+\.\d+$/m);
    assertEquals(code, 3, output);
  });

  await t.step("run a plugin in a process of its own", async () => {
    const folder = await makeFolder(home, "plugin");
    await Deno.writeTextFile(
      `${folder}/plugin_teller.ts`,
      `export default { name: "teller", cleanup({ log }) { log("called"); } };`,
    );
    const { code, output } = await deno(
      folder,
      "run",
      "-A",
      "--no-config",
      "--no-lock",
      "jsr:@reactorcide/runnerlib/cli",
      "run",
      "--plugin-dir=.",
      "--job-command=true",
    );
    assertStringIncludes(output, "[plugin:teller] called\n");
    assertEquals(code, 0, output);
  });

  await t.step("import the library", async () => {
    const folder = await makeFolder(home, "library");
    await Deno.writeTextFile(`${folder}/pipeline.ts`, PIPELINE);
    const { code, output } = await deno(
      folder,
      "run",
      "-A",
      "--check",
      "--no-config",
      "--no-lock",
      "pipeline.ts",
    );
    assertStringIncludes(output, "\nfrom-pipeline\n");
    assertEquals(code, 0, output);
  });

  assertEquals(registry.refused, []);
});

const PIPELINE = `
import { runJob } from "jsr:@reactorcide/runnerlib";

const result = await runJob({ command: "echo from-pipeline" });
const exitCode: number = result.exitCode;
Deno.exit(exitCode);
`;

interface RunDenoOptions {
  /** Home of a user who never used Deno before. */
  home: string;
  /** Address of the registry. */
  jsrUrl: string;
}

/** Runs Deno with an empty cache and a minimal environment. */
async function runDeno(
  directory: string,
  args: string[],
  { home, jsrUrl }: RunDenoOptions,
): Promise<{ code: number; output: string }> {
  const cache = await Deno.makeTempDir({ dir: home, prefix: "cache-" });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: directory,
    clearEnv: true,
    env: {
      ...pickVariables(["PATH", ...NETWORK]),
      HOME: home,
      DENO_DIR: cache,
      JSR_URL: jsrUrl,
      NO_COLOR: "1",
      REACTORCIDE_IN_CONTAINER: "false",
    },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const output = `\n${decoder.decode(stdout)}\n${decoder.decode(stderr)}`;
  return { code, output };
}

async function makeFolder(parent: string, name: string): Promise<string> {
  const path = `${parent}/${name}`;
  await Deno.mkdir(path);
  return path;
}

function removeTree(path: string): Promise<void> {
  return Deno.remove(path, { recursive: true });
}
