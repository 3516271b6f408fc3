import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, runCli } from "../helpers/cli.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "correct-horse-battery";

const REGISTER =
  `'${Deno.execPath()}' run -A --no-check '${CLI}' register-secret`;

const JOB = `
steps:
  - name: over
    run: echo over correct-horse-battery
  - name: open
    run: |
      echo open correct-horse-battery
      until [ -e registered ]; do sleep 0.02; done
      echo later correct-horse-battery
      echo "token=correct-horse-battery" >> "$REACTORCIDE_OUTPUT"
      exit 3
  - name: registers
    depends_on: over
    run: |
      until [ -s job/artifacts/logs/over.log ]; do sleep 0.02; done
      ${REGISTER} correct-horse-battery
      touch registered
  - name: passes
    depends_on: open
    condition: always
    run: 'true'
`;

/** Jobs of a workflow: the last one registers what the others have shown. */
const WORKFLOW = `
name: late
jobs:
  early:
    steps:
      - name: deploy ${SECRET}
        run: echo early ${SECRET}; exit 3
      - name: after ${SECRET}
        run: echo never
        depends_on: ["deploy ${SECRET}"]
  command:
    command: echo command ${SECRET}
  late:
    depends_on: [early, command]
    condition: always
    steps:
      - name: registers
        run: |
          ${REGISTER} ${SECRET}
`;

/** Names of the files that contain the secret, in their text or name. */
function holding(files: Record<string, string>): string[] {
  return Object.entries(files)
    .filter((file) => file.some((text) => text.includes(SECRET)))
    .map(([name]) => name);
}

describe("A secret that a step registers", () => {
  it("is masked in names of logs, and wherever they are printed", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml": `
steps:
  - name: use ${SECRET}
    run: echo ${SECRET}; exit 3
  - name: registers
    depends_on: ["use ${SECRET}"]
    condition: always
    run: |
      ${REGISTER} ${SECRET}
`,
    });
    const { code, stderr } = await runCli(
      ["run", "--job-file=job.yaml", "--report=html", "--report=junit"],
      { cwd: path },
    );
    assertEquals(code, 3, stderr);
    assertStringIncludes(stderr, "log: job/artifacts/logs/use [REDACTED].log");
    const files = await listFiles(`${path}/job`);
    assertEquals(files["artifacts/logs/use [REDACTED].log"], "[REDACTED]\n");
    assertEquals(holding(files), []);
  });

  it("is masked in files of earlier jobs of its workflow", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { ".reactorcide/workflows/late.yaml": WORKFLOW });
    const { code, stderr } = await runCli(
      ["workflow", "run", "--source=none", "--concurrency=1"],
      { cwd: path },
    );
    assertEquals(code, 3, stderr);
    const files = await listFiles(`${path}/.reactorcide/workflow`);
    assertEquals(holding(files), []);
    const artifacts = "jobs/early/job/artifacts";
    const record = files[`${artifacts}/run.jsonl`];
    assertStringIncludes(record, "logs/deploy [REDACTED].log");
    assertEquals(
      files[`${artifacts}/logs/deploy [REDACTED].log`],
      "early [REDACTED]\n",
    );
    const { mode } = await Deno.lstat(
      `${path}/.reactorcide/workflow/${artifacts}/run.jsonl`,
    );
    assertEquals((mode ?? 0) & 0o777, 0o600);
  });

  it("is masked in every file, in later output and in the summary", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": JOB });
    const { code, stdout, stderr } = await runCli(
      // One step waits for another, which a single processor would not start.
      [
        "run",
        "--job-file=job.yaml",
        "--failure-policy=continue",
        "--concurrency=2",
      ],
      { cwd: path, env: { LOG_LEVEL: "debug" } },
    );
    assertEquals(code, 3, stderr);
    assertStringIncludes(stdout, "later [REDACTED]");
    assert(!stderr.includes(SECRET), stderr);
    assertStringIncludes(stderr, "open [REDACTED]");
    const files = await listFiles(`${path}/job`);
    assertEquals(holding(files), []);
    const { "over.log": over, "open.log": open } = await listFiles(
      `${path}/job/artifacts/logs`,
    );
    assertEquals(over, "over [REDACTED]\n");
    assertEquals(open, "open [REDACTED]\nlater [REDACTED]\n");
  });
});
