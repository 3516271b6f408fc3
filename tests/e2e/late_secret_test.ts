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

describe("A secret that a step registers", () => {
  it("is masked in every file, in what follows and in the summary", async () => {
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
    const holding = Object.entries(files)
      .filter(([, text]) => text.includes(SECRET)).map(([name]) => name);
    assertEquals(holding, []);
    const { "over.log": over, "open.log": open } = await listFiles(
      `${path}/job/artifacts/logs`,
    );
    assertEquals(over, "over [REDACTED]\n");
    assertEquals(open, "open [REDACTED]\nlater [REDACTED]\n");
  });
});
