import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runCli, startCli } from "../helpers/cli.ts";
import { measureCli, type Measured, shellHash } from "../helpers/measured.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "correct-horse-battery";

describe("runnerlib run masks", () => {
  it("a secret that is written byte by byte, with pauses", async () => {
    await using directory = await temporaryDirectory();
    const bytes = [...`<${SECRET}>`].map((c) => `printf %s '${c}'; sleep 0.02`);
    const { stdout } = await runCli(
      ["run", "--job-command", bytes.join("; ")],
      {
        cwd: directory.path,
        env: { REACTORCIDE_SECRET_VALUES_LIST: SECRET },
      },
    );
    assertEquals(stdout, "<[REDACTED]>");
  });

  it("a secret whose halves are far apart in time", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using cli = startCli([
      "run",
      "--job-command",
      `printf 'begin correct-horse'; printf . > half; until [ -e go ]; do sleep 0.01; done; printf -- '-battery end'`,
    ], { cwd: path, env: { REACTORCIDE_SECRET_VALUES_LIST: SECRET } });
    await cli.sees("begin ");
    assertEquals(cli.stdout, "begin ");
    await makeFiles(path, { "go": "" });
    const { stdout } = await cli.end();
    assertEquals(stdout, "begin [REDACTED] end");
  });

  it("no text that only looks like the start of a secret", async () => {
    await using directory = await temporaryDirectory();
    const { stdout } = await runCli(
      ["run", "--job-command", "printf correct-; printf horse-; printf x"],
      {
        cwd: directory.path,
        env: { REACTORCIDE_SECRET_VALUES_LIST: SECRET },
      },
    );
    assertEquals(stdout, "correct-horse-x");
  });

  it("both streams, the command line and the coordinator's token", async () => {
    await using directory = await temporaryDirectory();
    const { stdout, stderr } = await runCli([
      ...["run", "--stderr", "separate", "--job-command"],
      `echo ${SECRET}; echo ${SECRET} >&2; echo $REACTORCIDE_API_TOKEN`,
    ], {
      cwd: directory.path,
      env: {
        REACTORCIDE_SECRET_ENV_NAMES: "HIDDEN",
        HIDDEN: SECRET,
        REACTORCIDE_API_TOKEN: "0123456789abcdef",
      },
    });
    assertEquals(stdout, "[REDACTED]\n[REDACTED]\n");
    assertStringIncludes(stderr, "$ echo [REDACTED]; echo [REDACTED] >&2");
    assertNotEquals(stderr.indexOf("[REDACTED]\n"), -1);
    assertEquals((stdout + stderr).includes(SECRET), false);
  });

  it("every job variable if none is declared secret", async () => {
    await using directory = await temporaryDirectory();
    const args = [
      "run",
      "--job-env",
      "A=alpha-value\nDEBUG=true",
      "--job-command",
      "echo $A $DEBUG",
    ];
    const plain = await runCli(args, { cwd: directory.path });
    assertEquals(plain.stdout, "[REDACTED] true\n");
    const said = await runCli([...args, "--secret-env-names", ""], {
      cwd: directory.path,
    });
    assertEquals(said.stdout, "alpha-value true\n");
  });

  it("and warns about values that are too short", async () => {
    await using directory = await temporaryDirectory();
    const { stdout, stderr } = await runCli(
      [
        "run",
        "--job-env",
        "PIN=12",
        "--secret-env-names",
        "PIN",
        "--job-command",
        "echo $PIN",
      ],
      { cwd: directory.path },
    );
    assertEquals(stdout, "12\n");
    assertStringIncludes(stderr, "PIN is too short to mask");
  });

  it("a secret in the message of an error", async () => {
    await using directory = await temporaryDirectory();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("", { status: 404 }),
    );
    const place = `127.0.0.1:${server.addr.port}/x`;
    const { code, stderr } = await runCli([
      ...["run", "--git-url", `http://user:${SECRET}@${place}`, "--", "true"],
    ], { cwd: directory.path });
    assertEquals(code, 1);
    assertStringIncludes(stderr, place);
    assertEquals(stderr.includes(SECRET), false, stderr);
  });
});

describe("runnerlib run passes through unchanged", () => {
  it("256 MiB without a line break, in under 100 MiB of memory", async () => {
    const bytes = 256 * 1024 * 1024;
    const { hash, peakMiB } = await passThrough(
      `head -c ${bytes} /dev/zero | tr '\\0' x`,
    );
    const expected = await shellHash(`head -c ${bytes} /dev/zero | tr '\\0' x`);
    assertEquals(hash, expected);
    assertEquals(peakMiB < 100, true, `${peakMiB} MiB`);
  });

  it("a log with invalid UTF-8 in every line", async () => {
    const command =
      `i=0; while [ $i -lt 2000 ]; do printf 'line %d \\377\\200\\303( \\0 end\\n' $i; i=$((i+1)); done`;
    const { hash } = await passThrough(command);
    assertEquals(hash, await shellHash(command));
  });
});

async function passThrough(command: string): Promise<Measured> {
  await using directory = await temporaryDirectory();
  return await measureCli(["run", "--job-command", command], directory.path, {
    REACTORCIDE_SECRET_VALUES_LIST: SECRET,
  });
}
