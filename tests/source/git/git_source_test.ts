import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { gitSource } from "../../../src/source/git/git_source.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { sourceContext } from "../../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Clones into `clone` of the directory, and describes the result. */
async function checkOut(
  cwd: string,
  url: string,
  ref?: string,
  env: Record<string, string> = {},
): Promise<{ commit: string | undefined; version: string; head: string }> {
  const target = `${cwd}/clone`;
  if (await exists(target)) await Deno.remove(target, { recursive: true });
  await Deno.mkdir(target);
  const fill = gitSource(url, ref, sourceContext({ cwd, env }));
  const commit = await fill(target);
  return {
    commit,
    version: await Deno.readTextFile(`${target}/version`),
    head: await Deno.readTextFile(`${target}/.git/HEAD`),
  };
}

/** Commits a file `version` with the given content. */
function commit(repository: GitRepository, version: string): Promise<string> {
  return repository.commit({ version });
}

describe("gitSource()", () => {
  it("checks out the default branch", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    await origin.git("checkout", "--quiet", "-b", "trunk");
    const id = await commit(origin, "1");
    await origin.git("branch", "main");
    for (const ref of [undefined, "", "HEAD"]) {
      assertEquals(await checkOut(directory.path, origin.path, ref), {
        commit: id,
        version: "1",
        head: "ref: refs/heads/trunk\n",
      });
    }
  });

  it("finds branches, tags, commits and other refs", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const first = await commit(origin, "1");
    await origin.git("tag", "light");
    await origin.git("checkout", "--quiet", "-b", "feature/x");
    const second = await commit(origin, "2");
    await origin.git("tag", "--annotate", "--message=v2", "v2");
    await origin.git("checkout", "--quiet", "--detach");
    const third = await commit(origin, "3");
    await origin.git("update-ref", "refs/pull/7/head", third);
    await origin.git("update-ref", "refs/+odd/ref", third);
    await origin.git("checkout", "--quiet", "main");
    const branches: Record<string, string> = {
      "main": "main",
      "refs/heads/main": "main",
      "heads/main": "main",
      "feature/x": "feature/x",
      "refs/heads/feature/x": "feature/x",
      "origin/feature/x": "feature/x",
      "refs/remotes/origin/feature/x": "feature/x",
    };
    const ids = {
      "main": first,
      "light": first,
      "tags/light": first,
      "refs/tags/light": first,
      "refs/heads/main": first,
      "heads/main": first,
      [first]: first,
      [first.toUpperCase()]: first,
      [first.slice(0, 8)]: first,
      "feature/x": second,
      "refs/heads/feature/x": second,
      "origin/feature/x": second,
      "refs/remotes/origin/feature/x": second,
      "v2": second,
      [second.slice(0, 8)]: second,
      "refs/pull/7/head": third,
      "pull/7/head": third,
      "+odd/ref": third,
      [third]: third,
    };
    for (const [ref, id] of Object.entries(ids)) {
      const result = await checkOut(directory.path, origin.path, ref);
      assertEquals([ref, result.commit], [ref, id]);
      const head = ref in branches ? `ref: refs/heads/${branches[ref]}` : id;
      assertEquals(result.head, `${head}\n`);
    }
  });

  it("prefers a branch over a tag, and a tag over a commit ID", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const first = await commit(origin, "1");
    const second = await commit(origin, "2");
    const third = await commit(origin, "3");
    await origin.git("tag", "name", first);
    await origin.git("branch", "name", second);
    const abbreviated = third.slice(0, 7);
    await origin.git("tag", abbreviated, first);
    const resolve = async (ref: string) =>
      (await checkOut(directory.path, origin.path, ref)).commit;
    assertEquals(await resolve("name"), second);
    assertEquals(await resolve(abbreviated), first);
    await origin.git("branch", abbreviated, second);
    assertEquals(await resolve(abbreviated), second);
  });

  it("is not confused by a branch with the full ID of a commit", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const reviewed = await commit(origin, "reviewed");
    const evil = await commit(origin, "evil");
    for (const kind of ["heads", "tags"]) {
      await origin.git("update-ref", `refs/${kind}/${reviewed}`, evil);
    }
    const result = await checkOut(directory.path, origin.path, reviewed);
    assertEquals(result.commit, reviewed);
    assertEquals(result.version, "reviewed");
  });

  it("is not confused by files with the name of a branch", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    await origin.commit({ "version": "1", "side": "a file", "HEAD": "" });
    await origin.git("checkout", "--quiet", "-b", "side");
    const id = await origin.commit({ "version": "2", "main": "a file" });
    await origin.git("checkout", "--quiet", "main");
    const result = await checkOut(directory.path, origin.path, "side");
    const head = "ref: refs/heads/side\n";
    assertEquals(result, { commit: id, version: "2", head });
    await assertRejects(
      () => checkOut(directory.path, origin.path, "version"),
      RunnerError,
      "the repository has no such branch or tag",
    );
  });

  it("clones from relative paths and file URLs", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const id = await commit(origin, "1");
    for (const url of ["origin", "./origin/.git", `file://${origin.path}`]) {
      assertEquals((await checkOut(directory.path, url)).commit, id);
    }
  });

  it("includes git's own reason in errors", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    await assertRejects(
      () => checkOut(directory.path, "missing"),
      RunnerError,
      `Cannot clone "${directory.path}/missing": no such file or directory`,
    );
    await Deno.mkdir(`${directory.path}/empty`);
    await assertRejects(
      () => checkOut(directory.path, "empty"),
      RunnerError,
      `Cannot clone "${directory.path}/empty": '${directory.path}/empty' does not appear to be a git repository`,
    );
    await assertRejects(
      () => checkOut(directory.path, "origin"),
      RunnerError,
      `Cannot check out "HEAD" of "${origin.path}": it does not name a commit`,
    );
    await commit(origin, "1");
    await origin.git("tag", "tree", "HEAD^{tree}");
    await assertRejects(
      () => checkOut(directory.path, "origin", "nope"),
      RunnerError,
      `Cannot check out "nope" of "${origin.path}": the repository has no such branch or tag`,
    );
    await assertRejects(
      () => checkOut(directory.path, "origin", "tree"),
      RunnerError,
      `Cannot check out "tree" of "${origin.path}": it does not name a commit`,
    );
    const error = await assertRejects(
      () => checkOut(directory.path, "origin", "1".repeat(40)),
      RunnerError,
    );
    assertEquals(error.code, "source-failed");
  });

  it("shows no user info in the log or in errors", async () => {
    await using directory = await temporaryDirectory();
    // No server listens on port 1.
    const url = "http://me:correct-horse@127.0.0.1:1/a";
    const context = sourceContext({ cwd: directory.path });
    await Deno.mkdir(`${directory.path}/clone`);
    const options = { retry: { attempts: 1 } };
    const fill = gitSource(url, undefined, context, options);
    const error = await assertRejects(
      () => fill(`${directory.path}/clone`),
      RunnerError,
      'Cannot clone "http://***@127.0.0.1:1/a": ',
    );
    const said = [error.message, String(error.cause), ...context.log.lines];
    assert(!said.join("\n").includes("correct-horse"), said.join("\n"));
    assertEquals(
      context.log.lines[0],
      'info source: Cloning {"url":"http://***@127.0.0.1:1/a","ref":"default branch"}',
    );
  });

  it("runs nothing from a template, a repository or the environment", async () => {
    await using directory = await temporaryDirectory();
    const marker = `${directory.path}/marker`;
    const hook = `#!/bin/sh\ntouch ${marker}\n`;
    await makeFiles(directory.path, {
      "template/hooks/post-checkout": hook,
      "template/hooks/reference-transaction": hook,
      "monitor": hook,
    });
    for (
      const script of [
        "template/hooks/post-checkout",
        "template/hooks/reference-transaction",
        "monitor",
      ]
    ) await Deno.chmod(`${directory.path}/${script}`, 0o755);
    const origin = await makeRepository(`${directory.path}/origin`);
    const id = await origin.commit({
      "version": "1",
      ".gitattributes": "* filter=evil\n",
      ".gitmodules":
        `[submodule "s"]\n\tpath = s\n\turl = ext::sh -c "touch ${marker}"\n`,
      ".gitconfig": `[core]\n\tfsmonitor = ${directory.path}/monitor\n`,
    });
    const template = `${directory.path}/template`;
    const result = await checkOut(directory.path, "origin", "main", {
      GIT_TEMPLATE_DIR: template,
      GIT_CONFIG_COUNT: "4",
      GIT_CONFIG_KEY_0: "init.templateDir",
      GIT_CONFIG_VALUE_0: template,
      GIT_CONFIG_KEY_1: "core.hooksPath",
      GIT_CONFIG_VALUE_1: `${template}/hooks`,
      GIT_CONFIG_KEY_2: "core.fsmonitor",
      GIT_CONFIG_VALUE_2: `${directory.path}/monitor`,
      GIT_CONFIG_KEY_3: "submodule.recurse",
      GIT_CONFIG_VALUE_3: "true",
    });
    assertEquals(result.commit, id);
    assertEquals(await exists(marker), false);
    assertEquals(await exists(`${directory.path}/clone/.git/hooks`), false);
  });

  it("does not let a rewritten URL reach a transport helper", async () => {
    await using directory = await temporaryDirectory();
    const marker = `${directory.path}/marker`;
    const error = await assertRejects(
      () =>
        checkOut(directory.path, "https://example.com/a", "main", {
          GIT_CONFIG_COUNT: "2",
          GIT_CONFIG_KEY_0: `url.ext::sh -c "touch ${marker}" .insteadOf`,
          GIT_CONFIG_VALUE_0: "https://example.com/",
          GIT_CONFIG_KEY_1: "protocol.ext.allow",
          GIT_CONFIG_VALUE_1: "always",
          GIT_ALLOW_PROTOCOL: "ext:https",
        }),
      RunnerError,
      "transport 'ext' not allowed",
    );
    assertEquals(error.code, "source-failed");
    assertEquals(await exists(marker), false);
  });

  it("uses its own repository, even inside another one", async () => {
    await using directory = await temporaryDirectory();
    const origin = await makeRepository(`${directory.path}/origin`);
    const id = await commit(origin, "1");
    const other = await makeRepository(`${directory.path}/other`);
    await commit(other, "other");
    const before = await listFiles(`${other.path}/.git`);
    const result = await checkOut(directory.path, "origin", "main", {
      GIT_DIR: `${other.path}/.git`,
      GIT_COMMON_DIR: `${other.path}/.git`,
      GIT_WORK_TREE: other.path,
      GIT_INDEX_FILE: `${other.path}/.git/index`,
      GIT_OBJECT_DIRECTORY: `${other.path}/.git/objects`,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: `${other.path}/.git/objects`,
      GIT_NAMESPACE: "other",
      GIT_CONFIG_PARAMETERS: "'core.worktree'='/nonexistent'",
    });
    assertEquals(result.commit, id);
    assertEquals(await listFiles(`${other.path}/.git`), before);
  });

  it("validates everything before it runs anything", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "bin/git": "#!/bin/sh\ntouch marker\n" });
    await Deno.chmod(`${path}/bin/git`, 0o755);
    const context = sourceContext({
      cwd: path,
      env: { PATH: `${path}/bin:/usr/bin:/bin` },
    });
    const hostile = [
      ["ext::sh -c 'touch marker'", "main"],
      ["--upload-pack=touch marker", "main"],
      ["ssh://-oProxyCommand=touch%20marker/a", "main"],
      ["/repository", "--upload-pack=touch marker"],
      ["/repository", "main\n--exec=touch marker"],
    ];
    for (const [url, ref] of hostile) {
      await assertRejects(
        async () => await gitSource(url, ref, context)(`${path}/clone`),
        RunnerError,
      );
    }
    assertEquals(await exists(`${path}/marker`), false);
  });
});
