import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import { svnSource } from "../../src/source/svn.ts";
import { runTool } from "../helpers/archives.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Creates a repository with the usual layout; `file` contains its revision. */
async function makeRepository(path: string): Promise<string> {
  await runTool(path, "svnadmin", "create", "repository");
  const url = encodeURI(`file://${path}/repository`);
  await makeFiles(path, {
    "import/trunk/file": "r1",
    "import/branches/": "",
    "import/tags/": "",
  });
  const svn = (...args: string[]) =>
    runTool(path, "svn", args[0], "--quiet", ...args.slice(1));
  await svn("import", "-m", "1", "import", url);
  await svn("copy", "-m", "2", `${url}/trunk`, `${url}/tags/v 1.0`);
  await svn("copy", "-m", "3", `${url}/trunk`, `${url}/branches/stable`);
  await svn("checkout", `${url}/trunk`, "work");
  await makeFiles(path, { "work/file": "r4" });
  await svn("commit", "-m", "4", "work");
  return url;
}

async function prepareFrom(
  cwd: string,
  url: string,
  ref?: string,
  env: Record<string, string> = {},
) {
  const context = sourceContext({ cwd, env: { HOME: cwd, ...env } });
  const target = context.workspace.pathOf("/job/src");
  const { commit } = await prepareSource(
    { type: "svn", url, ref, target, replace: false },
    context,
  );
  const files = Object.entries(await listFiles(target))
    .filter(([name]) => !name.startsWith(".svn"));
  return { commit, files: Object.fromEntries(files) };
}

const suite = isProgramMissing("svn") ? () => {} : describe;

suite("svnSource()", () => {
  it("checks out a revision, a branch or a tag", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const url = await makeRepository(path);
    const wanted: [url: string, ref: string | undefined, made: string[]][] = [
      [`${url}/trunk`, undefined, ["r4", "r4"]],
      [`${url}/trunk/`, "HEAD", ["r4", "r4"]],
      [`${url}/trunk`, "1", ["r1", "r1"]],
      [`${url}/trunk`, "r2", ["r2", "r1"]],
      [url, "trunk", ["r4", "r4"]],
      [url, "stable", ["r4", "r1"]],
      [`${url}/trunk`, "branches/stable@r3", ["r3", "r1"]],
      ["repository", "v 1.0", ["r4", "r1"]],
      [url, "tags/v 1.0@HEAD", ["r4", "r1"]],
    ];
    for (const [url, ref, made] of wanted) {
      const { commit, files } = await prepareFrom(path, url, ref);
      assertEquals([commit, files.file], made, `${url} ${ref}`);
    }
  });

  it("fetches no externals", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const url = await makeRepository(path);
    const externals = `other ${url}/tags/v%201.0`;
    await runTool(path, "svn", "update", "--quiet", "work");
    await runTool(path, "svn", "propset", "svn:externals", externals, "work");
    await runTool(path, "svn", "commit", "-m", "5", "work");
    const { commit, files } = await prepareFrom(path, `${url}/trunk`);
    assertEquals([commit, files], ["r5", { file: "r4" }]);
  });

  it("includes Subversion's message, without user info", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const url = await makeRepository(path);
    await assertRejects(
      () => prepareFrom(path, url, "missing"),
      RunnerError,
      `Cannot check out "missing" of "${url}": the repository has no such branch or tag`,
    );
    await assertRejects(
      () => prepareFrom(path, url, "99"),
      RunnerError,
      "No such revision 99",
    );
    assertEquals(await exists(`${path}/job/src`), false);
    const error = await assertRejects(
      () => prepareFrom(path, "http://me:s3cret@127.0.0.1:1/x"),
      RunnerError,
      'Cannot check out "http://***@127.0.0.1:1/x": ',
    );
    assert(!error.message.includes("s3cret"), error.message);
  });
});

Deno.test("svnSource() rejects values that could be an option or a command", () => {
  const context = sourceContext({ cwd: "/" });
  const urls = [
    "",
    "--config-option=config:tunnels:x=touch marker",
    "svn+ssh://-oProxyCommand=touch%20marker/x",
    "svn+ssh://me@-oProxyCommand=x/y",
    "svn+tunnel://host/x",
    "ext::sh",
    "svn:x",
    "svn://host/%0dx",
    "svn://host/\nx",
  ];
  for (const url of urls) {
    assertThrows(
      () => svnSource(url, undefined, context),
      RunnerError,
      ": the URL ",
    );
  }
  const refs = [
    "--config-dir=x",
    "-r1",
    "../x",
    "a//b",
    "a@b",
    "{2020}",
    "a\nb",
  ];
  for (const ref of refs) {
    assertThrows(
      () => svnSource("/origin", ref, context),
      RunnerError,
      ": the revision ",
    );
  }
});

Deno.test("svnSource() reports that Subversion is not installed", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await assertRejects(
    () => prepareFrom(path, "origin", undefined, { PATH: path }),
    RunnerError,
    'Cannot run "svn": it is not installed',
  );
});
