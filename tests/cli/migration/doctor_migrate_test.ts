import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { MigrationReport } from "../../../src/cli/migration/inspection.ts";
import { runMain } from "../../helpers/run_main.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const PLUGIN = `import os
import subprocess
from src.plugins import Plugin, PluginPhase
from src.logging import log_stdout


class Checks(Plugin):
    def __init__(self):
        super().__init__(name="checks", priority=50)

    def supported_phases(self):
        return [PluginPhase.POST_SOURCE_PREP, PluginPhase.ON_ERROR]

    def execute(self, context):
        token = os.environ["RELEASE_TOKEN"]
        subprocess.run(["git", "merge-base", "HEAD", "origin/main"], check=True)
        subprocess.run(["go", "test", "./..."], check=True)
`;

/** A repository like those that the Python runner ran. */
const REPOSITORY: Record<string, string> = {
  ".reactorcide/workflows/pr.yaml": `name: Pull request
on:
  events: [pull_request_opened]
jobs:
  checks:
    job_file: checks.yaml
  version:
    image: registry.example.com/reactorcide/runnerbase:dev
    command: |
      set -e
      git describe --tags
      ./ci/build.sh
    environment:
      DEBUG: true
      VERSION: 1.10
      NAME: "yes"
  deep:
    command: git log --oneline
    environment:
      REACTORCIDE_FETCH_DEPTH: "0"
  deeper:
    command: git log --oneline -5
    checkout: { fetch_depth: 0 }
  elsewhere:
    image: golang:1.25
    command: go test ./...
    raw_command: true
`,
  ".reactorcide/jobs/checks.yaml": `name: checks
job:
  command: "runnerlib run --job-command true"
environment:
  RELEASE_TOKEN: \${secret:org/ci:token}
`,
  ".reactorcide/plugins/plugin_checks.py": PLUGIN,
  ".reactorcide/pipeline.py":
    `import runnerlib\nimport yaml\nrunnerlib.run_job(command="make test")\nrunnerlib.rewind()\nif not runnerlib.is_job_running("deploy"): pass\n`,
  ".reactorcide/old.py":
    `from src.workflow import trigger_job\nfrom src.app import main\n`,
  "src/app.py": "",
  ".reactorcide/pipeline.ts": `await $\`rsync -a a b\`;\n`,
  "ci/build.sh":
    `#!/bin/sh\nexport REACTORCIDE_COORDINATOR_URL=http://coordinator:8080\nsudo apt-get install -y jq\nrunnerlib run --no-such-option\npython3 -m src.register_secret x\n. ./ci/more.sh\n`,
  "ci/more.sh": `git rev-list --count HEAD\n`,
  "ci/unused.sh": `cargo build\n`,
};

async function inspect(
  path: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ code: number; report: MigrationReport }> {
  const { code, stdout, stderr } = await runMain(
    ["doctor", "--migrate", path, "--json", ...args],
    { cwd: path, env: { REACTORCIDE_IN_CONTAINER: "false", ...env } },
  );
  assertEquals(stderr, "");
  return { code, report: JSON.parse(stdout) };
}

function rowsOf({ findings }: MigrationReport): string[] {
  return findings.map(({ file, line, kind, state, change }) => {
    const place = line === undefined ? file : `${file}:${line}`;
    const subject = /"[^"]*"|\b[A-Z_]{5,}\b/.exec(change)?.[0] ?? "";
    return `${state} ${place} ${kind} ${subject}`.trimEnd();
  });
}

Deno.test("doctor --migrate lists what changes, by file and line", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, REPOSITORY);
  const { code, report } = await inspect(path);
  assertEquals(code, 1);
  assertEquals(
    rowsOf(report),
    [
      'needed .reactorcide/old.py:1 api "src.workflow"',
      'needed .reactorcide/pipeline.py:2 package "yaml"',
      'needed .reactorcide/pipeline.py:3 program "make"',
      'needed .reactorcide/pipeline.py:4 api "runnerlib.rewind"',
      "needed .reactorcide/pipeline.py:5 api",
      'needed .reactorcide/pipeline.ts:1 program "rsync"',
      'needed .reactorcide/plugins program "python3"',
      "note .reactorcide/plugins/plugin_checks.py plugin ON_ERROR",
      "needed .reactorcide/plugins/plugin_checks.py plugin REACTORCIDE_PLUGIN_PERMISSIONS",
      "needed .reactorcide/plugins/plugin_checks.py:2 plugin",
      "needed .reactorcide/plugins/plugin_checks.py:15 plugin RELEASE_TOKEN",
      'needed .reactorcide/plugins/plugin_checks.py:16 history "git merge-base"',
      'needed .reactorcide/plugins/plugin_checks.py:17 program "go"',
      'note .reactorcide/workflows/pr.yaml:8 image "registry.example.com/reactorcide/runnerbase:dev"',
      'needed .reactorcide/workflows/pr.yaml:11 history "git describe"',
      "needed .reactorcide/workflows/pr.yaml:14 value DEBUG",
      "needed .reactorcide/workflows/pr.yaml:15 value VERSION",
      "needed ci/build.sh:2 transport",
      'needed ci/build.sh:3 program "sudo"',
      'needed ci/build.sh:4 option "runnerlib run"',
      'needed ci/build.sh:5 option "python -m src.register_secret"',
      'needed ci/build.sh:5 program "python3"',
      'needed ci/more.sh:1 history "git rev-list"',
    ],
  );
  assertEquals(report.fileCount, 8);
  const fixes = report.findings.map(({ fix }) => fix);
  for (
    const fix of [
      "ci/*:run=*",
      "ci/*:env=RELEASE_TOKEN",
      "REACTORCIDE_PLUGIN_TIMEOUT=30m",
      "REACTORCIDE_READ_TOKEN: ${secret:PATH:KEY}",
      'REACTORCIDE_FETCH_DEPTH: "0"',
      'DEBUG: "True"',
      'VERSION: "1.1"',
      "docker build --target full .",
      "pip install PyYAML",
    ]
  ) assertEquals(fixes.includes(fix), true, fix);
});

Deno.test("doctor --migrate exits with 0 once the suggested lines are added", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    ".reactorcide/workflows/pr.yaml": `name: Pull request
on:
  events: [push]
jobs:
  checks:
    command: git describe --tags
    environment:
      DEBUG: true
      TOKEN: \${secret:a:b}
`,
    ".reactorcide/plugins/plugin_checks.py":
      `import os, subprocess\nfrom src.plugins import Plugin\nos.environ.get("TOKEN")\n`,
  });
  const before = await inspect(path);
  assertEquals(before.code, 1);
  const workflow = `${path}/.reactorcide/workflows/pr.yaml`;
  const text = await Deno.readTextFile(workflow);
  await Deno.writeTextFile(
    workflow,
    text.replace(
      "DEBUG: true",
      'DEBUG: "True"\n      REACTORCIDE_FETCH_DEPTH: "0"',
    ),
  );
  // In the image that has it, python3 is on PATH.
  await makeFiles(path, { "bin/python3": "" });
  const { code, report } = await inspect(path, [], {
    REACTORCIDE_PLUGIN_PERMISSIONS: "ci/*:run=*\nci/*:env=TOKEN",
    REACTORCIDE_PLUGIN_TIMEOUT: "30m",
    REACTORCIDE_IN_CONTAINER: "true",
    PATH: `${path}/bin:${Deno.env.get("PATH")}`,
  });
  assertEquals([code, report.findings], [0, []]);
});

Deno.test("doctor --migrate follows jobs to the files that they name", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const described = "git describe --tags\n";
  await makeFiles(path, {
    ".reactorcide/jobs/a.yaml": `name: a
triggers: { events: [push] }
job:
  image: registry.example.com/tools:1
  command: |
    cd sub
    ./below.sh
    bash /job/src/ci/absolute
    $REACTORCIDE_CI_SOURCE_DIR/ci/variable.sh
    python3 -m ci.module
    deno run -A ci/script.ts
    make -C sub all
    sh -c 'make'
`,
    "sub/below.sh": described,
    "ci/absolute": `#!/usr/bin/env bash\n. "$(dirname "$0")/lib.sh"\n`,
    "ci/lib.sh": described,
    "ci/variable.sh": `exec ci/last.sh\n`,
    "ci/last.sh": described,
    "ci/module.py": `import subprocess\nsubprocess.run(["git", "describe"])\n`,
    "ci/script.ts": "await $`git describe`;\n",
    "sub/Makefile": "VERSION := $(shell git describe --tags)\nall:\n\t@echo\n",
    "Makefile": "all:\n\t@git rev-list --count HEAD; echo $$HOME\n",
    "ci/not-named.sh": described,
  });
  const { report } = await inspect(path);
  assertEquals(
    report.findings.map(({ file, line, kind }) => `${file}:${line} ${kind}`),
    [
      "Makefile:2 history",
      "ci/last.sh:1 history",
      "ci/lib.sh:1 history",
      "ci/module.py:2 history",
      "ci/script.ts:1 history",
      "sub/Makefile:1 history",
      "sub/below.sh:1 history",
    ],
  );
});

Deno.test("doctor --migrate finds values behind anchors and merge keys", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    ".reactorcide/jobs/a.yaml": `name: a
triggers: { events: [push] }
job: { command: ./x, for_each: [1.10, on, "1.10", a] }
environment:
  <<: &common
    DEBUG: true
    OTHER: &word yes
  AGAIN: *word
  QUOTED: "true"
  TAGGED: !!str true
`,
    ".reactorcide/workflows/w.yaml": `name: w
on: { events: [push] }
vars: { ready: yes, at: 1:30, count: 3, text: "yes" }
jobs:
  a: { command: ./x, environment: { HEX: 0x10 } }
`,
  });
  const { report } = await inspect(path);
  assertEquals(
    report.findings.filter(({ kind }) => kind === "value")
      .map(({ file, line, fix }) => `${file.slice(13)}:${line} ${fix}`),
    [
      'jobs/a.yaml:3 - "1.1"',
      'jobs/a.yaml:3 - "true"',
      'jobs/a.yaml:6 DEBUG: "True"',
      'jobs/a.yaml:7 OTHER: "True"',
      'jobs/a.yaml:8 AGAIN: "True"',
      "workflows/w.yaml:3 ready: true",
      "workflows/w.yaml:3 at: 90",
      'workflows/w.yaml:5 HEX: "16"',
    ],
  );
});

Deno.test("doctor --migrate prints lines that editors can open", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    ".reactorcide/jobs/a.yaml":
      "name: a\ntriggers: { events: push }\njob: { command: make }\nenvironment:\n  ON: yes\n",
  });
  const { code, stdout } = await runMain(
    ["doctor", "--migrate", ".reactorcide"],
    { cwd: path, env: { REACTORCIDE_IN_CONTAINER: "false" } },
  );
  assertEquals(code, 1);
  assertMatch(
    stdout,
    /^needed {2}\.reactorcide\/jobs\/a\.yaml:5: ON is now "yes" instead of "True"\. To keep the old value, write:\n {8}ON: "True"$/m,
  );
  assertMatch(stdout, /^\d changes are needed; 1 file read$/m);
});

Deno.test("doctor --migrate exits with 0 for a repository that needs no change", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    ".reactorcide/jobs/a.yaml":
      "name: a\ntriggers: { events: [push] }\njob: { command: ./test.sh }\n",
    "test.sh": "git rev-parse HEAD\nnpm test\n",
  });
  const { code, stdout } = await runMain(["doctor", "--migrate", path], {
    cwd: path,
    env: {},
  });
  assertEquals([code, stdout], [
    0,
    "No changes are needed; 2 files read\n",
  ]);
});

Deno.test("doctor --migrate refuses a directory without CI", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "linked/.reactorcide": "-> ../real", "real/": "" });
  for (const name of ["nowhere", ".", "linked"]) {
    const { code, stderr } = await runMain(["doctor", "--migrate", name], {
      cwd: path,
      env: {},
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot inspect");
  }
});

Deno.test("doctor --migrate runs nothing, follows no link and terminates for hostile files", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const secret = "s3cr3t-of-the-host";
  const touch = `touch ${path}/was-run`;
  await makeFiles(path, {
    "outside/secret.yaml": `name: ${secret}\nunknown: ${secret}\n`,
    "r/.reactorcide/workflows/link.yaml": "-> ../../../outside/secret.yaml",
    "r/.reactorcide/jobs/link.yaml": "-> /etc/passwd",
    "r/.reactorcide/jobs/bad.yaml": "name: [\n",
    "r/.reactorcide/jobs/deep.yaml": `name: ${"[".repeat(200_000)}`,
    "r/.reactorcide/jobs/aliases.yaml": `a: &a [x, x, x, x, x, x, x, x]\n${
      "bcdefghi".split("").map((name, at) => {
        const above = "abcdefgh"[at];
        return `${name}: &${name} [${Array(8).fill(`*${above}`).join(", ")}]`;
      }).join("\n")
    }\n`,
    "r/.reactorcide/jobs/escape.yaml":
      'name: a\njob:\n  command: "\\e[31m git describe \\e[0m"\n  image: "\\e]0;x\\a"\n',
    "r/.reactorcide/jobs/run.yaml":
      `name: run\ntriggers: { events: [push] }\njob: { command: "sh ../../outside/x.sh; ${touch}; $(${touch})" }\n`,
    "r/.reactorcide/plugins/plugin_run.py":
      `import os\nos.system("${touch}")\nfrom src.plugins import Plugin\n`,
    "r/.reactorcide/plugins/plugin_run.ts":
      `await new Deno.Command("touch", { args: ["${path}/was-run"] }).output();\n`,
    "r/.reactorcide/scripts": "-> ../../outside",
    "r/.reactorcide/many.sh": "git log a..b\n".repeat(50_000) +
      Array.from({ length: 5_000 }, (_, at) => `git show v${at}~1`).join("\n"),
    "r/.reactorcide/names.py": "import runnerlib\n" +
      "runnerlib.x\n".repeat(80_000),
    "r/.reactorcide/\u001b[31m.sh": "git describe\n",
    "outside/x.sh": "cargo build\n",
  });
  const ci = `${path}/r/.reactorcide`;
  await Deno.writeFile(
    `${ci}/jobs/bytes.yaml`,
    new Uint8Array([0xff, 0, 0x80]),
  );
  await Deno.writeFile(`${ci}/tool`, new Uint8Array(2 * 1024 * 1024));
  await new Deno.Command("mkfifo", { args: [`${ci}/jobs/pipe.yaml`] }).output();
  const before = await listFiles(`${path}/outside`);
  const { code, stdout, stderr } = await runMain(["doctor", "--migrate", "r"], {
    cwd: path,
    env: {},
  });
  assertEquals(code, 1);
  assertEquals(stderr, "");
  assertEquals(await listFiles(`${path}/outside`), before);
  assertEquals(
    await Deno.lstat(`${path}/was-run`).then(() => true, () => false),
    false,
  );
  for (const text of [secret, "root:", "\u001b", "cargo"]) {
    assertEquals(stdout.includes(text), false, text);
  }
  for (
    const row of [
      "needed  .reactorcide/workflows/link.yaml: not inspected: it is a symbolic link",
      "needed  .reactorcide/jobs/link.yaml: not inspected: it is a symbolic link",
      "needed  .reactorcide/jobs/pipe.yaml: not inspected: it is not a regular file",
      "note    .reactorcide/scripts: not inspected: it is a symbolic link",
      "note    .reactorcide/tool: not inspected: it is larger than 1048576 bytes",
      "needed  .reactorcide/many.sh: there are more than 100 findings",
    ]
  ) assertStringIncludes(stdout, row);
});
