import { assertEquals } from "@std/assert";
import { listUnignoredFiles } from "../../../src/source/git/list_files.ts";
import { GIT_ENV, makeRepository } from "../../helpers/git_repository.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

Deno.test("listUnignoredFiles() lists what git would track", async () => {
  await using directory = await temporaryDirectory();
  const repository = await makeRepository(directory.path);
  await repository.commit({ ".gitignore": "*.o\n", "a.c": "", "b/c.c": "" });
  await makeFiles(directory.path, { "a.o": "", "new.c": "" });
  const files = await listUnignoredFiles(directory.path, GIT_ENV);
  assertEquals(files?.sort(), [".gitignore", "a.c", "b/c.c", "new.c"]);
});

Deno.test("listUnignoredFiles() runs nothing that a repository names", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const { git, commit } = await makeRepository(`${path}/repository`);
  await commit({ "in/a": "1", "out/deep/b": "2" });
  const mark = `touch ${path}/started;`;
  // To list the directory of a sparse index, git reads its tree.
  await git("sparse-checkout", "set", "--cone", "--sparse-index", "in");
  const tree = await git("rev-parse", "HEAD:out");
  const object = `${tree.slice(0, 2)}/${tree.slice(2)}`;
  await Deno.remove(`${path}/repository/.git/objects/${object}`);
  for (
    const [key, value] of [
      ["core.repositoryFormatVersion", "1"],
      ["extensions.partialClone", "origin"],
      ["remote.origin.url", `${path}/repository`],
      ["remote.origin.promisor", "true"],
      ["remote.origin.uploadpack", mark],
      ["core.fsmonitor", mark],
      ["core.hooksPath", `${path}/hooks`],
      ["core.pager", mark],
      ["core.sshCommand", mark],
      ["alias.ls-files", `!${mark}`],
    ]
  ) await git("config", key, value);
  await makeFiles(path, {
    "hooks/post-index-change": `#!/bin/sh\n${mark}\n`,
    "repository/.gitattributes": "* filter=x\n",
  });
  await Deno.chmod(`${path}/hooks/post-index-change`, 0o755);
  await listUnignoredFiles(`${path}/repository`, GIT_ENV);
  assertEquals(await exists(`${path}/started`), false);
});
