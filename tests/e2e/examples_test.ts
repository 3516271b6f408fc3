import { assertEquals } from "@std/assert";
import { REPOSITORY, runCli } from "../helpers/cli.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const EXAMPLES = `${REPOSITORY}/examples`;

/** Arguments by the file of the example, and lines that it prints. */
const RUNS: Readonly<Record<string, readonly [string[], readonly string[]]>> = {
  "single_command.yaml": [["run", "--job-file"], [
    "building for test with [REDACTED]",
  ]],
  "steps_graph.yaml": [["run", "--job-file"], [
    "lint | linting",
    "test | testing",
    "build | building",
    "tidy | tidying",
  ]],
  "matrix.yaml": [["run", "--job-file"], [
    "test (linux, 1.0) | testing on linux with version 1.0",
    "test (linux, 2.0) | testing on linux with version 2.0",
    "test (macos, 2.0) | testing on macos with version 2.0",
    "greet[0] | hello reader",
    "greet[1] | hello writer",
    "publish | publishing",
  ]],
  "retries.ts": [["exec"], [
    "download | downloaded",
    "report | done",
    "download: success, attempts 2, code 0",
    "hang: timeout, attempts 1, code 124",
    "report: success, attempts 1, code 0",
  ]],
  "outputs.ts": [["exec"], [
    "image | building 1.2.3",
    "publish | publishing app:1.2.3, abc",
  ]],
  "follow_up.ts": [["exec"], ["testing", "next: deploy-staging, verify"]],
  "custom_build.ts": [["exec"], ["testing", "building"]],
};

/** Examples with a test of their own; the demo is a gate. */
const OTHERS = ["demo.ts", "pull_request.ts", "workflow.yaml"];

Deno.test("every example is run", () => {
  const files = Array.from(Deno.readDirSync(EXAMPLES))
    .filter(({ isFile }) => isFile)
    .map(({ name }) => name);
  assertEquals(files.sort(), [...Object.keys(RUNS), ...OTHERS].sort());
});

for (const [file, [args, lines]] of Object.entries(RUNS)) {
  Deno.test(`examples/${file} does what it shows`, async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await runCli(
      [...args, `${EXAMPLES}/${file}`],
      { cwd: directory.path },
    );
    assertEquals(code, 0, stderr);
    const printed = linesOf(stdout);
    assertEquals(lines.filter((line) => !printed.has(line)), [], stdout);
  });
}

Deno.test("examples/workflow.yaml prints what its comments say", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.copyFile(`${EXAMPLES}/workflow.yaml`, `${path}/workflow.yaml`);
  const { code, stdout, stderr } = await runCli(
    ["workflow", "run", "workflow.yaml"],
    { cwd: path },
  );
  assertEquals(code, 0, stderr);
  assertEquals(
    linesOf(stdout),
    new Set([
      'build | built with {"stage":"test","test.version":"1.2.3"}',
      "page[0] | page in en",
      "page[1] | page in de",
    ]),
  );
});

Deno.test("examples/pull_request.ts hides the secret from untrusted code", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const ci = await makeRepository(`${path}/ci`);
  await ci.commit({
    "run_tests.sh": 'echo "$(cat code.txt) has ${REPORT_TOKEN:-nothing}"\n',
  });
  const source = await makeRepository(`${path}/source`);
  await source.commit({ "code.txt": "code" });
  const { code, stdout, stderr } = await runCli([
    ...["exec", `${EXAMPLES}/pull_request.ts`],
    ...[ci.path, source.path],
  ], { cwd: path });
  assertEquals(code, 0, stderr);
  assertEquals(
    linesOf(stdout),
    new Set([
      "test | code has nothing",
      "report | reporting with [REDACTED]",
    ]),
  );
});

/** Lines without the space that aligns them, which depends on what else runs. */
function linesOf(text: string): Set<string> {
  return new Set(
    text.split("\n").map((line) => line.replace(/ +\|/, " |"))
      .filter((line) => line !== ""),
  );
}
