/**
 * Joins the files of a bundle that a usual run reads into a few, as each file
 * costs time. The others stay apart, so that no run reads what it does not need.
 *
 * usage: join_chunks.ts DIRECTORY
 *
 * @module
 */

/**
 * A literal would make it a part of the package, and of compiled programs.
 * `join_chunks.lock` has the hashes of its files.
 */
const BUNDLER = "npm:rolldown@1.3.3";

/** Jobs whose files are joined; what an earlier one reads is not repeated. */
const JOBS = {
  run: ["run", "--", "true"],
  steps: ["run", "--job-file", "steps.json"],
};

/** With a directory as the workspace, and with `/job` if there is one. */
const PLACES: readonly Record<string, string>[] = [{
  REACTORCIDE_IN_CONTAINER: "false",
}, {}];

const STEPS = {
  steps: [
    { name: "first", run: "echo first" },
    { name: "second", run: "echo second", needs: "first" },
  ],
};

/** An import of another file, as `deno bundle` writes it. */
const STATIC_IMPORT = /^(?:import|\} from)(?: .*?)? ?"\.\/([^"]+)";$/gm;

const [directory] = Deno.args;
const bundle = await Deno.realPath(directory);
const program = `${bundle}/cli.js`;
const groups = [];
for (const [name, args] of Object.entries(JOBS)) {
  const files = await filesOf(args);
  // The program finds out there whether it was started or imported.
  files.delete(program);
  groups.push({ name, test: (id: string) => files.has(id) });
}
const { rolldown } = await import(BUNDLER);
const joined = await rolldown({
  input: program,
  platform: "neutral",
  external: [/^node:/],
  preserveEntrySignatures: "allow-extension",
  treeshake: false,
});
const output = `${bundle}.joined`;
await joined.write({
  dir: output,
  entryFileNames: "cli.js",
  chunkFileNames: "[name]-[hash].js",
  // Names of functions and classes can be part of messages.
  minify: { mangle: { keepNames: true }, compress: true, codegen: true },
  codeSplitting: {
    // What a late import needs must not bring its whole group along.
    includeDependenciesRecursively: false,
    groups: groups.map((group, index) => ({
      ...group,
      priority: groups.length - index,
    })),
  },
});
await joined.close();
await Deno.remove(bundle, { recursive: true });
await Deno.rename(output, bundle);

/** Runs a job, and returns the files of the bundle that it has read. */
async function filesOf(args: readonly string[]): Promise<Set<string>> {
  const files = new Set<string>();
  for (const env of PLACES) {
    for (const path of await runJob(args, env)) await addFile(path, files);
  }
  return files;
}

/** Adds a file and those without code of their own, which are not covered. */
async function addFile(path: string, files: Set<string>): Promise<void> {
  if (files.has(path)) return;
  files.add(path);
  const code = await Deno.readTextFile(path);
  for (const [, name] of code.matchAll(STATIC_IMPORT)) {
    await addFile(`${bundle}/${name}`, files);
  }
}

/** Runs a job, and returns the files of the bundle whose code it has run. */
async function runJob(
  args: readonly string[],
  env: Record<string, string>,
): Promise<string[]> {
  const cwd = await Deno.makeTempDir();
  await Deno.writeTextFile(`${cwd}/steps.json`, JSON.stringify(STEPS));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-config", "--unstable-lazy-dynamic-imports"],
      ...["--coverage=coverage", "-A", program, ...args],
    ],
    cwd,
    env,
    stdout: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const urls: string[] = [];
  for await (const { name } of Deno.readDir(`${cwd}/coverage`)) {
    if (!name.endsWith(".json")) continue;
    const text = await Deno.readTextFile(`${cwd}/coverage/${name}`);
    urls.push(JSON.parse(text).url);
  }
  await Deno.remove(cwd, { recursive: true });
  return urls.filter((url) => url.startsWith(`file://${bundle}/`))
    .map((url) => new URL(url).pathname);
}
