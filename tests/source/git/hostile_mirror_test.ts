import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { describe, it } from "@std/testing/bdd";
import { MirrorStore } from "../../../src/source/git/mirror_store.ts";
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

/** Packs objects of a repository, and returns the path without extension. */
async function pack(
  repository: GitRepository,
  directory: string,
  ids: readonly string[],
): Promise<string> {
  const list = `${directory}/ids`;
  await Deno.writeTextFile(list, ids.map((id) => `${id}\n`).join(""));
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'git pack-objects -q "$0/pack" < "$0/ids"', directory],
    cwd: repository.path,
    clearEnv: true,
    env: GIT_ENV,
  }).output();
  await Deno.remove(list);
  return `${directory}/pack-${new TextDecoder().decode(stdout).trim()}`;
}

async function objectsOf(repository: GitRepository): Promise<string[]> {
  const text = await repository.git("rev-list", "--objects", "--all");
  return text.split("\n").map((line) => line.split(" ")[0]);
}

async function removePacks(directory: string): Promise<void> {
  for (const { name } of await Array.fromAsync(Deno.readDir(directory))) {
    if (name.startsWith("pack-")) await Deno.remove(`${directory}/${name}`);
  }
}

/** Replaces all packs by one that lacks an object. */
async function packWithout(
  { mirrorPath, origin }: Pick<Attack, "mirrorPath" | "origin">,
  lost: string,
): Promise<void> {
  await removePacks(mirrorPath);
  const ids = await objectsOf(origin);
  await pack(origin, mirrorPath, ids.filter((id) => id !== lost));
}

/**
 * Replaces a requested object by one of the attacker: a pack contains the
 * latter, and the index of the pack has the ID of the former.
 */
async function forge(attack: Attack, name: string): Promise<void> {
  const { mirrorPath, origin, evil } = attack;
  const to = await origin.git("rev-parse", name);
  await packWithout(attack, to);
  const path = await pack(evil, mirrorPath, [
    await evil.git("rev-parse", name),
  ]);
  const index = await Deno.readFile(`${path}.idx`);
  const id = Uint8Array.fromHex(to);
  const table = new DataView(index.buffer);
  for (let byte = 0; byte < 256; byte++) {
    table.setUint32(8 + 4 * byte, byte >= id[0] ? 1 : 0);
  }
  index.set(id, 8 + 1024);
  const sum = await crypto.subtle.digest("SHA-1", index.subarray(0, -20));
  index.set(new Uint8Array(sum), index.length - 20);
  await Deno.remove(`${path}.idx`);
  await Deno.writeFile(`${path}.idx`, index);
}

/** Returns the path of a file of the only pack of a mirror. */
function packFile(mirrorPath: string, extension: string): string {
  const [name] = [...Deno.readDirSync(mirrorPath)].map(({ name }) => name)
    .filter((name) => name.endsWith(extension));
  return `${mirrorPath}/${name}`;
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
    await pack(evil, mirrorPath, await objectsOf(evil));
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
      "info/alternates": `${path}/secret/.git/objects\n`,
      "commit-graph": "forged",
      "multi-pack-index": "forged",
    }),
  "a link to another pack": async ({ mirrorPath, path }) => {
    const file = packFile(mirrorPath, ".pack");
    await Deno.copyFile(file, `${path}/copied.pack`);
    await replaceByLink(file, `${path}/copied.pack`);
  },
  "a link in the place of an index": ({ mirrorPath, path }) =>
    replaceByLink(packFile(mirrorPath, ".idx"), `${path}/outside/file`),
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
    replaceByPipe(`${mirrorPath}/pack-0123456789.idx`),
  "a pipe in the place of a pack": ({ mirrorPath }) =>
    replaceByPipe(packFile(mirrorPath, ".pack")),
  "a pipe in the place of an index": ({ mirrorPath }) =>
    replaceByPipe(packFile(mirrorPath, ".idx")),
  "directories in the place of packs": async ({ mirrorPath }) => {
    await removePacks(mirrorPath);
    await makeFiles(mirrorPath, { "pack-1.pack/x": "", "pack-1.idx/x": "" });
  },
  "a forged file": (attack) => forge(attack, "HEAD:file"),
  "a forged tree": (attack) => forge(attack, "HEAD^{tree}"),
  "a forged commit": (attack) => forge(attack, "HEAD"),
  "a forged pack": async ({ mirrorPath }) => {
    const file = packFile(mirrorPath, ".pack");
    await Deno.remove(file);
    await Deno.writeTextFile(file, "forged");
  },
  "an index without its pack": ({ mirrorPath }) =>
    makeFiles(mirrorPath, { "pack-0123456789.idx": "forged" }),
  "many packs": ({ mirrorPath }) =>
    makeFiles(
      mirrorPath,
      Object.fromEntries(
        Array.from({ length: 500 }, (_, at) => [`pack-${at}.pack`, "x"]),
      ),
    ),
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
    await packWithout({ mirrorPath, origin }, blob);
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
    await pack(evil, `${mirror}/${mirrorPath}`, await objectsOf(evil));
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

describe("MirrorStore", () => {
  /** A mirror with the packs of a repository, and a directory beside it. */
  async function world(path: string) {
    const origin = await makeRepository(`${path}/origin`);
    const id = await origin.commit({ file: "good" });
    const mirror = `${path}/mirror`;
    await makeFiles(mirror, { "tips": `${id} refs/heads/main\n` });
    const name = basename(await pack(origin, mirror, await objectsOf(origin)));
    const outside = { [`${name}.pack`]: "a", [`${name}.idx`]: "b", tips: "c" };
    await makeFiles(`${path}/outside`, outside);
    await Deno.mkdir(`${path}/packs`);
    return { id, mirror, name, outside };
  }

  it("changes nothing elsewhere if the mirror is replaced by a link", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { id, mirror, name, outside } = await world(path);
    using store = await MirrorStore.open(mirror);
    await Deno.rename(mirror, `${path}/moved`);
    await Deno.symlink(`${path}/outside`, mirror);
    await store.addPacksTo(`${path}/packs`);
    await Deno.remove(`${path}/packs/${name}.pack`);
    await Deno.remove(`${path}/packs/${name}.idx`);
    await makeFiles(`${path}/packs`, { "pack-2.idx": "2", "pack-2.pack": "2" });
    await store.save(`${path}/packs`, new Map([["refs/heads/new", id]]));
    assertEquals(await listFiles(`${path}/outside`), outside);
    const moved = await listFiles(`${path}/moved`);
    assertEquals(Object.keys(moved).sort(), [
      "pack-2.idx",
      "pack-2.pack",
      "tips",
    ]);
    assertEquals(moved.tips, `${id} refs/heads/new\n`);
    await store.clear();
    assertEquals(await listFiles(`${path}/outside`), outside);
    await assertRejects(() => MirrorStore.open(`${mirror}/`));
  });

  it("reads the files that it has checked, even if they are replaced", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { mirror, name } = await world(path);
    const bytes = await Deno.readFile(`${mirror}/${name}.pack`);
    using store = await MirrorStore.open(mirror);
    await replaceByPipe(`${mirror}/${name}.pack`);
    await replaceByLink(`${mirror}/${name}.idx`, "/dev/zero");
    await store.addPacksTo(`${path}/packs`);
    assertEquals(await Deno.readFile(`${path}/packs/${name}.pack`), bytes);
  });
});
