import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { quotePath } from "../../../src/source/git/git_config.ts";
import { clone } from "../../helpers/clone.ts";
import { GIT_ENV, makeRepository } from "../../helpers/git_repository.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

Deno.test("quotePath() quotes a path as git does", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const names = [
      'a"b',
      "a\\b",
      "a\nb",
      "a\tb",
      "a\x01b",
      "a\x07\b\v\f\rb",
      "a\x7fb",
      "a\x9fb",
    ];
    for (const name of names) {
      await Deno.writeTextFile(`${directory}/${name}`, "");
    }
    const run = async (...args: string[]) => {
      const { stdout } = await new Deno.Command("git", {
        args: ["-C", directory, ...args],
        clearEnv: true,
        env: {
          PATH: Deno.env.get("PATH") ?? "",
          GIT_CONFIG_GLOBAL: "/dev/null",
          GIT_CONFIG_NOSYSTEM: "1",
        },
      }).output();
      return new TextDecoder().decode(stdout);
    };
    await run("init", "-q");
    const printed = await run("ls-files", "--others");
    assertEquals(
      printed.trimEnd().split("\n").sort(),
      names.map(quotePath).sort(),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Only root can give files to another user. */
const suite = Deno.uid() === 0 ? describe : () => {};

suite("gitSource() and repositories of another user", () => {
  it("are fetched by path and URL, with their submodules and a filter", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const inner = await makeRepository(`${path}/inner`);
    await inner.commit({ file: "inner" });
    const origin = await makeRepository(`${path}/origin`);
    await origin.git("config", "uploadpack.allowFilter", "true");
    await origin.git(
      ...["-c", "protocol.file.allow=always"],
      ...["submodule", "--quiet", "add", "--", "../inner", "sub"],
    );
    await origin.commit({ file: "origin" });
    await makeFiles(path, { "gitconfig": "[core]\n\tabbrev = 9\n" });
    await giveAway(inner.path);
    await giveAway(origin.path);
    for (const url of [origin.path, `file://${origin.path}`]) {
      for (const filter of [undefined, "blob:none"]) {
        const cloned = await clone(path, url, {
          submodules: "recursive",
          filter,
          env: { GIT_CONFIG_GLOBAL: `${path}/gitconfig` },
        });
        assertEquals(await Deno.readTextFile(`${cloned.path}/file`), "origin");
        assertEquals(
          await Deno.readTextFile(`${cloned.path}/sub/file`),
          "inner",
        );
        const names =
          (await Array.fromAsync(Deno.readDir(`${cloned.path}/.git`)))
            .map(({ name }) => name);
        assertEquals(names.filter((name) => name.startsWith("global-")), []);
      }
    }
    assertEquals(
      await Deno.readTextFile(`${path}/gitconfig`),
      "[core]\n\tabbrev = 9\n",
    );
  });

  it("run nothing that they configure", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const id = await origin.commit({ file: "origin" });
    const run = `touch ${path}/marker; false`;
    await makeFiles(path, { "hook": `#!/bin/sh\n${run}\n` });
    await Deno.chmod(`${path}/hook`, 0o755);
    // If an object is missing, git looks for it in the remotes of the
    // repository.
    const blob = await origin.git("rev-parse", "HEAD:file");
    await Deno.remove(
      `${origin.path}/.git/objects/${blob.slice(0, 2)}/${blob.slice(2)}`,
    );
    for (
      const [key, value] of [
        ["core.repositoryFormatVersion", "1"],
        ["extensions.partialClone", "evil"],
        ["remote.evil.promisor", "true"],
        ["remote.evil.url", "ssh://evil/x"],
        ["remote.evil.uploadpack", run],
        ["core.sshCommand", run],
        ["core.fsmonitor", run],
        ["core.gitProxy", run],
        ["core.alternateRefsCommand", run],
        ["core.hooksPath", path],
        ["uploadpack.packObjectsHook", `${path}/hook`],
        ["protocol.allow", "always"],
        ["protocol.ssh.allow", "always"],
        ["credential.helper", `!${run}`],
      ]
    ) await origin.git("config", key, value);
    await giveAway(origin.path);
    for (const url of ["ssh://evil/x", `ext::sh -c "${run}"`, path]) {
      await new Deno.Command("git", {
        args: [
          "config",
          "-f",
          `${origin.path}/.git/config`,
          "remote.evil.url",
          url,
        ],
        clearEnv: true,
        env: GIT_ENV,
      }).output();
      for (const ref of ["main", id]) {
        await clone(path, `file://${origin.path}`, { ref }).catch(() => {});
        assertEquals(await exists(`${path}/marker`), false, url);
      }
    }
  });
});

async function giveAway(path: string): Promise<void> {
  await new Deno.Command("chown", { args: ["-R", "65534:65534", path] })
    .output();
}
