import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { prepareSource } from "../../src/source/prepare.ts";
import { runShell, runTool } from "../helpers/archives.ts";
import { Random } from "../helpers/random.ts";
import { sourceContext } from "../helpers/source_context.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const LIMITS = {
  stripTop: false,
  maxEntries: 1_000,
  maxBytes: 64 * 1024 * 1024,
  maxRatio: 1_000_000,
  timeoutMs: 60_000,
};

async function unpackIn(cwd: string, url: string): Promise<string> {
  const context = sourceContext({ cwd });
  const target = context.workspace.pathOf("/job/src");
  await prepareSource(
    { type: "tarball", url, target, replace: false, archive: LIMITS },
    context,
  );
  return target;
}

/** Summarizes names, types, contents, permissions, times and link targets. */
function sumOf(directory: string): Promise<string> {
  return runTool(
    directory,
    "tar",
    "--sort=name",
    "--numeric-owner",
    "--owner=0",
    "--group=0",
    "--hard-dereference",
    "--exclude=./.",
    "-cf",
    "../sum",
    ".",
  ).then(() =>
    runTool(
      directory,
      "sh",
      "-c",
      "tar -tvf ../sum | grep -v ' ./$'; tar -xOf ../sum | cksum",
    )
  );
}

const KINDS = [
  ["-Hgnu"],
  ["-Holdgnu"],
  ["-Hposix"],
  ["-Hgnu", "--sparse"],
  ["-Holdgnu", "--sparse"],
  ["-Hposix", "--sparse", "--sparse-version=0.0"],
  ["-Hposix", "--sparse", "--sparse-version=0.1"],
  ["-Hposix", "--sparse", "--sparse-version=1.0"],
  ["-Hgnu", "--label=a volume"],
  ["-Hposix", "--label=a volume"],
  ["-Hgnu", "--listed-incremental=../list"],
];

describe("tarEntries()", () => {
  it("reads all formats that GNU tar writes", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runShell(
      path,
      String.raw`mkdir from && cd from
        n() { printf -- "$1."; }
        for i in 1 2 3 4 5 6 7 8 9 10; do printf "piece $i" | dd bs=64k seek=$i of=holes conv=notrunc status=none; done
        truncate -s 3M holes zeros; : > empty; printf x > 'new
line'
        for b in '\351' '\350' '\303\251' '-\377'; do
          mkdir "./$(n "d$b")"; printf -- "$b" > "./$(n "d$b")/$(n "$b")"
          ln -s -- "$(n "$b")" "./$(n "l$b")"
        done
        long=$(printf 'n%.0s' $(seq 120)); mkdir -p "$long/$long/$long"; echo l > "$long/$long/$long/$long"
        ln -s "$long/$long/$long/$long/$long" long-target
        printf '#!/bin/sh\n' > script; chmod 751 script; ln script hard; ln -s script soft; ln soft hard-soft
        mkdir closed; echo 1 > closed/file; chmod 555 closed; mkdir shut; chmod 700 shut
        find . -exec touch -h -d '2020-02-02 02:02:02' {} +`,
    );
    const expected = await sumOf(`${path}/from`);
    for (const kind of KINDS) {
      await runShell(path, "rm -f list");
      await runTool(`${path}/from`, "tar", ...kind, "-cf", "../a.tar", ".");
      const target = await unpackIn(path, "a.tar");
      assertEquals(await sumOf(target), expected, kind.join(" "));
    }
  });

  it("reads random trees like GNU tar", async () => {
    const random = new Random();
    const names = ["a", "b\\351", "c\\350d", "\\303\\274", "e f"];
    for (let round = 0; round < 12; round++) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const lines = Array.from({ length: 12 }, () => {
        const parts = Array.from(
          { length: 1 + random.below(3) },
          () => names[random.below(names.length)],
        );
        const kind = random.below(4);
        const place = `p=$(printf '${parts.join("/")}'); `;
        const around =
          `mkdir -p "$(dirname "$p")" 2>/dev/null || return 0; [ -e "$p" ] || [ -L "$p" ] || `;
        return place + around + [
          `head -c ${random.below(2_000)} /dev/zero > "$p"`,
          `ln -s "$(printf 't${names[random.below(names.length)]}')" "$p"`,
          `mkdir "$p"`,
          `{ f=$(find . -type f | head -1); [ -z "$f" ] || ln "$f" "$p"; }`,
        ][kind];
      });
      await runShell(
        path,
        `mkdir from; cd from; ${
          lines.map((line) => `f() { ${line}; }; f`).join("\n")
        }; find . -exec touch -h -d '2020-02-02 02:02:02' {} +`,
      );
      const kind = KINDS[random.below(KINDS.length)];
      const message = `seed ${random.seed}, round ${round}: ${kind}`;
      await runTool(`${path}/from`, "tar", ...kind, "-cf", "../a.tar", ".");
      const target = await unpackIn(path, "a.tar");
      assertEquals(await sumOf(target), await sumOf(`${path}/from`), message);
    }
  });
});
