import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, cliEnv, runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib doctor", () => {
  it("reports versions, and exits with 0 if nothing is missing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { code, stdout, stderr } = await runCli(
      ["doctor", "--source-type", "git"],
      { cwd: path, env: { PATH: await fakePrograms(directory) } },
    );
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^runnerlib \d.*, deno 2\./);
    assertMatch(stdout, /^ {2}ok +laptop +\/.*\/job +will be created$/m);
    assertMatch(stdout, /^ {2}ok +git +9\.8\.7 +git sources/m);
    assertMatch(
      stdout,
      /^ {2}(?:ok +untrusted steps +(?:PID(?: and mount)? namespace|tags) +their processes end with them|missing +untrusted steps +tags +their processes may outlive them: )/m,
    );
    assertMatch(stdout, /^ {2}missing +hg +Mercurial sources/m);
    assertMatch(stdout, /^ {2}ok +run +all +commands of jobs/m);
  });

  it("exits with 1 if a job with this configuration lacks something", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": "source: { type: hg, url: x }\n" });
    const { code, stdout } = await runCli(
      ["doctor", "--job-file", "job.yaml"],
      {
        cwd: path,
        env: { PATH: await fakePrograms(directory) },
      },
    );
    assertEquals(code, 1);
    assertMatch(stdout, /^ {2}needed +hg +Mercurial sources/m);
  });

  it("reports a container engine that does not respond as missing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "bin/docker":
        '#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 1.2.3" || exit 1\n',
      "bin/podman": "#!/bin/sh\necho podman version 4.5.6\n",
    });
    for (const name of ["docker", "podman"]) {
      await Deno.chmod(`${path}/bin/${name}`, 0o755);
    }
    const { stdout } = await runCli(["doctor", "--json"], {
      cwd: path,
      env: { PATH: `${path}/bin:${Deno.env.get("PATH")}` },
    });
    const { findings } = JSON.parse(stdout);
    const found = (wanted: string) => {
      const { state, detail } = findings.find((
        { name }: { name: string },
      ) => name === wanted);
      return [state, detail];
    };
    assertEquals(found("docker"), [
      "missing",
      "1.2.3, its engine does not respond",
    ]);
    assertEquals(found("podman"), ["ok", "4.5.6"]);
  });

  it("exits with 1 if the workspace cannot be created", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { job: "" });
    const { code, stdout } = await runCli(["doctor"], { cwd: path });
    assertEquals(code, 1);
    assertMatch(
      stdout,
      /^ {2}needed +laptop +\S+ +cannot .*: not a directory$/m,
    );
  });

  it("does not report missing permissions that are not needed", async () => {
    await using directory = await temporaryDirectory();
    const kinds = ["read", "write", "run", "env", "net"];
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--no-check"],
        ...kinds.map((kind) => `--allow-${kind}`),
        ...[CLI, "doctor"],
      ],
      cwd: directory.path,
      clearEnv: true,
      env: cliEnv(),
    }).output();
    const [, found = ""] = new TextDecoder().decode(stdout).split(
      "\nPermissions:\n",
    );
    const rows = found.trim().split("\n").map((row) => row.trim().split(/ +/));
    assertEquals(
      rows.map(([state, kind]) => [state, kind]),
      kinds.map((kind) => ["ok", kind]),
    );
  });

  it("prints the same as a JSON document with --json", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runMain(["doctor", "--json"], {
      cwd: directory.path,
      env: { PATH: await fakePrograms(directory) },
    });
    const { runnerlib, findings } = JSON.parse(stdout);
    assertMatch(runnerlib, /^\d+\.\d+\.\d+/);
    const git = findings.find(({ name }: { name: string }) => name === "git");
    assertEquals(git, {
      section: "Programs",
      state: "ok",
      name: "git",
      detail: "9.8.7",
      purpose: "git sources, runnerlib git",
    });
    const isNeeded = findings
      .some(({ state }: { state: string }) => state === "needed");
    assertEquals(code, isNeeded ? 1 : 0);
  });

  it("shows no values of variables, and no output of programs", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { stdout, stderr } = await runCli(["doctor"], {
      cwd: path,
      env: {
        PATH: await fakePrograms(directory),
        REACTORCIDE_API_TOKEN: "hunter2hunter2",
        REACTORCIDE_SOURCE_TYPE: "git",
        REACTORCIDE_SOURCE_URL: "https://u:hunter2hunter2@example.com/r.git",
      },
    });
    assertEquals((stdout + stderr).includes("hunter2"), false);
  });
});

/** Creates a git that prints its version and all variables. */
async function fakePrograms({ path }: TemporaryDirectory): Promise<string> {
  await makeFiles(path, {
    "bin/git": "#!/bin/sh\necho git version 9.8.7\nexport -p\n",
  });
  await Deno.chmod(`${path}/bin/git`, 0o755);
  return `${path}/bin`;
}
