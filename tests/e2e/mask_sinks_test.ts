import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runCli } from "../helpers/cli.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Quoted by JSON, by shells and in messages. */
const SECRET = `correct"horse\\battery`;

const JOB = `
secret_env_names: [HIDDEN]
steps:
  - name: gives
    run: |
      printf 'token=%s\\n' "$HIDDEN" >> "$REACTORCIDE_OUTPUT"
      printf 'gave %s\\n' "$HIDDEN"
  - name: misses
    run: '"./$HIDDEN-program"'
  - name: fails
    run: printf '\\033[31mlast %s\\033[0m words\\n' "$HIDDEN"; exit 3
`;

async function runJob(args: string[], env: Record<string, string>) {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "job.yaml": JOB });
  const result = await runCli([
    ...["run", "--job-file", "job.yaml", "--failure-policy", "continue"],
    ...args,
  ], { cwd: path, env: { LOG_LEVEL: "debug", HIDDEN: SECRET, ...env } });
  return { ...result, files: await listFiles(`${path}/job`) };
}

/** Asserts that no form of the secret is in a text. */
function assertClean(text: string, what: string): void {
  assert(!text.includes("horse"), `${what}: ${text}`);
}

describe("No secret gets into", () => {
  const styles: [name: string, args: string[], env: Record<string, string>][] =
    [
      ["prefixed output", [], {}],
      ["grouped output", ["--log-group"], {}],
      ["JSON", [], { LOG_FORMAT: "json" }],
      ["short lines", ["--max-line-bytes", "80"], {}],
    ];
  for (const [name, args, env] of styles) {
    it(`${name}, messages, the summary and files`, async () => {
      const { code, stdout, stderr, files } = await runJob(args, env);
      assert(code > 0);
      assertStringIncludes(stdout, "gave [REDACTED]");
      assertClean(stdout, "standard output");
      assertClean(stderr, "standard error");
      for (const [path, text] of Object.entries(files)) {
        assertClean(path, "name of a file");
        assertClean(text, path);
      }
      assertStringIncludes(
        files["artifacts/logs/fails.log"],
        "last [REDACTED]\x1b[0m words",
      );
    });
  }

  it("outputs that are stored for a later run", async () => {
    const { files } = await runJob(["--only", "gives"], {});
    assertEquals(files[".reactorcide/outputs.json"].trim(), "{}");
  });

  it("the message of a program that cannot be started", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runCli(["run", "--", `./${SECRET}`], {
      cwd: directory.path,
      env: { REACTORCIDE_SECRET_ENV_NAMES: "HIDDEN", HIDDEN: SECRET },
    });
    assertEquals(code, 127);
    assertStringIncludes(stderr, "[REDACTED]");
    assertClean(stderr, "standard error");
  });
});
