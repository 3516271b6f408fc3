import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

Deno.test("a job's command finds runnerlib, and registers a secret with it", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  // The tested code has a program of that name.
  await makeFiles(path, { "bin/runnerlib": "#!/bin/sh\necho stolen\n" });
  await Deno.chmod(`${path}/bin/runnerlib`, 0o755);
  const { code, stdout, stderr } = await runCli([
    "run",
    "--job-command",
    "echo t0k3n-0f-t0day | runnerlib register-secret - && echo it is t0k3n-0f-t0day; " +
    "stat -c %a $(command -v runnerlib) $(dirname $(command -v runnerlib))",
  ], {
    cwd: path,
    env: { PATH: `${path}/bin:${Deno.env.get("PATH")}` },
  });
  assertEquals(code, 0, stderr);
  assertEquals(
    stdout,
    "Registered 1 secret\nit is [REDACTED]\n700\n700\n",
  );
});

Deno.test("steps set outputs with any text with runnerlib", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "job.yaml": `
steps:
  - name: a
    run: |
      runnerlib output set one=1 "two=a=b" empty=
      printf 'l1\\nkey<<END\\n\\n' | runnerlib output set text
  - name: b
    needs: a
    run: printf '%s|' "$REACTORCIDE_OUTPUT_A_ONE" "$REACTORCIDE_OUTPUT_A_TWO" "$REACTORCIDE_OUTPUT_A_EMPTY" "$REACTORCIDE_OUTPUT_A_TEXT"
  - name: wrong
    needs: b
    run: runnerlib output set 1x=2
`,
  });
  const { code, stdout, stderr } = await runCli(
    ["run", "--job-file", "job.yaml"],
    { cwd: path },
  );
  assertEquals(code, 2);
  assertStringIncludes(
    stdout,
    "b     | 1|a=b||l1\nb     | key<<END\nb     | |\n",
  );
  assertStringIncludes(stdout + stderr, 'Cannot set output "1x"');
});

Deno.test("an untrusted step gets no runnerlib, and changes none", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "job.yaml": `
steps:
  - name: before
    run: command -v runnerlib > launcher
  - name: untrusted
    untrusted: true
    needs: before
    run: |
      command -v runnerlib && exit 1
      launcher="$(cat launcher)"
      printf '#!/bin/sh\\necho stolen\\n' > "$launcher" || mkdir -p "$(dirname "$launcher")" || exit 0
  - name: after
    needs: untrusted
    run: runnerlib --version
`,
  });
  const { code, stdout, stderr } = await runCli(
    ["run", "--job-file", "job.yaml"],
    { cwd: path },
  );
  assertEquals(code, 0, stdout + stderr);
  assertEquals(stdout.includes("stolen"), false, stdout);
});

Deno.test("jobs of a pipeline find runnerlib", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "p.ts": `
import { runJob } from "@reactorcide/runnerlib";
Deno.exit((await runJob({ command: "runnerlib --version" })).exitCode);
`,
  });
  const { code, stdout, stderr } = await runCli(["exec", "p.ts"], {
    cwd: path,
  });
  assertEquals([code, stdout], [0, "0.1.0\n"], stderr);
});

Deno.test("runnerlib output outside a step sets outputs of the job", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const { code, stderr } = await runCli(["output", "set", "a=1"], {
    cwd: path,
  });
  assertEquals(code, 0, stderr);
  assertEquals(
    JSON.parse(await Deno.readTextFile(`${path}/job/workflow-output.json`)),
    { outputs: { a: "1" } },
  );
  for (const args of [[], ["get"], ["set"], ["set", "=x"]]) {
    const { code } = await runCli(["output", ...args], { cwd: path });
    assertEquals(code, 2, args.join(" "));
  }
});

Deno.test("a trusted pipeline reads no configuration that an untrusted step left above it", async () => {
  await using temporary = await temporaryDirectory();
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "trusted/p.ts": `
import { basename } from "@std/path/posix/basename";
console.log("basename:", basename("/a/b"));
`,
    "job.yaml": `
ci_source_type: copy
ci_source_url: ${path}/trusted
steps:
  - name: untrusted
    untrusted: true
    run: |
      for directory in job "$TMPDIR" "$PARENT"; do
        echo 'export const basename = () => "evil";' > "$directory/evil.ts"
        echo '{ "imports": { "@std/path/posix/basename": "./evil.ts" } }' > "$directory/deno.json"
        git -c init.defaultBranch=evil init --quiet "$directory"
      done
    env: { PARENT: "${temporary.path}" }
    permissions: { write: true }
  - name: trusted
    needs: untrusted
    env: { DENO: "${Deno.execPath()}" }
    run: |
      cd "$REACTORCIDE_CI_SOURCE_DIR"
      runnerlib exec p.ts
      runnerlib exec "${path}/job/ci/p.ts"
      "$DENO" run p.ts || true
      git symbolic-ref HEAD || true
`,
  });
  const { code, stdout, stderr } = await runCli(
    ["run", "--job-file", "job.yaml"],
    { cwd: path, env: { TMPDIR: temporary.path } },
  );
  assertEquals(code, 0, stdout + stderr);
  assertEquals(stdout.match(/basename: b$/gm)?.length, 2, stdout + stderr);
  assertEquals(/evil/.test(stdout + stderr), false, stdout + stderr);
});
