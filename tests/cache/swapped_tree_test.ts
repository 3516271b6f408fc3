import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type PackedEntry, treeBytes } from "../../src/cache/tree_bytes.ts";
import { joinBytes } from "../../src/bytes.ts";
import { RunnerError } from "../../src/errors.ts";
import { HeldDirectory } from "../../src/fs/held_directory.ts";
import { runShell } from "../helpers/archives.ts";
import { Random } from "../helpers/random.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const OUTSIDE = "content that must not be saved";

/** A tree to pack, and a directory beside it that looks alike. */
async function world() {
  const directory = await temporaryDirectory();
  const root = await Deno.realPath(directory.path);
  await makeFiles(root, {
    "job/tree/a/b/one": "1",
    "job/tree/a/b/two": "2",
    "job/tree/a/three": "3",
    "job/tree/four": "4",
    "outside/one": OUTSIDE,
    "outside/three": OUTSIDE,
    "outside/four": OUTSIDE,
    "outside/b/one": OUTSIDE,
    "outside/a/three": OUTSIDE,
    "outside/a/b/two": OUTSIDE,
  });
  return {
    root: `${root}/job`,
    outside: `${root}/outside`,
    away: `${root}/away`,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe("treeBytes()", () => {
  it("packs the directory that it has opened, even if a link replaces it", async () => {
    await using job = await world();
    const names: string[] = [];
    const tree = treeBytes(job.root, ["tree"], {
      counts: { count: 0 },
      onEntry: ({ name }: PackedEntry) => names.push(name),
    });
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const bytes of tree) {
      parts.push(new Uint8Array(bytes));
      if (names.at(-1) !== "tree/a" || parts.length > 2) continue;
      await Deno.rename(`${job.root}/tree`, job.away);
      await Deno.symlink(job.outside, `${job.root}/tree`);
    }
    assertEquals(names, [
      "tree",
      "tree/a",
      "tree/a/b",
      "tree/a/b/one",
      "tree/a/b/two",
      "tree/a/three",
      "tree/four",
    ]);
    assertEquals(textOf(parts).includes(OUTSIDE), false);
  });

  it("never reads outside the tree while entries are being replaced", async () => {
    const random = new Random();
    for (let round = 0; round < 100; round++) {
      await using job = await world();
      const swap = () => {
        const path = random.pick(["tree", "tree/a", "tree/a/b", "tree/four"]);
        const place = `${job.root}/${path}`;
        const kept = `${job.away}-${path.replaceAll("/", "-")}`;
        // A path through a link would move what is outside into the tree.
        const parent = place.slice(0, place.lastIndexOf("/"));
        try {
          if (Deno.realPathSync(parent) !== parent) return;
          if (Deno.lstatSync(place).isSymlink) {
            Deno.removeSync(place);
            Deno.renameSync(kept, place);
          } else {
            const target = path === "tree/four" ? "four" : "";
            Deno.renameSync(place, kept);
            Deno.symlinkSync(`${job.outside}/${target}`, place);
          }
        } catch {
          // A directory on the way is away.
        }
      };
      const paths = random.pick([["tree"], ["tree/a/b", "tree/a/three"]]);
      const parts: Uint8Array<ArrayBuffer>[] = [];
      try {
        const counts = { count: 0 };
        for await (const bytes of treeBytes(job.root, paths, { counts })) {
          parts.push(new Uint8Array(bytes));
          if (random.below(2) === 0) swap();
        }
      } catch (error) {
        assert(error instanceof RunnerError, `seed ${random.seed}: ${error}`);
      }
      const hasOutside = textOf(parts).includes(OUTSIDE);
      assertEquals(hasOutside, false, `seed ${random.seed}`);
    }
  });
});

describe("HeldDirectory", () => {
  it("follows no link, and waits for no pipe", async () => {
    await using job = await world();
    await runShell(
      job.root,
      `ln -s ../outside/one tree/link; ln -s ../outside tree/linked
mkfifo tree/pipe; ln -s tree/a way
mkdir "$(printf 'tree/\\351')"; ln -s "$(printf 'tree/\\351')" alias`,
    );
    await assertRejects(() => HeldDirectory.open(`${job.root}/tree/linked`));
    await assertRejects(() => HeldDirectory.open(`${job.root}/way/b`));
    using tree = await HeldDirectory.open(`${job.root}/tree`);
    const inTree = (name: string) => [name, `${tree.path}/${name}`] as const;
    await assertRejects(() => tree.openFile(...inTree("link")));
    await assertRejects(() => tree.openDirectory(...inTree("linked")));
    using pipe = await tree.openFile(...inTree("pipe"));
    assertEquals(pipe.info.size, 0);
    using four = await tree.openFile(...inTree("four"));
    assertEquals(four.read(new Uint8Array(10)), 1);
    const alias = `${job.root}/alias`;
    (await tree.openDirectory("\udce9", alias))[Symbol.dispose]();
    await Deno.remove(alias);
    await Deno.symlink(job.outside, alias);
    await assertRejects(() => tree.openDirectory("\udce9", alias));
  });
});

function textOf(parts: readonly Uint8Array<ArrayBuffer>[]): string {
  return new TextDecoder("latin1").decode(joinBytes(parts));
}
