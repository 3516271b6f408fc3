import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { REPOSITORY, runCli } from "../helpers/cli.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { isRunning } from "../helpers/process_table.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Returns the job file of a recipe. */
async function recipe(title: string): Promise<string> {
  const page = await Deno.readTextFile(`${REPOSITORY}/docs/recipes.md`);
  const [, text] = page.split(`\n## ${title}\n`);
  return /```yaml\n([\s\S]*?)```/.exec(text)![1];
}

/** Runs a job file, with logs of the steps in the directory. */
async function runJob(text: string, args: string[] = []) {
  const directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "job.yaml": text });
  // The user of the database has to reach its own directory.
  await Deno.chmod(path, 0o755);
  const result = await runCli(["run", ...args], {
    cwd: path,
    env: { TMPDIR: path },
  });
  return { ...result, directory };
}

/** Names of the running processes that have a text in their arguments. */
function runningWith(text: string): string[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    if (!/^\d+$/.test(name) || !isRunning(Number(name))) return false;
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(text);
    } catch {
      // It has just ended.
      return false;
    }
  }).map(({ name }) => name);
}

/** Debian has its programs in a directory for each version. */
function isPostgresMissing(): boolean {
  try {
    return [...Deno.readDirSync("/usr/lib/postgresql")].length === 0;
  } catch {
    return isProgramMissing("postgres");
  }
}

/** PostgreSQL refuses to run as a user without a name. */
function hasUserName(): boolean {
  return new Deno.Command("id", { args: ["-un"], stderr: "null" }).outputSync()
    .success;
}

describe("the recipe of PostgreSQL", () => {
  if (isPostgresMissing() || !hasUserName()) return;

  it("runs a database for the steps that need it, and leaves nothing running", async () => {
    const { code, stdout, stderr, directory } = await runJob(
      await recipe("PostgreSQL"),
    );
    await using _ = directory;
    assertEquals(code, 0, stdout + stderr);
    assertMatch(stdout, /^test +\| ada$/m);
    assertMatch(stderr, /^✓ db +success .* service, ready after \d+\.\ds$/m);
    assertEquals(runningWith(directory.path), []);
  });

  it("fails with the message of a database that cannot start", async () => {
    const text = (await recipe("PostgreSQL"))
      .replace("-c fsync=off", "-c max_connections=none");
    const { code, stderr, directory } = await runJob(text);
    await using _ = directory;
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      'Service "db" ended with exit code 1 before it was ready',
    );
    assertMatch(stderr, /^✗ migrate .*max_connections/m);
    assertEquals(runningWith(directory.path), []);
  });
});

describe("the recipe of Redis", () => {
  if (isProgramMissing("redis-server")) return;

  it("runs a cache for two steps, and for one that is selected", async () => {
    const text = await recipe("Redis");
    const all = await runJob(text);
    await using _all = all.directory;
    assertEquals(all.code, 0, all.stdout + all.stderr);
    assertMatch(all.stdout, /^unit +\| 1$/m);
    assertMatch(all.stdout, /^integration +\| 1$/m);
    assertStringIncludes(all.stdout, "bye bye");
    const one = await runJob(text, ["--only", "unit"]);
    await using _one = one.directory;
    assertMatch(one.stdout, /^unit +\| 1$/m);
    assertMatch(one.stderr, /^– integration +skipped/m);
    const [, port] = /port=(\d+)/.exec(one.stdout)!;
    assertEquals(runningWith(`redis-server 127.0.0.1:${port}`), []);
  });
});
