import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { evalRepository } from "../../../src/source/git/eval_repository.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { runCli } from "../../helpers/cli.ts";
import { GIT_ENV } from "../../helpers/git_repository.ts";
import { sourceContext } from "../../helpers/source_context.ts";
import {
  exists,
  listFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Creates `base`, and `fork` with one more commit. */
async function makePair(
  path: string,
): Promise<{ base: GitRepository; fork: GitRepository }> {
  const base = await makeRepository(`${path}/base`);
  await base.git("config", "uploadpack.allowFilter", "true");
  await base.commit({
    ".reactorcide/jobs/a.yaml": "trusted",
    ".reactorcide/run.sh": "#!/bin/sh",
    "outside": "x",
  });
  await base.git("clone", "--quiet", base.path, `${path}/fork`);
  const fork = await makeRepository(`${path}/fork`);
  await fork.git("config", "uploadpack.allowFilter", "true");
  await fork.commit({ ".reactorcide/jobs/a.yaml": "untrusted" });
  return { base, fork };
}

describe("evalRepository()", () => {
  it("fetches both revisions and writes only their definitions", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { base, fork } = await makePair(path);
    const head = await fork.git("rev-parse", "HEAD");
    const trusted = await base.git("rev-parse", "HEAD");
    const { fillRepository, fillDefinitions } = evalRepository(
      { url: `file://${fork.path}`, ref: head },
      { url: `file://${base.path}`, ref: "main" },
      sourceContext({ cwd: path }),
    );
    await Deno.mkdir(`${path}/src`);
    await Deno.mkdir(`${path}/ci`);
    assertEquals(await fillRepository(`${path}/src`), head);
    assertEquals(await fillDefinitions(`${path}/ci`), trusted);
    assertEquals(await listFiles(`${path}/ci`), {
      "base/": "",
      "base/.reactorcide/": "",
      "base/.reactorcide/jobs/": "",
      "base/.reactorcide/jobs/a.yaml": "trusted",
      "base/.reactorcide/run.sh": "#!/bin/sh",
      "head/": "",
      "head/.reactorcide/": "",
      "head/.reactorcide/jobs/": "",
      "head/.reactorcide/jobs/a.yaml": "untrusted",
      "head/.reactorcide/run.sh": "#!/bin/sh",
    });
    const names = (await Array.fromAsync(Deno.readDir(`${path}/src`)))
      .map(({ name }) => name);
    assertEquals(names, [".git"]);
    const git = `${path}/src/.git`;
    assertEquals(await exists(`${git}/shallow`), false);
    assertEquals(await Deno.readTextFile(`${git}/HEAD`), `${head}\n`);
    const config = await Deno.readTextFile(`${git}/config`);
    assert(/promisor = true/.test(config), config);
    assert(/\[remote "upstream"\]/.test(config), config);
  });

  it("rejects links among trusted definitions, and creates an empty directory for none", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const base = await makeRepository(`${path}/base`);
    await base.commit({ file: "" });
    await base.git("branch", "none");
    await Deno.mkdir(`${base.path}/.reactorcide`);
    await Deno.symlink("/etc/passwd", `${base.path}/.reactorcide/link`);
    await base.commit({});
    for (const [ref, isRefused] of [["main", true], ["none", false]] as const) {
      const { fillRepository, fillDefinitions } = evalRepository(
        { url: base.path, ref: "none" },
        { url: base.path, ref },
        sourceContext({ cwd: path }),
      );
      const [src, ci] = [`${path}/${ref}/src`, `${path}/${ref}/ci`];
      await Deno.mkdir(src, { recursive: true });
      await fillRepository(src);
      if (isRefused) {
        await assertRejects(
          () => fillDefinitions(ci),
          RunnerError,
          '".reactorcide/link" is not a regular file',
        );
        assertEquals(await exists(ci), false);
      } else {
        await fillDefinitions(ci);
        assertEquals(Object.keys(await listFiles(`${ci}/base`)), [
          ".reactorcide/",
        ]);
      }
    }
  });

  it("writes the trusted definitions whatever the tree of the head contains", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { base, fork } = await makePair(path);
    const blob = await fork.git("hash-object", "-w", `${fork.path}/outside`);
    // No tool of git would write such an object.
    const tree = async (mode: string, id: string, name: string) => {
      const head = new TextEncoder().encode(`${mode} ${name}\0`);
      const bytes = [...head, ...Uint8Array.fromHex(id)];
      await Deno.writeFile(`${path}/tree`, new Uint8Array(bytes));
      const args = ["-t", "tree", "-w", "--literally", `${path}/tree`];
      return await fork.git("hash-object", ...args);
    };
    const folder = async (mode: string, id: string, name: string) =>
      await tree("40000", await tree(mode, id, name), ".reactorcide");
    const roots = [
      await folder("120000", blob, "link"),
      await folder("160000", "1".repeat(40), "submodule"),
      await folder("100644", blob, "n".repeat(300)),
      await folder("100644", blob, ".git"),
      await folder("100644", blob, "git~1"),
      await tree("100644", blob, ".reactorcide"),
      await tree("120000", blob, ".reactorcide"),
    ];
    for (const [index, root] of roots.entries()) {
      const head = await fork.git("commit-tree", "-m", "Attack", root);
      await fork.git("update-ref", "refs/heads/attack", head);
      const context = sourceContext({ cwd: path });
      const { fillRepository, fillDefinitions } = evalRepository(
        { url: fork.path, ref: "attack" },
        { url: base.path, ref: "main" },
        context,
      );
      const [src, ci] = [`${path}/${index}/src`, `${path}/${index}/ci`];
      await Deno.mkdir(src, { recursive: true });
      await fillRepository(src);
      await fillDefinitions(ci);
      assertEquals(await listFiles(ci), {
        "base/": "",
        "base/.reactorcide/": "",
        "base/.reactorcide/jobs/": "",
        "base/.reactorcide/jobs/a.yaml": "trusted",
        "base/.reactorcide/run.sh": "#!/bin/sh",
        "head/": "",
        "head/.reactorcide/": "",
      }, `${index}`);
      const warnings = context.log.lines.filter((line) =>
        /^warning/.test(line)
      );
      assertEquals(warnings.length, 1, context.log.lines.join("\n"));
    }
  });

  it("writes files as they are stored, whatever attributes the tree has", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { base, fork } = await makePair(path);
    const text = "name: $Id$\nunix\n";
    await fork.commit({ ".reactorcide/jobs/a.yaml": text });
    await fork.commit({
      ".reactorcide/.gitattributes":
        "[attr]evil filter=evil ident eol=crlf working-tree-encoding=UTF-16\n* evil\n",
      ".gitattributes": "* filter=evil\n",
    });
    const { fillRepository, fillDefinitions } = evalRepository(
      { url: fork.path, ref: "main" },
      { url: base.path, ref: "main" },
      sourceContext({
        cwd: path,
        env: {
          GIT_CONFIG_COUNT: "3",
          GIT_CONFIG_KEY_0: "filter.evil.smudge",
          GIT_CONFIG_VALUE_0: `touch ${path}/marker; echo evil`,
          GIT_CONFIG_KEY_1: "filter.evil.required",
          GIT_CONFIG_VALUE_1: "true",
          GIT_CONFIG_KEY_2: "core.autocrlf",
          GIT_CONFIG_VALUE_2: "true",
        },
      }),
    );
    await Deno.mkdir(`${path}/src`);
    await fillRepository(`${path}/src`);
    await fillDefinitions(`${path}/ci`);
    const file = `${path}/ci/head/.reactorcide/jobs/a.yaml`;
    assertEquals(await Deno.readTextFile(file), text);
    assertEquals(await exists(`${path}/marker`), false);
    // The job's own git is not affected.
    assertEquals(await exists(`${path}/src/.git/info/attributes`), false);
    assertEquals(await exists(`${path}/src/.git/staged`), false);
  });

  it("is used for the evaluation of a pull request, if requested", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { base, fork } = await makePair(path);
    // The command line keeps its caches in the home directory, which must
    // exist.
    const { HOME: _, ...gitEnv } = GIT_ENV;
    for (const mode of ["shared", "isolated"]) {
      await Deno.mkdir(`${path}/${mode}`);
      const { code, stdout, stderr } = await runCli(
        ["run", "--job-command", "ls -a ../ci/* ../src"],
        {
          cwd: `${path}/${mode}`,
          env: {
            ...gitEnv,
            REACTORCIDE_JOB_KIND: "eval",
            REACTORCIDE_PR_NUMBER: "7",
            REACTORCIDE_CHECKOUT_MODE: mode,
            REACTORCIDE_SOURCE_TYPE: "git",
            REACTORCIDE_SOURCE_URL: fork.path,
            REACTORCIDE_SOURCE_REF: "main",
            REACTORCIDE_CI_SOURCE_TYPE: "git",
            REACTORCIDE_CI_SOURCE_URL: base.path,
            REACTORCIDE_CI_SOURCE_REF: "main",
          },
        },
      );
      assertEquals(code, 0, stderr);
      assertEquals(stdout.includes("../ci/base"), true);
      assertEquals(stdout.includes("../ci/head"), mode === "shared");
      assertEquals(stdout.includes("outside"), mode === "isolated");
    }
  });
});
