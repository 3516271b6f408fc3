import { assertEquals, assertMatch } from "@std/assert";
import { confinedCommand } from "../../src/process/sandbox/confined_command.ts";
import { findConfinement } from "../../src/plugins/sandbox/start_plugin.ts";
import { findOnPath } from "../../src/plugins/sandbox/find_deno.ts";
import { BARE_ENV } from "../helpers/running.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Tries to get out through links, with all permissions of Deno. */
const PROGRAM = `
  const tries = {
    read: () => Deno.readTextFileSync("job/link"),
    list: () => [...Deno.readDirSync("job/directory")].length,
    write: () => Deno.writeTextFileSync("job/victim", "overwritten"),
    create: () => Deno.writeTextFileSync("job/directory/new", "new"),
    remove: () => Deno.removeSync("job/directory/victim.txt"),
    move: () => Deno.renameSync("job/file", "job/directory/file"),
    system: () => Deno.readTextFileSync("/etc/passwd"),
    runner: () => Deno.readTextFileSync("/proc/" + Deno.ppid + "/environ"),
    inside: () => Deno.readTextFileSync("job/file"),
    make: () => Deno.mkdirSync("job/made") ?? "made",
    rename: () => Deno.renameSync("job/file", "job/made/file") ?? "renamed",
    variable: () => Deno.env.get("ADDED"),
    name: () => Deno.resolveDns ? "name" : "",
  };
  const said = {};
  for (const [name, act] of Object.entries(tries)) {
    try { said[name] = String(act()); }
    catch (error) { said[name] = error.name; }
  }
  console.log(JSON.stringify(said));
`;

for (const launcher of ["perl", "deno"]) {
  Deno.test(
    `confinedCommand() by ${launcher} has the kernel refuse what a link leads to`,
    {
      ignore: Deno.build.os !== "linux",
    },
    async () => {
      const perl = await findOnPath("perl", BARE_ENV);
      // Without Perl, only the other test applies.
      if (launcher === "deno" || perl !== undefined) {
        await checkConfinement(launcher === "perl" ? perl : undefined);
      }
    },
  );
}

async function checkConfinement(perl: string | undefined): Promise<void> {
  await using folder = await temporaryDirectory();
  const { path } = folder;
  await makeFiles(path, {
    "outside/secret.txt": "secret",
    "outside/victim.txt": "original",
    "job/file": "inside",
    "job/link": "-> ../outside/secret.txt",
    "job/directory": "-> ../outside",
    "job/victim": "-> ../outside/victim.txt",
    "home/x": "",
  });
  const env = { ...BARE_ENV, HOME: `${path}/home` };
  const deno = Deno.execPath();
  const confinement = await findConfinement({
    permissions: { read: [`${path}/job/src`], write: [`${path}/job/src`] },
    workspace: `${path}/job`,
    needed: [deno],
    env,
  });
  const program = `data:text/javascript,${encodeURIComponent(PROGRAM)}`;
  const [command, ...args] = confinedCommand(
    [deno, "run", "--quiet", "--no-config", "--no-lock", "-A", program],
    { ...confinement, env: { ADDED: "added=\n1" } },
    { deno, perl },
  );
  const { stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: path,
    env,
    clearEnv: true,
  }).output();
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  const text = new TextDecoder().decode(stderr);
  const said = JSON.parse(lines.at(-1)!);
  const works = { inside: "inside", make: "made", rename: "renamed" };
  if (lines.length > 1) {
    // This kernel does not support it: the program runs after a warning.
    assertMatch(lines[0], /^\{"type":"unconfined","message":".*Landlock/);
    assertEquals([said.inside, said.variable], ["inside", "added=\n1"], text);
    return;
  }
  assertEquals(said, {
    read: "PermissionDenied",
    list: "PermissionDenied",
    write: "PermissionDenied",
    create: "PermissionDenied",
    remove: "PermissionDenied",
    move: said.move,
    system: "PermissionDenied",
    runner: "PermissionDenied",
    ...works,
    variable: "added=\n1",
    name: "name",
  }, text);
  // Between directories with different permissions, Linux reports another error.
  assertMatch(said.move, /^(?:PermissionDenied|Error)$/);
  const victim = await Deno.readTextFile(`${path}/outside/victim.txt`);
  assertEquals(victim, "original");
}

Deno.test("findConfinement() returns existing paths, and the whole workspace", async () => {
  await using folder = await temporaryDirectory();
  const { path } = folder;
  await makeFiles(path, { "job/src/a": "", "other/b": "" });
  const { read, write } = await findConfinement({
    permissions: {
      read: [`${path}/job/src/deep`, `${path}/other/b`],
      write: [`${path}/other/c/d`, "*"],
    },
    workspace: `${path}/job`,
    needed: ["/needed"],
    env: { DENO_DIR: `${path}/cache`, DENO_CERT: "/cert.pem" },
  });
  for (
    const expected of [
      ...[`${path}/job`, `${path}/other/b`, `${path}/cache`],
      ...["/needed", "/cert.pem"],
    ]
  ) {
    assertEquals(read.includes(expected), true, expected);
  }
  assertEquals(read.includes(`${path}/job/src`), false);
  assertEquals(write, [`${path}/cache`, "/dev/null", `${path}/other`, "/"]);
});
