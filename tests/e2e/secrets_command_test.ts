import { assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { CLI, cliEnv, type CliResult } from "../helpers/cli.ts";
import { soon, until } from "../helpers/soon.ts";
import {
  exists,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PASSWORD = "correct horse battery";

/** A shell in which the command line is `secrets`, and the store is below the directory. */
function shell(
  script: string,
  cwd: string,
  env: Record<string, string> = { REACTORCIDE_SECRETS_PASSWORD: PASSWORD },
): Deno.Command {
  const deno = `"${Deno.execPath()}" run -A --no-check "${CLI}"`;
  return new Deno.Command("bash", {
    args: ["-c", `secrets() { ${deno} secrets "$@"; }\n${script}`],
    cwd,
    clearEnv: true,
    env: cliEnv({ XDG_CONFIG_HOME: `${cwd}/config`, ...env }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a script to its end, with nothing on standard input. */
async function run(
  ...args: Parameters<typeof shell>
): Promise<CliResult> {
  const child = shell(...args).spawn();
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((item) =>
    new TextDecoder().decode(item)
  );
  return { code, stdout: out, stderr: err };
}

/** An empty store, which is created once: its key takes a second to derive. */
let template: TemporaryDirectory;

/** Returns a directory whose store is empty. */
async function directoryWithStore(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory();
  const { success } = await new Deno.Command("cp", {
    args: ["-a", `${template.path}/config`, directory.path],
  }).output();
  assertEquals(success, true);
  return directory;
}

describe("runnerlib secrets", () => {
  beforeAll(async () => {
    template = await temporaryDirectory();
    assertEquals((await run("secrets init", template.path)).code, 0);
  });
  afterAll(async () => await template[Symbol.asyncDispose]());

  it("stores what is piped in, and prints it byte by byte", async () => {
    await using directory = await directoryWithStore();
    const { path } = directory;
    await makeFiles(path, {
      "key": "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n",
    });
    const { code, stdout, stderr } = await run(
      `set -e
      echo 'hunter2 ä $x' | secrets set demo/app TOKEN
      secrets set demo/app KEY < key
      secrets get demo/app TOKEN > token.out
      secrets get demo/app KEY | cmp - key
      secrets delete demo/app TOKEN
      secrets list
      secrets list demo/app`,
      path,
    );
    assertEquals(
      [code, stdout, stderr],
      [0, "demo/app\nKEY\n", ""],
    );
    assertEquals(await Deno.readTextFile(`${path}/token.out`), "hunter2 ä $x");
    const store = `${path}/config/reactorcide/secrets`;
    const modes = ["", "/.salt", "/secrets.enc"]
      .map((name) => Deno.statSync(store + name).mode! & 0o7777);
    assertEquals(modes, [0o700, 0o600, 0o600]);
  });

  it("takes the password from a file descriptor", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await run(
      `set -e
      printf '%s\\nmore\\n' '${PASSWORD}' > password
      secrets init --password-fd 3 3< password
      echo value | secrets set a b --password-fd 5 5< <(cat password)
      secrets get a b --password-fd 0 < password
      REACTORCIDE_SECRETS_PASSWORD='${PASSWORD}' secrets list`,
      directory.path,
      {},
    );
    assertEquals([code, stdout, stderr], [0, "valuea\n", ""]);
  });
});

Deno.test("runnerlib secrets refuses file descriptors without a password", async () => {
  await using directory = await temporaryDirectory();
  const uses: [script: string, message: string][] = [
    ["secrets init --password-fd 99", "Cannot read the password from file"],
    ["secrets init --password-fd 4 4< /dev/null", "no line of text"],
    ["secrets init --password-fd 4 4< /bin/sh", "no line of text"],
  ];
  const scripts = uses.map(([script]) => `(${script}); echo $? >&2`);
  const { stdout, stderr } = await run(
    scripts.join("\n"),
    directory.path,
    {},
  );
  assertEquals(stdout, "");
  const printed = stderr.split(/^2\n/m);
  for (const [at, [script, message]] of uses.entries()) {
    assertStringIncludes(printed[at], message, script);
  }
  assertEquals(await exists(`${directory.path}/config`), false);
});

Deno.test({
  name: "runnerlib secrets prompts on a terminal without echo",
  ignore: !hasScript(),
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const made = await atTerminal("init", path, [
      ["Password:", `${PASSWORD}\n`],
      ["Again:", `${PASSWORD}\n`],
    ]);
    assertEquals([made.code, made.stdout], [0, "Password: \r\nAgain: \r\n"]);
    const set = await atTerminal("set a b", path, [
      ["Secret:", "hunter2\n"],
      ["Password:", `${PASSWORD}\n`],
    ]);
    assertEquals([set.code, set.stdout], [0, "Secret: \r\nPassword: \r\n"]);
    const { stdout } = await run("secrets get a b", path);
    assertEquals(stdout, "hunter2");
  },
});

Deno.test({
  name: "runnerlib secrets init creates no store if the two passwords differ",
  ignore: !hasScript(),
  async fn() {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await atTerminal("init", directory.path, [
      ["Password:", "one-password\n"],
      ["Again:", "another-password\n"],
    ]);
    assertEquals(code, 2);
    assertStringIncludes(stdout, "The two passwords differ");
    assertEquals(await exists(`${directory.path}/config`), false);
  },
});

function hasScript(): boolean {
  const { code, stdout } = new Deno.Command("sh", {
    args: ["-c", "script --version"],
    stdout: "piped",
    stderr: "null",
  }).outputSync();
  return code === 0 && new TextDecoder().decode(stdout).includes("util-linux");
}

/** Checks whether the terminal that a file names echoes input. */
function showsInput(file: string): boolean {
  const { stdout } = new Deno.Command("stty", {
    args: ["-a", "-F", Deno.readTextFileSync(file).trim()],
  }).outputSync();
  return / icanon /.test(new TextDecoder().decode(stdout));
}

/** Runs the command line on its own terminal, and answers its prompts. */
async function atTerminal(
  args: string,
  cwd: string,
  answers: [question: string, answer: string][],
): Promise<CliResult> {
  const deno = `${Deno.execPath()} run -A --no-check ${CLI}`;
  const child = shell(
    `exec script -qec 'tty > tty; ${deno} secrets ${args}' /dev/null`,
    cwd,
    {},
  ).spawn();
  const writer = child.stdin.getWriter();
  let stdout = "";
  const talking = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      stdout += decoder.decode(bytes, { stream: true });
      const [next] = answers;
      if (next === undefined || !stdout.includes(next[0])) continue;
      answers.shift();
      // The prompt appears before echo is switched off.
      await until(() => !showsInput(`${cwd}/tty`), "a silent terminal");
      await writer.write(new TextEncoder().encode(next[1]));
    }
  })();
  const { code } = await soon(child.status, "the end of the command line");
  await talking;
  await writer.abort().catch(() => {});
  const stderr = await new Response(child.stderr).text();
  return { code, stdout, stderr };
}
