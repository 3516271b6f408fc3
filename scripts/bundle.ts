/**
 * Prologue that lets the npm packages of a bundle `require` Node.js modules.
 * Loading it takes 25 ms, and an ordinary run needs no such module.
 */
const REQUIRE =
  /^import \{ createRequire as (\w+) \} from "node:module";\nvar __require = \1\(import\.meta\.url\);$/m;

const LATE_REQUIRE =
  `var __require = (name) => process.getBuiltinModule("node:module").createRequire(import.meta.url)(name);`;

/** Options for {@linkcode bundle}. */
export interface BundleOptions {
  /** Options for `deno bundle`. */
  args: readonly string[];
  /** Directory that receives only files of the bundle, or its only file. */
  output: string;
  /**
   * Variables for `deno bundle`.
   *
   * @default {those of this process}
   */
  env?: Record<string, string>;
}

/**
 * Bundles the command line of a package.
 *
 * @param directory Directory of the package.
 * @throws {Error} If it cannot be bundled.
 */
export async function bundle(
  directory: string,
  { args, output, env }: BundleOptions,
): Promise<void> {
  await deno(["bundle", "--quiet", "--platform", "deno", ...args, "cli.ts"], {
    cwd: directory,
    env,
  });
  let hasRequire = false;
  for (const file of await listFiles(output)) {
    const code = await Deno.readTextFile(file);
    if (!REQUIRE.test(code)) continue;
    hasRequire = true;
    await Deno.writeTextFile(file, code.replace(REQUIRE, LATE_REQUIRE));
  }
  if (!hasRequire) throw new Error("Cannot find the prologue of the bundle");
}

/**
 * Runs Deno.
 *
 * @returns Its standard output.
 * @throws {Error} If it fails, with its standard error.
 */
export async function deno(
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env">,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: options.cwd,
    env: { NO_COLOR: "1", ...options.env },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout);
}

async function listFiles(output: string): Promise<string[]> {
  if ((await Deno.stat(output)).isFile) return [output];
  const files = await Array.fromAsync(Deno.readDir(output));
  return files.map(({ name }) => `${output}/${name}`);
}
