import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Uses the library, its plugin types and std, and runs a job. */
const PIPELINE = `
import { runJob } from "@reactorcide/runnerlib";
import { PHASES } from "@reactorcide/runnerlib/plugins";
import { parse } from "@std/yaml/parse";
const { exitCode } = await runJob({ command: "echo job ran" });
console.log(JSON.stringify(parse("a: 1")));
Deno.exit(exitCode + PHASES.length - 8);
`;

const USER_LIBRARY = `
export async function runJob() {
  console.log("the user's own");
  return { exitCode: 5 };
}
`;

/** Configurations that do not map the library. */
const PLACES: Readonly<Record<string, Record<string, string>>> = {
  "nothing": {},
  "a package.json": { "package.json": '{"type":"module"}' },
  "a package.json with packages": {
    "package.json": '{"dependencies":{"left":"1.0.0"}}',
    "node_modules/left/package.json": '{"name":"left","version":"1.0.0"}',
  },
  "a deno.json": { "deno.json": '{"imports":{"x":"./x.ts"}}' },
  "a deno.json above": { "../deno.jsonc": '{ /* {[ */ // "\n }' },
  "another yaml": {
    "deno.json": '{"imports":{"yaml":"./missing.ts","@std/path":"./no.ts"},}',
  },
};

for (const [name, files] of Object.entries(PLACES)) {
  Deno.test(`a pipeline below ${name} imports the library offline`, async () => {
    await using directory = await temporaryDirectory();
    const cwd = `${directory.path}/project/ci`;
    await Deno.mkdir(cwd, { recursive: true });
    await makeFiles(cwd, { ...files, "p.ts": PIPELINE });
    const before = await names(cwd);
    // No registry is reached by a proxy that does not exist.
    const env = {
      HTTPS_PROXY: "http://127.0.0.1:9",
      HTTP_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "",
    };
    const { code, stdout, stderr } = await runCli(["exec", "p.ts"], {
      cwd,
      env,
    });
    assertEquals([code, stdout], [0, 'job ran\n{"a":1}\n'], stderr);
    assertEquals(stderr.includes("socket"), false, stderr);
    assertEquals(await names(cwd), before);
  });
}

async function names(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.map(({ name }) => name).filter((name) => name !== "job")
    .sort();
}

const OWN_MAPS: Readonly<Record<string, Record<string, string>>> = {
  "imports": {
    "deno.json": '{"imports":{"@reactorcide/runnerlib":"./own.ts"}}',
  },
  "an import map": {
    "deno.json": '{"importMap":"./map.json"}',
    "map.json": '{"imports":{"@reactorcide/runnerlib":"./own.ts"}}',
  },
  "the root of its workspace": {
    "../deno.json":
      '{"workspace":["./ci"],"imports":{"@reactorcide/runnerlib":"./ci/own.ts"}}',
    "deno.json": '{"name":"@x/ci","version":"1.0.0","exports":"./p.ts"}',
  },
};

for (const [name, files] of Object.entries(OWN_MAPS)) {
  Deno.test(`a pipeline keeps the library of ${name}`, async () => {
    await using directory = await temporaryDirectory();
    const cwd = `${directory.path}/project/ci`;
    await Deno.mkdir(cwd, { recursive: true });
    const pipeline = `
import { runJob } from "@reactorcide/runnerlib";
Deno.exit((await runJob({ command: "true" })).exitCode);
`;
    await makeFiles(cwd, {
      ...files,
      "own.ts": USER_LIBRARY,
      "p.ts": pipeline,
    });
    const { code, stdout, stderr } = await runCli(["exec", "p.ts"], { cwd });
    assertEquals([code, stdout], [5, "the user's own\n"], stderr);
  });
}

Deno.test("a pipeline can use the imports of its deno.json in addition to the library", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const lock = '{"version":"5"}\n';
  await makeFiles(path, {
    "deno.json":
      '{"imports":{"own/":"./lib/","x":"./x.ts"},"scopes":{"./sub/":{"x":"./y.ts"}}}',
    "deno.lock": lock,
    "lib/one.ts": 'export default "one";',
    "x.ts": 'export default "x";',
    "y.ts": 'export default "y";',
    "sub/z.ts": 'export { default } from "x";',
    "p.ts": `
import "@reactorcide/runnerlib";
import one from "own/one.ts";
import x from "x";
import z from "./sub/z.ts";
console.log(one, x, z);
`,
  });
  const { code, stdout, stderr } = await runCli(["exec", "p.ts"], {
    cwd: path,
  });
  assertEquals([code, stdout], [0, "one x y\n"], stderr);
  assertEquals(await Deno.readTextFile(`${path}/deno.lock`), lock);
});

Deno.test("a denied permission names the option of exec", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "caught.ts": `
import { Job, runJob } from "@reactorcide/runnerlib";
const job = new Job("x").addStep("s", () => Deno.readTextFile("it's here"));
Deno.exit((await runJob(job)).exitCode);
`,
    "uncaught.ts": `
throw new Error("outer", { cause: await Deno.readTextFile("/etc/passwd").catch((error) => error) });
`,
    "plain.ts": 'Deno.env.get("OTHER");',
  });
  const told = async (file: string) =>
    (await runCli(["exec", file], { cwd: path })).stderr;
  assertStringIncludes(
    await told("caught.ts"),
    `run again with --allow 'read=${await Deno.realPath(path)}/it'\\''s here'`,
  );
  assertStringIncludes(
    await told("uncaught.ts"),
    "with --allow read=/etc/passwd",
  );
  assertStringIncludes(await told("plain.ts"), "with --allow env=OTHER");
});
