import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, cliEnv, runCli } from "../helpers/cli.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import {
  type TestRegistration,
  testRegistration,
} from "../helpers/registration.ts";

const SECRET = "correct-horse-battery";

describe("runnerlib register-secret", () => {
  it("registers its arguments", async () => {
    await using registration = await testRegistration();
    const result = await register(registration, [SECRET, " kept ", "42"]);
    assertEquals(result, [0, "Registered 3 secrets\n", ""]);
    assertEquals(registration.values, [SECRET, " kept ", "42"]);
  });

  it("registers the lines of standard input, trimmed and without blank ones", async () => {
    await using registration = await testRegistration();
    const input = "  one \r\n\n\t\ntwo words\nzwölf";
    const result = await register(registration, ["-"], input);
    assertEquals(result, [0, "Registered 3 secrets\n", ""]);
    assertEquals(registration.values, ["one", "two words", "zwölf"]);
  });

  it("registers arguments in addition to standard input, even if they look like options", async () => {
    await using registration = await testRegistration();
    const result = await register(
      registration,
      ["before", "-", "--", "--socket", "-"],
      "between\n",
    );
    assertEquals(result, [0, "Registered 4 secrets\n", ""]);
    assertEquals(
      registration.values.toSorted(),
      ["before", "between", "--socket", "-"].toSorted(),
    );
  });

  it("uses the socket of --socket", async () => {
    await using registration = await testRegistration();
    const result = await register(undefined, [
      ...["--socket", registration.path],
      SECRET,
    ]);
    assertEquals(result, [0, "Registered 1 secret\n", ""]);
    assertEquals(registration.values, [SECRET]);
  });

  it("exits with 0 if there is nothing to register", async () => {
    await using registration = await testRegistration();
    for (const [args, input] of [[["-"], " \n\n"], [["-"], ""], [[""], ""]]) {
      const [code, stdout, stderr] = await register(
        registration,
        args as string[],
        input as string,
      );
      assertEquals([code, stdout], [0, ""]);
      assertStringIncludes(stderr, "Nothing to register");
    }
    assertEquals(registration.values, []);
  });

  it("exits with 1 if the socket is unknown", async () => {
    const [code, stdout, stderr] = await register(undefined, [SECRET]);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(
      stderr,
      "neither --socket nor REACTORCIDE_SECRETS_SOCKET is set",
    );
    assertEquals(stderr.includes(SECRET), false);
  });

  it("exits with 1 and shows no value if registering fails", async () => {
    await using registration = await testRegistration({
      onRegister() {
        throw new Error(SECRET);
      },
    });
    const failed = await register(registration, ["-"], SECRET);
    assertEquals(failed, [
      1,
      "",
      `[runnerlib] error: Cannot register secrets at "${registration.path}": closed without an answer\n`,
    ]);
    await registration.close();
    // Not even where the path of the socket holds it.
    const [code, stdout, stderr] = await register(
      undefined,
      [...["--socket", `/nowhere/${SECRET}`], SECRET],
    );
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, `"/nowhere/[REDACTED]"`);
  });

  it("exits with 1 if standard input is not text", async () => {
    await using registration = await testRegistration();
    const [code, stdout, stderr] = await register(
      registration,
      ["-"],
      Uint8Array.of(0x61, 0x62, 0x63, 0x64, 0xff, 0x0a),
    );
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "Cannot read secrets from standard input");
    assertEquals([stderr.includes("abcd"), registration.values], [false, []]);
  });

  it("exits with 2 and shows nothing if a secret looks like an option", async () => {
    await using registration = await testRegistration();
    for (const typed of ["-s3cr3t", "--s3cr3t", "--s3cr3t=x", "--no-s3cr3t"]) {
      const [code, stdout, stderr] = await register(registration, [typed]);
      assertEquals([code, stdout], [2, ""]);
      assertEquals(stderr.includes("s3cr3t"), false, stderr);
    }
    assertEquals(registration.values, []);
  });

  it("exits with 2 without a secret", async () => {
    await using registration = await testRegistration();
    const [code, stdout, stderr] = await register(registration, []);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "A secret is required");
  });
});

describe("runnerlib run", () => {
  it("masks secrets that its command registered, and removes the socket", async () => {
    await using directory = await temporaryDirectory();
    const runnerlib = `"${Deno.execPath()}" run -A --no-check "${CLI}"`;
    const lines = [
      `half=correct-horse; printf "before $half-battery\\n"`,
      `printf "$half-battery\\n" | ${runnerlib} register-secret -`,
      `printf "after $half-battery\\n"`,
      `ls -ld "$REACTORCIDE_SECRETS_SOCKET" | cut -c1-10`,
    ];
    const { code, stdout, stderr } = await runCli(
      ["run", "--job-command", lines.join("\n")],
      { cwd: directory.path, env: { TMPDIR: directory.path } },
    );
    assertEquals([code, stdout], [
      0,
      `before ${SECRET}\nRegistered 1 secret\nafter [REDACTED]\nsrw-------\n`,
    ], stderr);
    assertEquals(await listFiles(directory.path), {});
  });
});

async function register(
  registration: TestRegistration | undefined,
  args: string[],
  input: string | Uint8Array = "",
): Promise<[code: number, stdout: string, stderr: string]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CLI, "register-secret", ...args],
    clearEnv: true,
    env: cliEnv(
      registration && { REACTORCIDE_SECRETS_SOCKET: registration.path },
    ),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const bytes = typeof input === "string"
    ? new TextEncoder().encode(input)
    : input;
  // A command that does not read its input may have ended by now.
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return [code, decoder.decode(stdout), decoder.decode(stderr)];
}
