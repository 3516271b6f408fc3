import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runShell } from "../helpers/archives.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Prints everything that a passed tree must have in common with the saved one. */
const SHOW_TREE =
  `find . -mindepth 1 -printf '%P %y %m %l %n ' '(' -type l -o -printf %.23T+ ')' -printf '\\n' | sort
find . -type f -exec sha256sum {} + | sort`;

/** A directory with a workflow file, and a store beside it. */
async function world(workflow: string, files: Record<string, string> = {}) {
  const directory = await temporaryDirectory();
  const [cwd, store] = [`${directory.path}/ci`, `${directory.path}/store`];
  await makeFiles(cwd, { ...files, "ci.yaml": `name: ci\n${workflow}` });
  const env = { REACTORCIDE_CACHE_STORE: store };
  return {
    cwd,
    store,
    job: (name: string) => `${cwd}/.reactorcide/workflow/jobs/${name}/job/src`,
    run: (...args: string[]) =>
      runMain(["workflow", "run", "ci.yaml", ...args], { cwd, env }),
    cli: (...args: string[]) => runMain(args, { cwd, env }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe("artifacts of a workflow", () => {
  it("passes a tree on with modes, links, empty directories, times and names that are not UTF-8", async () => {
    await using ci = await world(
      `
jobs:
  build:
    command: sh make_tree.sh
    artifacts:
      tree: { paths: [tree/] }
      other: { paths: "*.log" }
  test:
    needs: [{ job: build, artifacts: [tree] }]
    command: "true"
  plain:
    needs: build
    command: "true"
`,
      {
        "make_tree.sh": `set -eu
mkdir -p tree/a/empty 'tree/with space' tree/${"x".repeat(200)}
echo one > tree/a/one; chmod 751 tree/a/one; ln tree/a/one tree/hard
ln -s a/one tree/link; ln -s missing tree/dangling; ln -s ../a tree/a/up
printf x > "$(printf 'tree/a/\\377\\376')"; mkdir "$(printf 'tree/\\351')"
printf y > "$(printf 'tree/\\351/\\351')"; ln -s one "$(printf 'tree/a/\\375')"
printf z > tree/${"x".repeat(200)}/é; echo A > tree/Case; echo b > tree/case
head -c 300000 /dev/urandom > tree/large; : > tree/none
truncate -s 20000000 tree/sparse
touch -d '1969-12-31T12:00:00.25Z' tree/none
chmod 500 tree/a/empty; chmod 400 tree/large; chmod 555 tree
mkdir tree2; echo out > tree2/out; echo log > build.log
`,
      },
    );
    const { code, stderr } = await ci.run();
    assertEquals(code, 0, stderr);
    assertEquals(
      await runShell(`${ci.job("test")}/tree`, SHOW_TREE),
      await runShell(`${ci.job("build")}/tree`, SHOW_TREE),
    );
    for (
      const path of [
        ...["test/job/src/build.log", "test/job/src/tree2"],
        "plain/job/src/tree",
      ]
    ) {
      const place = `${ci.cwd}/.reactorcide/workflow/jobs/${path}`;
      assertEquals(await exists(place), false, path);
    }
    const record = await Deno.readTextFile(
      `${ci.cwd}/.reactorcide/workflow/jobs/test/job/artifacts/run.jsonl`,
    );
    assertStringIncludes(record, '"event":"artifact.restored"');
  });

  it("passes artifacts on that a job saved in an earlier run", async () => {
    await using ci = await world(`
jobs:
  build:
    command: test ! -e "$PWD/../../../../../../built" && touch ../../../../../../built && date +%N > out
    artifacts: { out: { paths: [out] } }
  test:
    needs: { job: build, artifacts: out }
    command: test -e "$PWD/../../../../../../ready" && cat out
`);
    assertEquals((await ci.run()).code, 1);
    await makeFiles(ci.cwd, { ready: "" });
    const { code, stdout, stderr } = await ci.run("--resume");
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout.split("|")[1].trim(),
      (await Deno.readTextFile(`${ci.job("build")}/out`)).trim(),
    );
    // A single job gets them as well.
    assertEquals((await ci.run("--only", "test")).code, 0);
    await Deno.remove(ci.store, { recursive: true });
    const gone = await ci.run("--only", "test");
    assertEquals(gone.code, 1);
    assertStringIncludes(gone.stderr, "it is not in the store");
  });

  it("removes artifacts of earlier runs that have expired, at its end", async () => {
    await using ci = await world(`
jobs:
  build:
    command: echo built > out
    artifacts: { out: { paths: [out] } }
`);
    const manifests = async () => {
      const folder = `${ci.store}/v1/local/artifacts`;
      const entries = await Array.fromAsync(Deno.readDir(folder));
      return entries.map(({ name }) => `${folder}/${name}`);
    };
    assertEquals((await ci.run()).code, 0);
    const [expired] = await manifests();
    const manifest = JSON.parse(await Deno.readTextFile(expired));
    manifest.expiresMs = Date.now() - 1;
    await Deno.writeTextFile(expired, JSON.stringify(manifest));
    assertEquals((await ci.run()).code, 0);
    const kept = await manifests();
    assertEquals([kept.length, kept.includes(expired)], [1, false]);
  });

  it("fails a job whose patterns match no file, unless the artifact is optional", async () => {
    await using ci = await world(`
jobs:
  build:
    command: mkdir dist && touch dist/a
    artifacts: { out: { paths: [dist, "*.xml", "never/**"] } }
  after: { needs: build, command: "true" }
  maybe:
    command: "true"
    artifacts: { out: { paths: ["*.xml"], optional: true } }
  test:
    needs: [{ job: maybe, artifacts: [out] }]
    command: echo tested
`);
    const { code, stdout, stderr } = await ci.run();
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      'Cannot save artifact "out": no file matches "*.xml", "never/**"',
    );
    assertStringIncludes(stderr, 'after: skipped, "build" failed');
    assertStringIncludes(stdout, "tested");
  });

  it("fails a job without a store before it runs", async () => {
    await using ci = await world(`
jobs:
  build:
    command: echo built
    artifacts: { out: { paths: [dist] } }
`);
    for (const store of ["", `${ci.cwd}/ci.yaml`, `${ci.cwd}/ci.yaml/below`]) {
      const { code, stdout, stderr } = await runMain(
        ["workflow", "run", "ci.yaml"],
        { cwd: ci.cwd, env: { HOME: "", REACTORCIDE_CACHE_STORE: store } },
      );
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, "Cannot open the artifact store");
      assert(!stdout.includes("built"), stdout);
    }
  });

  it("saves artifacts of a failed job only if their definition says so", async () => {
    await using ci = await world(`
jobs:
  build:
    command: echo log > log; exit 3
    artifacts:
      default: { paths: [log] }
      failure: { paths: [log], when: on_failure }
      always: { paths: [log], when: always }
      absent: { paths: [other], when: always }
  good:
    command: echo log > log
    artifacts:
      failure: { paths: [log], when: on_failure }
  look:
    needs: [{ job: build, artifacts: [failure, always] }]
    condition: always
    command: cat log
  fails:
    needs: [{ job: build, artifacts: [default] }]
    condition: always
    command: "true"
`);
    const { code, stdout, stderr } = await ci.run("--concurrency", "1");
    assertEquals(code, 3);
    assertStringIncludes(stdout, "look  | log");
    assertStringIncludes(stderr, 'no file matches "other"');
    assertStringIncludes(
      stderr,
      'Cannot restore artifact "default" of job "build": the job has not saved it',
    );
    const manifests = `${ci.store}/v1/local/artifacts`;
    assertEquals((await Array.fromAsync(Deno.readDir(manifests))).length, 2);
  });

  it("merges the artifacts of all items of a job, and of several jobs", async () => {
    await using ci = await world(
      `
jobs:
  build:
    for_each: [a, b]
    command: mkdir -p dist && echo $ITEM > dist/$ITEM && echo same > dist/same
    artifacts: { dist: { paths: [dist/a, dist/b, dist/same], optional: true } }
  other:
    command: mkdir -p dist && echo other > dist/a
    artifacts: { dist: { paths: [dist] } }
  test:
    needs: [{ job: build, artifacts: [dist] }]
    command: cd dist; cat a b same kept
  clash:
    needs: [{ job: build, artifacts: dist }, { job: other, artifacts: dist }]
    command: "true"
`,
      { "dist/kept": "kept\n" },
    );
    const { code, stdout, stderr } = await ci.run();
    assertEquals(code, 1);
    const lines = stdout.split("\n").filter((line) => line.startsWith("test"));
    assertEquals(
      lines.map((line) => line.split("| ")[1]),
      ["a", "b", "same", "kept"],
    );
    assertStringIncludes(stderr, 'have different contents for "dist/a"');
    assert(!stderr.includes('files "dist/same"'));
  });

  it("are not saved for a job file, and a warning says so", async () => {
    await using ci = await world("jobs: {}", {
      "job.yaml": "command: echo ran\nartifacts: { log: { paths: a } }",
    });
    const { code, stderr } = await ci.cli("run", "--job-file", "job.yaml");
    assertEquals(code, 0);
    assertStringIncludes(stderr, "No artifacts are saved");
  });

  it("rejects invalid definitions, with their positions", async () => {
    await using ci = await world(`
jobs:
  build:
    command: "true"
    artifacts:
      ../x: { paths: [a] }
      bin: { paths: [/etc/passwd, ../up, .git/config, a/.Reactorcide/b, ""] }
      none: { paths: [] }
      late: { paths: [a], retention: soon, when: sometimes }
      empty:
      bare: { when: always }
  test:
    needs: [{ job: build, artifacts: [bim] }, { artifacts: [x] }, { job: buidl }]
    command: "true"
`);
    const { code, stderr } = await ci.run("--dry-run");
    assertEquals(code, 1);
    for (
      const part of [
        "ci.yaml:7:",
        "must be relative to the code directory",
        "must not lead out of the code directory",
        "must not name what belongs to git or to the runner",
        "must not be empty",
        'not "soon"',
        `"on_success", "on_failure" or "always"`,
        'needs the key "paths"',
        'needs the key "job"',
        'did you mean "bin"?',
        'did you mean "build"?',
      ]
    ) assertStringIncludes(stderr, part);
  });
});
