import { assertEquals, assertRejects } from "@std/assert";
import { openUntrusted, readUntrusted } from "../../src/fs/untrusted_file.ts";
import { soon } from "../helpers/soon.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const LIMITS = { maxBytes: 1_000 };

async function sh(script: string, cwd: string): Promise<void> {
  const { success } = await new Deno.Command("/bin/sh", {
    args: ["-ec", script],
    cwd,
  }).output();
  assertEquals(success, true, script);
}

function textOf(
  path: string,
  options: Partial<Parameters<typeof readUntrusted>[1]> = {},
): Promise<string> {
  const reading = readUntrusted(path, { ...LIMITS, ...options });
  return soon(reading.then((bytes) => new TextDecoder().decode(bytes)), path);
}

Deno.test("readUntrusted() reads regular files, including empty ones", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh("printf 'a=1\\n' > file; : > empty; ln file second", path);
  assertEquals(await textOf(`${path}/file`), "a=1\n");
  assertEquals(await textOf(`${path}/second`), "a=1\n");
  assertEquals(await textOf(`${path}/empty`), "");
  await assertRejects(() => textOf(`${path}/none`), Deno.errors.NotFound);
});

Deno.test("readUntrusted() rejects everything that is not a regular file, without blocking", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh(
    `echo secret > target; ln -s target link; ln -s /dev/zero device; ln -s . loop
     mkfifo pipe; ln -s pipe link-to-pipe; mkdir directory; ln -s nowhere dangling`,
    path,
  );
  const socket = Deno.listen({ transport: "unix", path: `${path}/socket` });
  try {
    for (
      const [name, reason] of Object.entries({
        "link": "it is a symbolic link",
        "device": "it is a symbolic link",
        "loop": "it is a symbolic link",
        "link-to-pipe": "it is a symbolic link",
        "dangling": "it is a symbolic link",
        "pipe": "it is not a regular file",
        "directory": "it is not a regular file",
        "socket": "it is not a regular file",
      })
    ) {
      await assertRejects(() => textOf(`${path}/${name}`), Error, reason);
      // The file is replaced after the check and before it is opened.
      await assertRejects(
        () => soon(openUntrusted(`${path}/${name}`), name),
        Error,
        reason,
      );
    }
    await assertRejects(() => soon(openUntrusted("/dev/null"), "a device"));
  } finally {
    socket.close();
  }
});

Deno.test("readUntrusted() reads exactly up to its limit", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/file`;
  await Deno.writeFile(path, new Uint8Array(1_000).fill(97));
  assertEquals((await textOf(path)).length, 1_000);
  await assertRejects(
    () => textOf(path, { maxBytes: 999 }),
    Error,
    "it is larger than 999 bytes",
  );
});

Deno.test("readUntrusted() follows no link below its base", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh(
    `mkdir -p base/a/b outside; echo inside > base/a/b/file
     echo secret > outside/file; ln -s ../../outside base/a/link
     ln -s ../outside base/first; mkfifo base/a/pipe; ln -s base alias`,
    path,
  );
  for (const base of [`${path}/base`, `${path}/alias`]) {
    assertEquals(await textOf(`${base}/a/b/file`, { base }), "inside\n");
    for (const name of ["a/link/file", "first/file", "a/pipe/file"]) {
      await assertRejects(
        () => textOf(`${base}/${name}`, { base }),
        Error,
        name === "a/pipe/file"
          ? ""
          : "a component of its path is not a directory",
      );
    }
  }
  await assertRejects(
    () => textOf(`${path}/outside/file`, { base: `${path}/base` }),
    TypeError,
    "is not below",
  );
});

Deno.test("readUntrusted() returns the file or an error while it is being swapped for a pipe and a link", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh("mkdir dir other; echo good > dir/file; mkfifo pipe", path);
  await Deno.writeTextFile(`${path}/other/file`, "evil\n");
  const swapper = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      `while [ ! -e stop ]; do
         ln -s "$PWD/other/file" link; mv -f link dir/file
         mkfifo p; mv -f p dir/file
         echo good > g; mv -f g dir/file
         mv dir real; ln -s other dir; rm dir; mv real dir
       done`,
    ],
    cwd: path,
    stderr: "null",
  }).spawn();
  const seen = new Set<string>();
  try {
    for (let round = 0; round < 400; round++) {
      seen.add(
        await textOf(`${path}/dir/file`, { base: path })
          .catch((error) => error.message),
      );
    }
  } finally {
    await Deno.writeTextFile(`${path}/stop`, "");
    await swapper.status;
  }
  assertEquals([...seen].filter((text) => text.includes("evil")), []);
  assertEquals([...seen].some((text) => text.includes("in 10000 ms")), false);
});

Deno.test("readUntrusted() follows no link below its base without access to /proc", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh(
    `mkdir -p base/a outside; echo inside > base/a/file
     echo secret > outside/file; ln -s ../outside base/link`,
    path,
  );
  const script = `
    import { readUntrusted } from ${
    JSON.stringify(import.meta.resolve("../../src/fs/untrusted_file.ts"))
  };
    const base = Deno.args[0];
    for (const name of ["a/file", "link/file"]) {
      const text = await readUntrusted(base + "/" + name, { base, maxBytes: 9 })
        .then((bytes) => new TextDecoder().decode(bytes), (error) => error.message);
      console.log(text.trim());
    }`;
  await Deno.writeTextFile(`${path}/script.ts`, script);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-check", "--quiet", "--allow-read"],
      ...["--config", new URL("../../deno.json", import.meta.url).pathname],
      ...[`${path}/script.ts`, `${path}/base`],
    ],
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    "inside\na component of its path is not a directory\n",
  );
});

Deno.test("files are opened without following links with any permissions of Deno", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await sh(
    "echo 1 > file; ln -s file link; mkdir d; ln -s d way; echo 1 > d/f",
    path,
  );
  const from = (name: string) =>
    JSON.stringify(new URL(`../../src/fs/${name}`, import.meta.url).href);
  await Deno.writeTextFile(
    `${path}/main.ts`,
    `import { appendUntrusted, openUntrusted } from ${
      from("untrusted_file.ts")
    };
import { HeldDirectory } from ${from("held_directory.ts")};
const path = ${JSON.stringify(path)};
const held = await HeldDirectory.open(path);
const at = (name: string) => [name, path + "/" + name] as const;
for (const [name, action] of Object.entries({
  file: () => openUntrusted(path + "/file"),
  link: () => openUntrusted(path + "/link"),
  inWay: () => openUntrusted(path + "/way/f", { base: path }),
  append: () => appendUntrusted(path + "/link", "more"),
  way: () => HeldDirectory.open(path + "/way"),
  held: () => held.openFile(...at("file")),
  heldLink: () => held.openFile(...at("link")),
  heldWay: () => held.openDirectory(...at("way")),
})) console.log(name, await action().then(() => "opened", () => "refused"));
`,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  for (
    const permissions of [
      ["--allow-all"],
      ["--allow-read", "--allow-write", "--allow-env", "--no-prompt"],
    ]
  ) {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...permissions, `--config=${config}`, `${path}/main.ts`],
    }).output();
    const decoder = new TextDecoder();
    assertEquals(
      decoder.decode(stdout).trim().split("\n"),
      [
        "file opened",
        "link refused",
        "inWay refused",
        "append refused",
        "way refused",
        "held opened",
        "heldLink refused",
        "heldWay refused",
      ],
      decoder.decode(stderr),
    );
    assertEquals(await Deno.readTextFile(`${path}/file`), "1\n");
  }
});
