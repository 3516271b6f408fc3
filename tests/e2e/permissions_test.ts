import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { CLI, cliEnv, REPOSITORY, runCli } from "../helpers/cli.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** How each command of the table is called; without an entry it gets `--help`. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  run: ["run", "--job-file", "job.yaml"],
  checkout: ["checkout", "repository"],
  copy: ["copy", "directory"],
  cleanup: ["cleanup"],
  init: ["init", "plugin"],
  list: ["list"],
  graph: ["graph", "steps.yaml"],
  help: ["help"],
  version: ["version"],
  config: ["config", "--job-file", "job.yaml"],
  "explain-masks": ["explain-masks", "--job-file", "job.yaml"],
  validate: ["validate", "--job-file", "job.yaml"],
  mcp: ["mcp"],
  plugins: ["plugins", "list", "--plugin-dir", "plugins"],
  exec: ["exec", "pipeline.ts"],
  workflow: ["workflow", "list"],
  trigger: ["trigger", "next.yaml"],
  completions: ["completions", "bash"],
  doctor: ["doctor"],
  permissions: ["permissions", "pipeline.ts"],
  artifacts: ["artifacts", "list", "--all"],
  cache: ["cache", "save", "a", "--key", "k", "directory"],
  schema: ["schema"],
  secrets: ["secrets", "init"],
  "register-secret": ["register-secret", "s3cr3t", "--socket", "/nowhere"],
  output: ["output", "set", "a=1"],
  git: ["git", "info", "--code-dir", "/job/code"],
};

/** Messages about a missing permission. */
const REFUSAL = /requires \w+ access|no permission/i;

const TABLE = await readTable();

Deno.test("docs/permissions.md names the permissions of every command", () => {
  assertEquals(Object.keys(COMMANDS).filter((key) => !TABLE.has(key)), []);
});

for (const [name, flags] of TABLE) {
  if (!Object.hasOwn(COMMANDS, name)) continue;
  Deno.test(`runnerlib ${name} needs no more than docs/permissions.md says`, async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml": "command: echo done\nplugin_dir: plugins\n",
      "steps.yaml": "steps: { a: { run: echo a } }\n",
      "next.yaml": "name: next\njob: { command: make }\n",
      "plugins/plugin_a.ts": `export default { name: "a", cleanup() {} };`,
      "directory/file": "",
      "pipeline.ts": "console.log(1);",
    });
    if (name === "checkout") {
      const repository = await makeRepository(`${path}/repository`);
      await repository.commit({ file: "" });
    }
    const call = CALLS[name] ?? [name, "--help"];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", ...flags, CLI, ...call],
      cwd: path,
      clearEnv: true,
      env: cliEnv({
        REACTORCIDE_SECRETS_PASSWORD: "p4ssw0rd-p4ssw0rd",
        XDG_CONFIG_HOME: path,
        REACTORCIDE_CACHE_STORE: `${path}/store`,
      }),
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stderr);
    assert(!REFUSAL.test(text), text);
    const isFutile = name === "register-secret" || name === "git";
    assertEquals(code, isFutile ? 1 : 0, text);
  });
}

Deno.test("without any permission, runnerlib says which one it needs first", async () => {
  await using directory = await temporaryDirectory();
  const { code, stderr } = await runCli(["run", "--", "true"], {
    cwd: directory.path,
    permissions: [],
  });
  assertEquals(code, 1);
  assertEquals(
    stderr,
    "[runnerlib] error: Requires env access, run again with the --allow-env flag\n",
  );
});

Deno.test("runnerlib run remembers between runs what cached steps created", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "job.yaml": JSON.stringify({
      steps: {
        build: {
          run: "mkdir -p out; touch out/$(cat name)",
          cache: { inputs: "name", outputs: "out/**" },
        },
      },
    }),
  });
  for (const name of ["one", "two"]) {
    await makeFiles(path, { name });
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--no-check", ...TABLE.get("run")!, CLI],
        ...["run", "--job-file", "job.yaml"],
      ],
      cwd: path,
      clearEnv: true,
      env: cliEnv({ XDG_CACHE_HOME: `${path}/cache` }),
      stdin: "null",
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const created = await Array.fromAsync(Deno.readDir(`${path}/out`));
    assertEquals(created.map((entry) => entry.name), [name]);
  }
});

/** Reads rows of the form: `| run | --allow-env … |`. */
async function readTable(): Promise<Map<string, string[]>> {
  const text = await Deno.readTextFile(`${REPOSITORY}/docs/permissions.md`);
  const [, section = ""] = text.split("## The runner\n");
  const rows = section.split("\n## ")[0]
    .matchAll(/^\| `([^|]+)` *\| `(--allow[^|]*)` *\|/gm);
  return new Map(
    [...rows].flatMap(([, names, flags]) =>
      names.split("`, `").map((name): [string, string[]] => [
        name,
        flags.trim().split(" "),
      ])
    ),
  );
}

Deno.test({
  name: "runnerlib works in a directory to which Linux restricts access",
  // Only Linux has the directory.
  ignore: !await Deno.stat("/dev/shm").then(() => true, () => false),
  async fn() {
    const path = await Deno.makeTempDir({ dir: "/dev/shm" });
    try {
      await makeFiles(path, { "from/file": "" });
      const { code, stderr } = await runCli(
        ["copy", `${path}/from`, "--work-dir", path],
        { cwd: "/" },
      );
      assertEquals(code, 0, stderr);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  },
});
