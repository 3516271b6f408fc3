import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Clone, clone } from "../../helpers/clone.ts";
import {
  GIT_ENV,
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Attacks of an earlier job, which can write to the mirror. */
interface Attack {
  /** Absolute path of the test's directory. */
  readonly path: string;
  /** Absolute path of the mirror. */
  readonly mirrorPath: string;
  /** Command that leaves a mark. */
  readonly run: string;
  /** Commit that the next run requests. */
  readonly wanted: string;
  /** Repository of the mirror. */
  readonly origin: GitRepository;
  /** Repository of the attacker, in which `file` contains `evil`. */
  readonly evil: GitRepository;
}

async function replaceByLink(path: string, target: string): Promise<void> {
  await Deno.remove(path, { recursive: true });
  await Deno.symlink(target, path);
}

async function replaceByPipe(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await new Deno.Command("mkfifo", { args: [path] }).output();
}

function looseObject(id: string): string {
  return `${id.slice(0, 2)}/${id.slice(2)}`;
}

/** Replaces a requested object with an object of the attacker. */
async function forgeLoose(
  { mirrorPath, origin, evil }: Attack,
  name: string,
): Promise<void> {
  const from = await evil.git("rev-parse", name);
  const to = await origin.git("rev-parse", name);
  const target = `${mirrorPath}/objects/${looseObject(to)}`;
  await Deno.remove(target);
  await Deno.copyFile(`${evil.path}/.git/objects/${looseObject(from)}`, target);
}

/**
 * Creates a pack with the attacker's file, and an index with another ID for it.
 */
async function forgePack(attack: Attack): Promise<void> {
  const { path, mirrorPath, origin, evil } = attack;
  const from = await evil.git("rev-parse", "HEAD:file");
  const to = await origin.git("rev-parse", "HEAD:file");
  await makeFiles(path, { "ids": `${from}\n` });
  const name = await new Deno.Command("sh", {
    args: ["-c", 'git pack-objects -q "$0/pack" < "$0/ids"', path],
    cwd: evil.path,
    clearEnv: true,
    env: GIT_ENV,
  }).output().then(({ stdout }) => new TextDecoder().decode(stdout).trim());
  const index = await Deno.readFile(`${path}/pack-${name}.idx`);
  const id = Uint8Array.fromHex(to);
  const table = new DataView(index.buffer);
  for (let byte = 0; byte < 256; byte++) {
    table.setUint32(8 + 4 * byte, byte >= id[0] ? 1 : 0);
  }
  index.set(id, 8 + 1024);
  const sum = await crypto.subtle.digest("SHA-1", index.subarray(0, -20));
  index.set(new Uint8Array(sum), index.length - 20);
  const target = `${mirrorPath}/objects/pack/pack-${name}`;
  await Deno.mkdir(`${mirrorPath}/objects/pack`, { recursive: true });
  await Deno.copyFile(`${path}/pack-${name}.pack`, `${target}.pack`);
  await Deno.writeFile(`${target}.idx`, index);
  await Deno.remove(`${mirrorPath}/objects/${looseObject(to)}`);
}

const ATTACKS: Readonly<Record<string, (attack: Attack) => Promise<void>>> = {
  "a configuration that runs programs": async ({ mirrorPath, run, path }) => {
    const config = [
      `[core]\n\tsshCommand = "${run}"\n\tfsmonitor = "${run}"\n\thooksPath = ${path}/hooks\n\talternateRefsCommand = "${run}"\n\tgitProxy = "${run}"\n\trepositoryFormatVersion = 1`,
      `[remote "origin"]\n\tuploadpack = "${run}"\n\turl = ${path}/evil\n\tvcs = evil\n\tpromisor = true`,
      `[extensions]\n\tpartialClone = origin\n\tworktreeConfig = true`,
      `[uploadpack]\n\tpackObjectsHook = "${run}"`,
      `[credential]\n\thelper = "!${run}"`,
      `[url "${path}/evil"]\n\tinsteadOf = ${path}/origin`,
      `[include]\n\tpath = ${path}/more`,
      `[gc]\n\tauto = 1\n\trecentObjectsHook = "${run}"`,
    ].join("\n");
    await makeFiles(mirrorPath, {
      "config": config,
      "config.worktree": config,
      "HEAD": "ref: refs/heads/main\n",
      "refs/heads/": "",
      "hooks/post-index-change": `#!/bin/sh\n${run}\n`,
      "hooks/reference-transaction": `#!/bin/sh\n${run}\n`,
      "hooks/pre-auto-gc": `#!/bin/sh\n${run}\n`,
      "info/attributes": "* filter=evil\n",
      "commondir": `${path}/evil/.git\n`,
    });
    for await (const { name } of Deno.readDir(`${mirrorPath}/hooks`)) {
      await Deno.chmod(`${mirrorPath}/hooks/${name}`, 0o755);
    }
  },
  "names that lead elsewhere": async ({ mirrorPath, evil }) => {
    const id = await evil.git("rev-parse", "HEAD");
    await makeFiles(mirrorPath, {
      "packed-refs": `${id} refs/remotes/origin/main\n`,
      "refs/remotes/origin/main": `${id}\n`,
      "tips": ["refs/remotes/origin/main", "refs/tags/v1", "HEAD"]
        .map((name) => `${id} ${name}\n`).join(""),
    });
    await new Deno.Command("cp", {
      args: ["-r", `${evil.path}/.git/objects/.`, `${mirrorPath}/objects`],
    }).output();
  },
  "tips that are not ids": ({ mirrorPath }) =>
    makeFiles(mirrorPath, { tips: "--upload-pack=x refs/heads/main\n" }),
  "tips that do not exist": ({ mirrorPath }) =>
    makeFiles(mirrorPath, { tips: `${"1".repeat(40)} refs/heads/main\n` }),
  "a cut history": ({ mirrorPath, wanted }) =>
    makeFiles(mirrorPath, {
      "shallow": `${wanted}\n`,
      "info/grafts": `${wanted}\n`,
    }),
  "alternates": ({ mirrorPath, path }) =>
    makeFiles(mirrorPath, {
      "objects/info/alternates": `${path}/secret/.git/objects\n`,
      "objects/info/commit-graph": "forged",
      "objects/pack/multi-pack-index": "forged",
    }),
  "a link to other objects": ({ mirrorPath, path }) =>
    replaceByLink(`${mirrorPath}/objects`, `${path}/outside`),
  "a link to other packs": ({ mirrorPath, path }) =>
    replaceByLink(`${mirrorPath}/objects/pack`, `${path}/outside`),
  "a link to another directory": ({ mirrorPath, path }) =>
    replaceByLink(mirrorPath, `${path}/outside`),
  "a link in the place of the tips": ({ mirrorPath, path }) =>
    replaceByLink(`${mirrorPath}/tips`, `${path}/outside/file`),
  "a link in the place of the lock": ({ mirrorPath, path }) =>
    replaceByLink(mirrorPath.replace(/git$/, "lock"), `${path}/outside/new`),
  "a pipe in the place of the lock": ({ mirrorPath }) =>
    replaceByPipe(mirrorPath.replace(/git$/, "lock")),
  "a pipe in the place of the tips": ({ mirrorPath }) =>
    replaceByPipe(`${mirrorPath}/tips`),
  "a pipe among the packs": ({ mirrorPath }) =>
    replaceByPipe(`${mirrorPath}/objects/pack/pack-0123456789.idx`),
  "a pipe in the place of an object": async ({ mirrorPath, origin }) =>
    await replaceByPipe(
      `${mirrorPath}/objects/${
        looseObject(await origin.git("rev-parse", "HEAD:file"))
      }`,
    ),
  "a forged file": (attack) => forgeLoose(attack, "HEAD:file"),
  "a forged tree": (attack) => forgeLoose(attack, "HEAD^{tree}"),
  "a forged commit": (attack) => forgeLoose(attack, "HEAD"),
  "a forged pack": forgePack,
  "an index without its pack": ({ mirrorPath }) =>
    makeFiles(mirrorPath, { "objects/pack/pack-0123456789.idx": "forged" }),
};

describe("a mirror that an earlier job changed", () => {
  it("serves the requested commit, and runs and redirects nothing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "old" });
    const wanted = await origin.commit({ file: "good" });
    const evil = await makeRepository(`${path}/evil`);
    await evil.commit({ file: "evil" });
    const secret = await makeRepository(`${path}/secret`);
    await secret.commit({ secret: "secret" });
    await makeFiles(path, { "outside/file": "outside" });
    const mirror = `${path}/mirrors`;
    const next = (ref: string, depth = 1): Promise<Clone> =>
      clone(path, origin.path, { ref, mirror, fetchDepth: depth });
    await next("main", 0);
    await Deno.rename(mirror, `${path}/pristine`);
    const [mirrorPath] =
      (await Array.fromAsync(Deno.readDir(`${path}/pristine`)))
        .map(({ name }) => `${mirror}/${name}`)
        .filter((name) => name.endsWith(".git"));
    const attack: Attack = {
      ...{ path, mirrorPath, wanted, origin, evil },
      run: `touch ${path}/marker`,
    };
    let depth = 0;
    for (const [name, attackWith] of Object.entries(ATTACKS)) {
      // A commit ID in the mirror is not looked up on the remote.
      const refs = name.includes("forged") ? [wanted, "main"] : ["main"];
      for (const ref of refs) {
        await new Deno.Command("cp", {
          args: ["-a", `${path}/pristine`, mirror],
        }).output();
        await attackWith(attack);
        depth = 1 - depth;
        const cloned = await next(ref, depth);
        assertEquals(cloned.commit, wanted, name);
        const text = await Deno.readTextFile(`${cloned.path}/file`);
        assertEquals(text, "good", name);
        await cloned.git("fsck", "--strict");
        const count = await cloned.git("rev-list", "--count", "HEAD");
        assertEquals(count, depth === 0 ? "2" : "1", name);
        const files = await Array.fromAsync(Deno.readDir(cloned.path));
        assertEquals(
          files.map((file) => file.name).sort(),
          [".git", "file"],
          name,
        );
        assertEquals(await exists(`${path}/marker`), false, name);
        const outside = await listFiles(`${path}/outside`);
        assertEquals(outside, { file: "outside" }, name);
        await Deno.remove(mirror, { recursive: true });
      }
    }
  });

  it("is removed if it is useless", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const wanted = await origin.commit({ file: "good" });
    const mirror = `${path}/mirrors`;
    const next = () => clone(path, "origin", { ref: wanted, mirror });
    await next();
    const [mirrorPath] = (await Array.fromAsync(Deno.readDir(mirror)))
      .map(({ name }) => `${mirror}/${name}`)
      .filter((name) => name.endsWith(".git"));
    const blob = await origin.git("rev-parse", "HEAD:file");
    await Deno.remove(`${mirrorPath}/objects/${looseObject(blob)}`);
    const warned = async () =>
      (await next()).log.lines.join().includes("Cannot use the mirror");
    assertEquals([await warned(), await warned()], [true, false]);
  });

  it("does not resolve an abbreviated ID to a commit of the attacker", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    await origin.commit({ file: "good" });
    const evil = await makeRepository(`${path}/evil`);
    const id = await evil.commit({ file: "evil" });
    const mirror = `${path}/mirrors`;
    await clone(path, "origin", { ref: "main", mirror });
    const [mirrorPath] = (await Array.fromAsync(Deno.readDir(mirror)))
      .map(({ name }) => name).filter((name) => name.endsWith(".git"));
    await new Deno.Command("cp", {
      args: [
        ...["-r", `${evil.path}/.git/objects/.`],
        `${mirror}/${mirrorPath}/objects`,
      ],
    }).output();
    const error = await clone(path, "origin", {
      ref: id.slice(0, 10),
      mirror,
    }).then(() => undefined, (error) => error);
    assert(
      String(error).includes("the repository has no such branch or tag"),
      String(error),
    );
  });
});
