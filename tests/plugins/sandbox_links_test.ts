import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  isInRange,
  openAccessPolicy,
} from "../../src/plugins/sandbox/permission_broker.ts";
import { runZoo, type ZooOptions } from "../helpers/plugin_zoo.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "0perat0r-secret";

/** What links of the job lead to; nothing in there may be seen or changed. */
const OUTSIDE = {
  "outside/secret.txt": SECRET,
  "outside/code.ts": `export const word = "${SECRET}";`,
  "outside/victim.txt": "original",
  "outside/deep/secret.txt": SECRET,
  "job/triggers.kept": "original",
};

/** Links that the job creates, by paths relative to its source. */
const LINKS =
  "ln -s ../../outside/secret.txt file; ln -s ../../outside directory; " +
  "ln -s file chain; ln -s ../../outside/new.txt dangling; " +
  "ln -s /proc/self/root/etc proc; ln -s ../../outside/victim.txt victim; " +
  "ln -s ../triggers.kept near; ln -s ../../outside/code.ts code.ts; " +
  "ln -s loop loop; mkdir sub; echo inside >sub/real.txt; " +
  "ln -s sub/real.txt good; ln -s sub gooddirectory; mkdir -p a/b; " +
  "ln -s ../../../outside a/b/up; ln -s /etc absolute";

/** Attempts to get out, each of which must throw; `s` is the source. */
const ESCAPES = [
  "Deno.readTextFileSync(s + '/file')",
  "await Deno.readTextFile(s + '/chain')",
  "Deno.readTextFileSync(s + '/directory/secret.txt')",
  "Deno.readTextFileSync(s + '/directory/deep/secret.txt')",
  "Deno.readTextFileSync(s + '/a/b/up/secret.txt')",
  "Deno.readTextFileSync(s + '/sub/../file')",
  "Deno.readTextFileSync(s + '/./gooddirectory/../file')",
  "Deno.readTextFileSync(s + '/absolute/hostname')",
  "Deno.readTextFileSync(s + '/proc/hostname')",
  "Deno.readTextFileSync(s + '/loop')",
  "[...Deno.readDirSync(s + '/directory')]",
  "Deno.statSync(s + '/file').size",
  "Deno.realPathSync(s + '/file')",
  "(await Deno.open(s + '/file')).close()",
  "(await import('node:fs')).readFileSync(s + '/file', 'utf8')",
  "await (await import('node:fs/promises')).readFile(s + '/directory/secret.txt')",
  "Deno.copyFileSync(s + '/file', s + '/copy')",
  "(await import('node:fs')).cpSync(s + '/directory', s + '/copies', { recursive: true, dereference: true })",
  "await import(s + '/code' + '.ts')",
  "(await import(s + '/file', { with: { type: 'text' } })).default",
  "Deno.writeTextFileSync(s + '/victim', 'overwritten')",
  "Deno.writeTextFileSync(s + '/directory/victim.txt', 'overwritten')",
  "Deno.writeTextFileSync(s + '/directory/new.txt', 'new')",
  "Deno.writeTextFileSync(s + '/dangling', 'new')",
  "Deno.mkdirSync(s + '/directory/new')",
  "Deno.truncateSync(s + '/victim')",
  "Deno.chmodSync(s + '/victim', 0o777)",
  "Deno.utimeSync(s + '/victim', 0, 0)",
  "Deno.renameSync(s + '/sub/real.txt', s + '/directory/new.txt')",
  "Deno.renameSync(s + '/directory/victim.txt', s + '/taken')",
  "Deno.linkSync(s + '/directory/secret.txt', s + '/hard')",
  "Deno.symlinkSync('/etc', s + '/own')",
  "(await import('node:fs')).symlinkSync('/etc', s + '/own')",
  "Deno.removeSync(s + '/directory/victim.txt')",
  "Deno.makeTempFileSync({ dir: s + '/directory' })",
  "Deno.makeTempFileSync()",
  // Within the workspace, it may write to its source only.
  "Deno.writeTextFileSync(s + '/near', 'overwritten')",
  "Deno.writeTextFileSync(s + '/../triggers.kept', 'overwritten')",
];

/** Accesses that still work, with their output. */
const WORKS: [body: string, printed: string][] = [
  ["Deno.readTextFileSync(s + '/good').trim()", "inside"],
  ["Deno.readTextFileSync(s + '/gooddirectory/real.txt').trim()", "inside"],
  ["Deno.readTextFileSync(s + '/near')", "original"],
  ["Deno.writeTextFileSync(s + '/fresh', 'x') ?? 'written'", "written"],
  ["Deno.mkdirSync(s + '/x/y', { recursive: true }) ?? 'made'", "made"],
  ["Deno.renameSync(s + '/fresh', s + '/x/y/fresh') ?? 'moved'", "moved"],
  ["Deno.removeSync(s + '/x', { recursive: true }) ?? 'removed'", "removed"],
  ["(await import('./part' + '.ts')).word", "part"],
  ["(await import('node:fs')).existsSync(s + '/good')", "true"],
];

/** A plugin that tries several accesses, and prints the result of each. */
function explorer(hook: string): string {
  return `export const manifest = { permissions: {
      read: ["$JOB_DIR", "$PLUGIN_DIR"], write: ["$SOURCE_DIR"] } };
    export default { name: "explorer", async ${hook}({ log, sourcePath: s, env }) {
      ${
    ESCAPES.map((body, at) =>
      `try { log("got ${at} " + JSON.stringify(${body})); }
       catch (error) { log("refused ${at}"); }`
    ).join("\n")
  }
      ${
    WORKS.map(([body], at) =>
      `try { log("works ${at} " + (${body})); }
       catch (error) { log("broken ${at} " + error); }`
    ).join("\n")
  }
    } };`;
}

async function explore(
  hook: string,
  options: ZooOptions = {},
): Promise<string> {
  const { stderr } = await runZoo({
    "explorer.ts": explorer(hook),
  }, {
    plugins: { permissions: { explorer: { write: ["$SOURCE_DIR"] } } },
    ...options,
    files: {
      ...OUTSIDE,
      "plugins/part.ts": `export const word = "part";`,
      "source/keep": "",
      ...options.files,
    },
    source: { type: "copy", url: "source" },
    async inspect(path) {
      const entries = await Array.fromAsync(Deno.readDir(`${path}/outside`));
      const names = entries.map(({ name }) => name).sort();
      assertEquals(names, ["code.ts", "deep", "secret.txt", "victim.txt"]);
      for (const file of ["outside/victim.txt", "job/triggers.kept"]) {
        assertEquals(await Deno.readTextFile(`${path}/${file}`), "original");
      }
      const { mode, mtime } = await Deno.stat(`${path}/outside/victim.txt`);
      assert((mode! & 0o777) !== 0o777 && mtime!.getTime() > 0);
    },
  });
  return stderr;
}

function check(stderr: string): void {
  assert(!stderr.includes(SECRET), stderr);
  ESCAPES.forEach((body, at) =>
    assertStringIncludes(stderr, `refused ${at}\n`, body)
  );
  WORKS.forEach(([body, printed], at) =>
    assertStringIncludes(stderr, `works ${at} ${printed}\n`, body)
  );
}

Deno.test("a link that a job creates gives a plugin no access outside its paths", async () => {
  check(await explore("postExecution", { command: LINKS }));
});

Deno.test("a link in the source gives a plugin no access outside its paths", async () => {
  await using folder = await temporaryDirectory();
  await makeFiles(folder.path, { "source/keep": "" });
  const { success } = await new Deno.Command("/bin/sh", {
    args: ["-c", LINKS],
    cwd: `${folder.path}/source`,
    env: { PATH: "/usr/bin:/bin" },
  }).output();
  assert(success);
  const files: Record<string, string> = { "source/sub/real.txt": "inside" };
  for (
    const name of [
      ...["file", "directory", "chain", "dangling", "proc", "victim", "near"],
      ...["code.ts", "loop", "good", "gooddirectory", "a/b/up", "absolute"],
    ]
  ) {
    const target = await Deno.readLink(`${folder.path}/source/${name}`);
    files[`source/${name}`] = `-> ${target}`;
  }
  check(await explore("preExecution", { files }));
});

Deno.test("a link that replaces a permitted directory gives no access", async () => {
  for (
    const command of [
      "cd .. && mv src old && ln -s ../outside src",
      "cd ../.. && mv job old && ln -s outside job && mkdir job/src",
    ]
  ) {
    const { stderr } = await runZoo({
      "x.ts": `export const manifest = { permissions: {
          read: ["$SOURCE_DIR"], write: ["$SOURCE_DIR"] } };
        export default { name: "x", cleanup({ log, sourcePath: s }) {
          for (const path of [s + "/secret.txt", s + "/../secret.txt"]) {
            try { log(Deno.readTextFileSync(path)); }
            catch (error) { log("refused " + error.message); }
          }
          try { Deno.writeTextFileSync(s + "/victim.txt", "overwritten"); }
          catch (error) { log("refused " + error.message); }
        } };`,
    }, {
      command,
      files: { ...OUTSIDE, "source/keep": "" },
      source: { type: "copy", url: "source" },
      plugins: {
        permissions: {
          x: { read: ["$SOURCE_DIR"], write: ["$SOURCE_DIR"] },
        },
      },
      async inspect(path) {
        const victim = await Deno.readTextFile(`${path}/outside/victim.txt`);
        assertEquals(victim, "original");
      },
    });
    assert(!stderr.includes(SECRET), stderr);
    assertEquals(stderr.match(/\[plugin:x\] refused/g)?.length, 3, stderr);
  }
});

Deno.test("permissions of other kinds apply along with those for paths", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  const accepted: Promise<void>[] = [];
  const serve = async () => {
    for await (const connection of server) connection.close();
  };
  accepted.push(serve().catch(() => {}));
  const { stderr } = await runZoo({
    "x.ts": `export const manifest = { permissions: {
        read: ["$JOB_DIR"], env: ["ROOM", "PRE_*"], sys: ["hostname"],
        net: ["127.0.0.0/8", "localhost"] } };
      export default { name: "x", async preExecution({ log }) {
        const tries = {
          room: () => Deno.env.get("ROOM"),
          pre: () => Deno.env.get("PRE_X"),
          path: () => Deno.env.get("PATH"),
          all: () => Deno.env.toObject(),
          host: () => Deno.hostname() && "host",
          release: () => Deno.osRelease(),
          connect: async () => (await Deno.connect({ hostname: "127.0.0.1", port: ${port} })).close(),
          listen: () => Deno.listen({ hostname: "0.0.0.0", port: 0 }).close(),
          other: async () => (await Deno.connect({ hostname: "10.0.0.1", port: 9 })).close(),
          run: () => new Deno.Command("id").outputSync(),
          ffi: () => Deno.dlopen("libc.so.6", {}),
          kill: () => Deno.kill(Deno.ppid, "SIGTERM"),
        };
        for (const [name, act] of Object.entries(tries)) {
          try { log(name + ": " + (await act() ?? "allowed")); }
          catch { log(name + ": refused"); }
        }
      } };`,
  }, {
    hostEnv: { ROOM: "a", PRE_X: "b" },
    plugins: {
      permissions: {
        x: {
          env: ["ROOM", "PRE_*"],
          sys: ["hostname"],
          net: ["127.0.0.0/8", "localhost"],
        },
      },
    },
  });
  server.close();
  await Promise.all(accepted);
  const said = [...stderr.matchAll(/^\[plugin:x\] (.*)$/gm)].map(([, it]) =>
    it
  );
  assertEquals(said, [
    "room: a",
    "pre: b",
    "path: refused",
    "all: refused",
    "host: host",
    "release: refused",
    "connect: allowed",
    "listen: refused",
    "other: refused",
    "run: refused",
    "ffi: refused",
    "kill: refused",
  ]);
});

Deno.test("temporary files are created only with permission for their directory", async () => {
  await using folder = await temporaryDirectory();
  for (const granted of [folder.path, `${folder.path}/below`]) {
    const { stderr } = await runZoo({
      "x.ts": `export const manifest = { permissions: {
          env: ["TMPDIR"], write: [${JSON.stringify(granted)}] } };
        export default { name: "x", cleanup({ log }) {
          try { Deno.removeSync(Deno.makeTempFileSync()); log("made"); }
          catch { log("refused"); }
        } };`,
    }, {
      hostEnv: { TMPDIR: folder.path },
      plugins: { permissions: { x: { env: ["TMPDIR"], write: [granted] } } },
    });
    const said = granted === folder.path ? "made" : "refused";
    assertStringIncludes(stderr, `[plugin:x] ${said}\n`);
  }
});

Deno.test("isInRange() compares addresses, and never names", () => {
  const cases: [string, string, boolean][] = [
    ["10.0.0.0/8", "10.255.0.1:80", true],
    ["10.0.0.0/8", "11.0.0.1:80", false],
    ["10.0.0.0/0", "11.0.0.1", true],
    ["10.1.2.128/25", "10.1.2.127", false],
    ["10.1.2.128/25", "10.1.2.129", true],
    ["[fd00::]/8", "[fdff::1]:80", true],
    ["[fd00::]/8", "[fe00::1]:80", false],
    ["[::]/0", "10.0.0.1", false],
    ["[::1]/128", "[0:0:0:0:0:0:0:1]", true],
    ["10.0.0.0/8", "10.0.0.1.example.com", false],
    ["10.0.0.0/8", "localhost", false],
  ];
  for (const [range, host, expected] of cases) {
    assertEquals(isInRange(range, host), expected, `${range} ${host}`);
  }
});

Deno.test("openAccessPolicy() denies unknown kinds of access", async () => {
  await using folder = await temporaryDirectory();
  const policy = await openAccessPolicy({
    permissions: {
      read: [folder.path],
      env: ["A*"],
      steps: ["*"],
      config: ["*"],
    },
    workspace: `${folder.path}/job`,
    temporary: "/tmp",
  });
  const allowed = [
    ["read", `${folder.path}/x`],
    ["read", `${folder.path}/job/../x`],
    ["env", "AB"],
  ];
  for (const [permission, value] of allowed) {
    assertEquals(await policy({ permission, value }), undefined, value);
  }
  const refused: [string, string | null][] = [
    ["read", null],
    ["read", "/etc"],
    ["read", `${folder.path}x`],
    ["read", "relative"],
    ["read", ""],
    ["read", "<CWD>"],
    ["write", `${folder.path}/x`],
    ["write", "<TMP>"],
    ["env", null],
    ["env", "B"],
    ["ffi", "x"],
    ["run", null],
    ["hrtime", null],
    ["__proto__", "x"],
  ];
  for (const [permission, value] of refused) {
    const reason = await policy({ permission, value });
    assertEquals(typeof reason, "string", `${permission} ${value}`);
  }
});
