import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { hgSource } from "../../src/source/hg.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import { runShell, runTool } from "../helpers/archives.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const OPTIONS = ["--config=ui.username=A. U. Thor <author@example.com>"];

function hg(repository: string, ...args: string[]): Promise<string> {
  return runTool(repository, "hg", ...OPTIONS, ...args);
}

/** A repository that is created once, and copied for each test. */
let template: TemporaryDirectory;
let changesets: Record<"first" | "stable" | "newest", string>;

/** Copies a repository with a tag, a branch and a newer changeset of `default`. */
async function makeRepository(path: string): Promise<typeof changesets> {
  await runTool(template.path, "cp", "-a", "origin", path);
  return changesets;
}

async function createTemplate(): Promise<typeof changesets> {
  const path = `${template.path}/origin`;
  await Deno.mkdir(path);
  await hg(path, "init");
  const commit = async (content: string) => {
    await makeFiles(path, { file: content });
    await hg(path, "commit", "--addremove", "--message", content);
    return await hg(path, "log", "--rev=.", "--template={node}");
  };
  const first = await commit("first");
  await hg(path, "tag", "v1.0");
  await hg(path, "branch", "stable branch");
  const stable = await commit("stable");
  await hg(path, "update", "default");
  const newest = await commit("newest");
  return { first, stable, newest };
}

async function prepareFrom(
  cwd: string,
  url: string,
  ref?: string,
  env: Record<string, string> = {},
) {
  const context = sourceContext({ cwd, env });
  const target = context.workspace.pathOf("/job/src");
  const { commit } = await prepareSource(
    { type: "hg", url, ref, target, replace: false },
    context,
  );
  const { "file": file } = Object.fromEntries(
    Object.entries(await listFiles(target))
      .filter(([name]) => !name.startsWith(".hg")),
  );
  return { commit, file, target, log: context.log.lines };
}

/** Serves a repository on a free port. */
async function serveHg(repository: string) {
  const child = new Deno.Command("hg", {
    args: [
      "serve",
      "--repository",
      repository,
      "--address=127.0.0.1",
      "--port=0",
    ],
    env: { PYTHONUNBUFFERED: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!/:\d+\/\s/.test(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`hg serve says only ${JSON.stringify(text)}`);
    text += value;
  }
  const [, port] = /:(\d+)\/\s/.exec(text)!;
  return {
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

const suite = isProgramMissing("hg") ? () => {} : describe;

suite("hgSource()", () => {
  beforeAll(async () => {
    template = await temporaryDirectory();
    changesets = await createTemplate();
  });
  afterAll(async () => await template[Symbol.asyncDispose]());

  it("checks out the default branch, a branch, a tag or a changeset", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { first, stable, newest } = await makeRepository(`${path}/origin`);
    const wanted: [ref: string | undefined, commit: string, file: string][] = [
      [undefined, newest, "newest"],
      ["default", newest, "newest"],
      ["stable branch", stable, "stable"],
      ["v1.0", first, "first"],
      [first, first, "first"],
      [stable.slice(0, 12), stable, "stable"],
      ["0", first, "first"],
    ];
    for (const [ref, commit, file] of wanted) {
      const url = ref === "v1.0" ? `file://${path}/origin` : "origin";
      const prepared = await prepareFrom(path, url, ref);
      assertEquals([prepared.commit, prepared.file], [commit, file], ref);
    }
  });

  it("runs no hook and reads no configuration of a repository", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeRepository(`${path}/origin`);
    const touch = `touch ${path}/marker`;
    await makeFiles(path, {
      "origin/.hg/hgrc":
        `[hooks]\noutgoing = ${touch}\npreoutgoing = ${touch}\n[alias]\nclone = !${touch}\n`,
      "home/.hgrc":
        `[hooks]\nupdate.own = ${touch}\nincoming = ${touch}\npre-clone = ${touch}\n[alias]\nupdate = !${touch}\n`,
    });
    const { file } = await prepareFrom(path, "origin", "v1.0", {
      HOME: `${path}/home`,
      HGPLAINEXCEPT: "alias",
    });
    assertEquals(file, "first");
    assertEquals(await exists(`${path}/marker`), false);
  });

  it("fetches from no repository that a tree names", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeRepository(`${path}/other`);
    await makeRepository(`${path}/origin`);
    await hg(path, "clone", "other", "origin/sub");
    await makeFiles(`${path}/origin`, { ".hgsub": `sub = ${path}/other\n` });
    await hg(`${path}/origin`, "add", ".hgsub");
    await hg(`${path}/origin`, "commit", "--message", "sub");
    await assertRejects(
      () => prepareFrom(path, "origin"),
      RunnerError,
      'Cannot check out "',
    );
    assertEquals(await exists(`${path}/job/src`), false);
  });

  it("runs nothing for a git repository in the tree, even if the user allows them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = `${path}/origin`;
    await Deno.mkdir(origin);
    await hg(origin, "init");
    await runShell(
      origin,
      "git init -q sub && git -C sub -c user.name=A -c user.email=a@b commit -q --allow-empty -m 1",
    );
    await makeFiles(path, {
      "origin/.hgsub": `sub = [git]ext::sh -c touch% ${path}/marker\n`,
      "home/.hgrc": "[subrepos]\nallowed = true\ngit:allowed = true\n",
    });
    const allow = "--config=subrepos.git:allowed=true";
    await hg(origin, "add", ".hgsub");
    await hg(origin, allow, "commit", "--message", "sub");
    await assertRejects(
      () =>
        prepareFrom(path, "origin", undefined, {
          HOME: `${path}/home`,
          GIT_ALLOW_PROTOCOL: "ext",
        }),
      RunnerError,
      "subrepo",
    );
    assertEquals(await exists(`${path}/marker`), false);
  });

  it("fetches no bundle from a URL that the server names", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { newest } = await makeRepository(`${path}/origin`);
    const seen: string[] = [];
    await using other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        seen.push(request.url);
        return new Response("", { status: 404 });
      },
    );
    await makeFiles(path, {
      "origin/.hg/hgrc": "[extensions]\nclonebundles =\n",
      "origin/.hg/clonebundles.manifest":
        `http://127.0.0.1:${other.addr.port}/x BUNDLESPEC=gzip-v2\n`,
    });
    await using server = await serveHg(`${path}/origin`);
    const { commit } = await prepareFrom(path, server.url);
    assertEquals([commit, seen], [newest, []]);
  });

  it("includes Mercurial's message, without user info", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeRepository(`${path}/origin`);
    await assertRejects(
      () => prepareFrom(path, "origin", "missing"),
      RunnerError,
      `Cannot check out "missing" of "${path}/origin": unknown revision 'missing'`,
    );
    const url = "http://me:s3cret@127.0.0.1:1/repository";
    const error = await assertRejects(
      () => prepareFrom(path, url),
      RunnerError,
      'Cannot check out "http://***@127.0.0.1:1/repository": ',
    );
    assert(!error.message.includes("s3cret"), error.message);
    await assertRejects(
      () => prepareFrom(path, "nowhere"),
      RunnerError,
      "not found",
    );
  });

  it("checks out an empty repository", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.mkdir(`${path}/origin`);
    await hg(`${path}/origin`, "init");
    assertEquals((await prepareFrom(path, "origin")).commit, undefined);
  });
});

Deno.test("hgSource() rejects values that could be an option, a command or an expression", () => {
  const context = sourceContext({ cwd: "/" });
  const urls = [
    "",
    "--config=alias.clone=!touch marker",
    "-oProxyCommand=touch marker",
    "ssh://-oProxyCommand=touch%20marker/x",
    "ssh://%2doProxyCommand=touch%20marker/x",
    "ssh://me@-oProxyCommand=x/y",
    "bundle:/tmp/x",
    "static-http://host/x",
    "ext::sh",
    "host:path",
    "https:x",
    "http://host/%0ax",
    "http://host/\nx",
    "http://host/x#branch",
  ];
  for (const url of urls) {
    const error = assertThrows(
      () => hgSource(url, undefined, context),
      RunnerError,
      ": the URL ",
    );
    assertEquals(error.code, "source-failed");
  }
  const refs = [
    "--config=x",
    "-r",
    "file('set:**')",
    "a:b",
    "!x",
    "a|b",
    "x\ny",
    'a"b',
  ];
  for (const ref of refs) {
    assertThrows(
      () => hgSource("/origin", ref, context),
      RunnerError,
      ": the revision ",
    );
  }
});

Deno.test("hgSource() reports that Mercurial is not installed", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await assertRejects(
    () => prepareFrom(path, "origin", "main", { PATH: path }),
    RunnerError,
    'Cannot run "hg": it is not installed',
  );
});
