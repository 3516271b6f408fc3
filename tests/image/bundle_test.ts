import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { REPOSITORY } from "../helpers/cli.ts";
import {
  cacheVariables,
  NETWORK,
  pickVariables,
} from "../helpers/passed_variables.ts";

/** Start of a function that V8 compiles when it loads the file. */
const COMPILED_EARLY = /\brunJob=\(async function\(/;

const NOT_ASCII = /[^\0-\x7f]/;

/** A file that only exports parts of another one. */
const FACADE = /^export\{[^{}]*\}from"[^"]+";\s*$/;

Deno.test("image/bundle.ts makes a program of ASCII files that compiles early what jobs call", async () => {
  const directory = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const bundle = `${directory}/bundle`;
  await deno(REPOSITORY, [
    ...["run", "--quiet", "--no-config", "--lock=image/bundle.lock"],
    ...["--frozen", "-A", "image/bundle.ts", bundle],
  ]);
  const files = await Array.fromAsync(Deno.readDir(bundle));
  const run = files.find(({ name }) => /^run-[^.]*\.js$/.test(name));
  assert(run !== undefined);
  const code = await Deno.readTextFile(`${bundle}/${run.name}`);
  assert(COMPILED_EARLY.test(code));
  for (const { name } of files) {
    const code = await Deno.readTextFile(`${bundle}/${name}`);
    assert(!NOT_ASCII.test(code), name);
    assert(!FACADE.test(code), name);
  }

  const start = ["run", "--quiet", "--no-config", "-A", `${bundle}/cli.js`];
  const job = [...start, "run", "--job-command", "echo built"];
  assertEquals((await deno(directory, job)).stdout, "built\n");
  await Deno.writeTextFile(
    `${directory}/job.json`,
    JSON.stringify({
      steps: [{ name: "one", run: "echo built", cache: { inputs: "*.json" } }, {
        name: "two",
        run: "true",
      }],
    }),
  );
  for (const outcome of ["success", "cached"]) {
    const steps = await deno(directory, [...start, "run"]);
    assertEquals(steps.stdout, "one | built\n");
    assertStringIncludes(steps.stderr, `✓ one  ${outcome}`);
  }
});

async function deno(cwd: string, args: readonly string[]) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: {
      ...pickVariables(["PATH", ...NETWORK]),
      ...cacheVariables(),
      REACTORCIDE_IN_CONTAINER: "false",
      XDG_CACHE_HOME: `${cwd}/cache`,
    },
    clearEnv: true,
  }).output();
  const decoder = new TextDecoder();
  const output = {
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
  assert(success, output.stderr);
  return output;
}
