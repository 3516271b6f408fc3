import { git, RunnerError } from "@reactorcide/runnerlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isCleanTree } from "../../../../src/source/git/queries/git_info.ts";
import { openQuery } from "../../../../src/source/git/queries/open_query.ts";
import { isProgramMissing } from "../../../helpers/missing_program.ts";
import {
  GIT_ENV as env,
  type GitRepository,
  makeRepository,
} from "../../../helpers/git_repository.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../../../helpers/temporary_directory.ts";

const { changedFiles, commitsBetween, fileAtRef, info: gitInfo } = git;

/**
 * Creates two commits, and a file whose change is visible only in its content.
 */
async function makeSource(path: string): Promise<GitRepository> {
  const repository = await makeRepository(path);
  await repository.commit({ "kept.txt": "1", ".gitattributes": "" });
  await repository.commit({ "changed.txt": "2" });
  await touch(repository);
  return repository;
}

let touched = 0;

/**
 * Makes git compare the contents, because the times differ from those in the
 * index.
 */
async function touch({ path }: GitRepository): Promise<void> {
  touched++;
  await Deno.utime(`${path}/kept.txt`, touched, touched);
  await Deno.utime(`${path}/changed.txt`, touched, touched);
}

/** Runs all queries; failures are answers as well. */
async function askAll(directory: string, environment = env) {
  const options = { directory, env: environment };
  const answers = await Promise.allSettled([
    gitInfo(options),
    changedFiles("HEAD^", options),
    commitsBetween("HEAD^", options),
    fileAtRef("HEAD", "kept.txt", options),
    fileAtRef("HEAD", "absent", options),
    changedFiles("0123456789012345678901234567890123456789", options),
    changedFiles("main@{1}", options),
  ]);
  return answers.map((answer) => {
    if (answer.status === "fulfilled") return answer.value;
    assert(answer.reason instanceof RunnerError, String(answer.reason));
    return answer.reason.message;
  });
}

/** Names of all settings in git's documentation. */
async function documentedSettings(): Promise<string[]> {
  const { stdout } = await new Deno.Command("git", {
    args: ["help", "--config"],
    clearEnv: true,
    env,
  }).output();
  const names = new TextDecoder().decode(stdout).split("\n")
    .map((name) => name.replace(/<[^>]*>|\*/g, "evil"))
    .filter((name) => /^[a-z]+\.[a-z0-9.-]+$/i.test(name));
  assert(names.length > 400, `${names.length}`);
  return names;
}

/** Programs that git runs in a repository with these settings. */
const CANARIES: readonly (readonly [
  settings: Record<string, string>,
  args: readonly string[],
])[] = [
  [{ "core.fsmonitor": "RUN" }, ["status"]],
  [{ "filter.evil.clean": "RUN" }, ["status"]],
  [{ "filter.evil.process": "RUN" }, ["status"]],
  [{ "include.path": "evil" }, ["status"]],
  [
    {
      "core.repositoryformatversion": "1",
      "extensions.partialClone": "evil",
      "remote.evil.promisor": "true",
      "remote.evil.url": "ssh://evil/x",
      "core.sshCommand": "RUN",
    },
    ["cat-file", "-e", "0123456789012345678901234567890123456789"],
  ],
  [{ "diff.evil.textconv": "RUN" }, ["log", "-p"]],
  [{ "diff.evil.command": "RUN" }, ["diff", "--ext-diff", "HEAD^", "HEAD"]],
  [{ "gpg.program": "RUN", "log.showSignature": "true" }, ["log"]],
];

describe("queries of a hostile repository", () => {
  it("give the same answers whatever it configures, and run nothing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeSource(`${path}/repository`);
    const expected = await askAll(repository.path);
    assertEquals(expected.length, 7);
    assertEquals((expected[0] as { isClean: boolean }).isClean, true);
    const canary = `touch '${path}/marker'; false`;
    const settings = (await documentedSettings())
      // Colors and the branch of a remote may differ.
      .filter((name) => !/^remote\.|^extensions\.|^core\.worktree$/.test(name));
    const lines = settings.map((name) => {
      const [, section, subsection, key] = /^([^.]+)(?:\.(.*))?\.([^.]+)$/s
        .exec(name)!;
      const head = subsection === undefined
        ? section
        : `${section} "${subsection}"`;
      return `[${head}]\n\t${key} = "${canary}"\n`;
    });
    const attributes = "* filter=evil diff=evil merge=evil\n";
    await makeFiles(repository.path, {
      ".git/config": lines.join(""),
      ".git/config.worktree": lines.join(""),
      ".git/info/attributes": attributes,
    });
    for (const hook of ["post-index-change", "fsmonitor-watchman"]) {
      const file = `${repository.path}/.git/hooks/${hook}`;
      await makeFiles(repository.path, {
        [`.git/hooks/${hook}`]: `#!/bin/sh\n${canary}\n`,
      });
      await Deno.chmod(file, 0o755);
    }
    assertEquals(await askAll(repository.path), expected);
    assertEquals(await exists(`${path}/marker`), false);
  });

  it("run none of the programs that git would run there", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeSource(`${path}/repository`);
    const { git } = repository;
    const { stdout } = await new Deno.Command("git", {
      args: ["cat-file", "commit", "HEAD"],
      cwd: repository.path,
      clearEnv: true,
      env,
    }).output();
    const signed = new TextDecoder().decode(stdout).replace(
      "\n\n",
      "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n",
    );
    await makeFiles(path, {
      signed,
      "run": `#!/bin/sh\ntouch '${path}/marker'\nfalse\n`,
    });
    await Deno.chmod(`${path}/run`, 0o755);
    const id = await git("hash-object", "-t", "commit", "-w", `${path}/signed`);
    await git("update-ref", "HEAD", id);
    await makeFiles(repository.path, {
      ".git/info/attributes": "*.txt filter=evil diff=evil\n",
      ".git/evil": `[core]\n\tfsmonitor = ${path}/run\n`,
    });
    const original = await Deno.readTextFile(`${repository.path}/.git/config`);
    for (const [settings, args] of CANARIES) {
      for (const [key, value] of Object.entries(settings)) {
        await git("config", key, value.replace("RUN", `${path}/run`));
      }
      await touch(repository);
      await askAll(repository.path);
      const name = Object.keys(settings).join();
      assertEquals(await exists(`${path}/marker`), false, name);
      // The canary is triggered by git itself.
      await touch(repository);
      await new Deno.Command("git", {
        args: [...args],
        cwd: repository.path,
        clearEnv: true,
        env,
        stdout: "null",
        stderr: "null",
      }).output();
      assertEquals(await exists(`${path}/marker`), true, name);
      await Deno.remove(`${path}/marker`);
      await Deno.writeTextFile(`${repository.path}/.git/config`, original);
    }
  });

  it("run nothing that the user or the environment configures, and get no token", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeSource(`${path}/repository`);
    const run = `env > '${path}/marker'; false`;
    await makeFiles(path, {
      "gitconfig":
        `[core]\n\tfsmonitor = "${run}"\n\texcludesFile = ${path}/ignored\n[filter "evil"]\n\tclean = "${run}"\n`,
      "ignored": "*.tmp\n",
    });
    await makeFiles(repository.path, {
      ".git/info/attributes": "*.txt filter=evil\n",
      "a.tmp": "",
    });
    const [info] = await askAll(repository.path, {
      ...env,
      GIT_CONFIG_GLOBAL: `${path}/gitconfig`,
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "core.fsmonitor",
      GIT_CONFIG_VALUE_0: run,
      GIT_CONFIG_PARAMETERS: `'core.fsmonitor'='${run}'`,
      GIT_DIR: "/nonexistent",
      GIT_INDEX_FILE: "/nonexistent",
      GIT_OBJECT_DIRECTORY: "/nonexistent",
      GIT_EXTERNAL_DIFF: `${path}/run`,
      REACTORCIDE_API_TOKEN: "token",
    });
    assertEquals((info as { isClean: boolean }).isClean, true);
    assertEquals(await exists(`${path}/marker`), false);
  });

  it("wait neither for pipes nor for an endless index", async () => {
    const pipe = async (path: string) => {
      const { code } = await new Deno.Command("mkfifo", { args: [path] })
        .output();
      assertEquals(code, 0);
    };
    const obstacles: Record<string, (place: string) => Promise<void>> = {
      "excluded names": (place) => pipe(`${place}/.gitignore`),
      "excluded names of a folder": async (place) => {
        await Deno.mkdir(`${place}/folder`);
        await pipe(`${place}/folder/.gitignore`);
      },
      "an index": async (place) => {
        await Deno.remove(`${place}/.git/index`);
        await pipe(`${place}/.git/index`);
      },
      "an endless index": (place) =>
        Deno.truncate(`${place}/.git/index`, 2 ** 32),
      "a part of an endless index": async (place) => {
        await makeFiles(place, { ".git/sharedindex.abc": "" });
        await Deno.truncate(`${place}/.git/sharedindex.abc`, 2 ** 32);
      },
    };
    for (const [name, obstruct] of Object.entries(obstacles)) {
      await using directory = await temporaryDirectory();
      const { path } = await makeSource(`${directory.path}/repository`);
      await obstruct(path);
      const options = { directory: path, env };
      using query = await openQuery(options);
      assertEquals(await isCleanTree(query, options, 500), null, name);
      assertEquals(await changedFiles("HEAD^", options), ["changed.txt"], name);
    }
  });

  it("follow nothing that leads out of the directory", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const secret = await makeRepository(`${path}/secret`);
    const id = await secret.commit({ file: "secret" });
    await secret.git("worktree", "add", "--quiet", "--detach", "../tree");
    const blob = await secret.git("rev-parse", "HEAD:file");
    const loose = `${blob.slice(0, 2)}/${blob.slice(2)}`;
    const forgeries: Record<string, (place: string) => Promise<void>> = {
      "a link to a repository": async (place) => {
        await Deno.remove(`${place}/.git`, { recursive: true });
        await Deno.symlink(`${secret.path}/.git`, `${place}/.git`);
      },
      "a file that names a repository": async (place) => {
        await Deno.remove(`${place}/.git`, { recursive: true });
        await makeFiles(place, { ".git": `gitdir: ${secret.path}/.git\n` });
      },
      "a file that names a work tree": async (place) => {
        await Deno.remove(`${place}/.git`, { recursive: true });
        await makeFiles(place, {
          ".git": `gitdir: ${secret.path}/.git/worktrees/tree\n`,
        });
      },
      "a common directory": (place) =>
        makeFiles(place, { ".git/commondir": `${secret.path}/.git\n` }),
      "alternates": (place) =>
        makeFiles(place, {
          ".git/objects/info/alternates": `${secret.path}/.git/objects\n`,
        }),
      "a link to objects": async (place) => {
        await Deno.remove(`${place}/.git/objects`, { recursive: true });
        await Deno.symlink(
          `${secret.path}/.git/objects`,
          `${place}/.git/objects`,
        );
      },
      "a link to one object": async (place) => {
        await Deno.mkdir(`${place}/.git/objects/${blob.slice(0, 2)}`, {
          recursive: true,
        });
        await Deno.symlink(
          `${secret.path}/.git/objects/${loose}`,
          `${place}/.git/objects/${loose}`,
        );
      },
      "a link to references": async (place) => {
        await Deno.remove(`${place}/.git/refs`, { recursive: true });
        await Deno.symlink(`${secret.path}/.git/refs`, `${place}/.git/refs`);
      },
      "a link to settings": async (place) => {
        await Deno.remove(`${place}/.git/config`);
        await Deno.symlink(
          `${secret.path}/.git/config`,
          `${place}/.git/config`,
        );
      },
      "a link to the head": async (place) => {
        await Deno.remove(`${place}/.git/HEAD`);
        await Deno.symlink(`${secret.path}/.git/HEAD`, `${place}/.git/HEAD`);
      },
      "a pipe": async (place) => {
        await new Deno.Command("mkfifo", {
          args: [`${place}/.git/shallow`],
        }).output();
      },
      "a pipe among the objects": async (place) => {
        await new Deno.Command("mkfifo", {
          args: [`${place}/.git/objects/pack/pack-x.idx`],
        }).output();
      },
    };
    for (const [name, forge] of Object.entries(forgeries)) {
      const place = `${path}/place`;
      const repository = await makeRepository(place);
      // The text of a tree is enough to name a file of the other repository.
      await makeFiles(place, { own: "own" });
      await repository.git("add", "own");
      await repository.git(
        ...["update-index", "--add", "--cacheinfo", `100644,${blob},file`],
      );
      await repository.git("commit", "--quiet", "--message=Borrow")
        .catch(() => {});
      await forge(place);
      for (const ref of ["HEAD", id]) {
        await assertRejects(
          () => fileAtRef(ref, "file", { directory: place, env }),
          RunnerError,
          "Cannot ",
          name,
        );
      }
      await gitInfo({ directory: place, env });
      await Deno.remove(place, { recursive: true });
    }
  });

  it("work where git itself leads out: work trees and submodules", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const inner = await makeRepository(`${path}/inner`);
    await inner.commit({ file: "inner" });
    const outer = await makeRepository(`${path}/outer`);
    await outer.git(
      ...["-c", "protocol.file.allow=always", "submodule", "--quiet"],
      ...["add", "--", "../inner", "sub"],
    );
    await outer.commit({ file: "outer" });
    await outer.git("worktree", "add", "--quiet", "-b", "side", "../tree");
    const read = async (directory: string) => {
      const options = { directory, env };
      const { branch, isClean } = await gitInfo(options);
      return [branch, isClean, await fileAtRef("HEAD", "file", options)];
    };
    assertEquals(await read(outer.path), ["main", true, "outer"]);
    assertEquals(await read(`${outer.path}/sub`), ["main", true, "inner"]);
    assertEquals(await read(`${path}/tree`), ["side", true, "outer"]);
    await makeFiles(outer.path, { "sub/beside": "" });
    const { isClean } = await gitInfo({ directory: outer.path, env });
    assertEquals(isClean, false);
  });

  it("detect forged objects, replacements and histories", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeSource(`${path}/repository`);
    const { git } = repository;
    const expected = await askAll(repository.path);
    const [head, base] = [
      await git("rev-parse", "HEAD"),
      await git("rev-parse", "HEAD^"),
    ];
    await git("replace", head, base);
    await makeFiles(repository.path, { ".git/info/grafts": `${head}\n` });
    await makeFiles(repository.path, {
      ".git/objects/info/commit-graph": "forged",
    });
    await makeFiles(repository.path, {
      ".git/objects/pack/multi-pack-index": "forged",
    });
    assertEquals(await askAll(repository.path), expected);
  });

  it("compare Git LFS files by their pointers, without the tree's settings", async () => {
    if (isProgramMissing("git-lfs")) return;
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeRepository(`${path}/repository`);
    const { git } = repository;
    await git("lfs", "install", "--local");
    await repository.commit({
      ".gitattributes": "*.bin filter=lfs -text\n",
      "a.bin": "big",
    });
    await git("config", "--remove-section", "filter.lfs");
    await makeFiles(repository.path, {
      ".lfsconfig":
        `[lfs "extension.evil"]\n\tclean = touch '${path}/marker'\n\tsmudge = cat\n\tpriority = 0\n`,
    });
    await git("add", ".lfsconfig");
    await git("commit", "--quiet", "--message=Lead away");
    const isClean = async () => {
      await Deno.utime(`${repository.path}/a.bin`, 1, 1);
      return (await gitInfo({ directory: repository.path, env })).isClean;
    };
    assertEquals(await isClean(), true);
    await Deno.writeTextFile(`${repository.path}/a.bin`, "BIG");
    assertEquals(await isClean(), false);
    assertEquals(await exists(`${path}/marker`), false);
  });
});
