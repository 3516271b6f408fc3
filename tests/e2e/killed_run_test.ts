import { assertEquals, assertStringIncludes } from "@std/assert";
import { pathExists } from "../../src/fs/files.ts";
import { findContainment } from "../../src/process/containment.ts";
import { startCli } from "../helpers/cli.ts";
import { findProcesses } from "../helpers/process_table.ts";
import { until } from "../helpers/soon.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const FORGED = "job/.reactorcide/outputs.json";

/** The untrusted step survives a killed runner until `quick` exists. */
const JOB = `steps:
  - name: build
    run: echo version=1 > "$REACTORCIDE_OUTPUT"
  - name: check
    untrusted: true
    depends_on: [build]
    run: |
      printf '{"build":{"version":"forged"}}' > ${FORGED}
      echo forged
      until test -e quick; do sleep 0.1; done
  - name: use
    depends_on: [build]
    run: echo "version is [$REACTORCIDE_OUTPUT_BUILD_VERSION]"
`;

Deno.test("a run does not use outputs that an untrusted step of a killed run has written", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "work/job.yaml": JOB,
    "work/trusted.yaml": JOB.replace("    untrusted: true\n", ""),
    "state/": "",
  });
  const cwd = `${path}/work`;
  const start = (...args: string[]) =>
    startCli(["run", "--job-file", ...args], {
      cwd,
      env: { XDG_STATE_HOME: `${path}/state` },
    });
  const run = async (...args: string[]) => {
    await using cli = start(...args);
    return await cli.end();
  };
  const killedRun = async () => {
    await using cli = start("job.yaml");
    await cli.sees("| forged");
    cli.child.kill("SIGKILL");
    await cli.end();
  };

  await killedRun();
  assertStringIncludes(await Deno.readTextFile(`${cwd}/${FORGED}`), "forged");
  await makeFiles(cwd, { quick: "" });
  const selected = await run("job.yaml", "--only", "use");
  assertEquals(selected.code, 0, selected.stderr);
  assertStringIncludes(selected.stdout, "version is []");
  assertStringIncludes(
    selected.stderr,
    "have no outputs: the last run had untrusted steps and was killed",
  );

  // After a run that ends, its outputs are used, and nothing is left behind.
  const whole = await run("job.yaml");
  assertEquals(whole.code, 0, whole.stderr);
  assertEquals(await listFiles(`${path}/state`), { "reactorcide/": "" });
  const later = await run("job.yaml", "--only", "use");
  assertStringIncludes(later.stdout, "version is [1]");

  // A run without untrusted steps removes the record as well.
  await Deno.remove(`${cwd}/quick`);
  await killedRun();
  assertEquals(
    await pathExists(`${path}/state/reactorcide/untrusted-runs`),
    true,
  );
  await makeFiles(cwd, { quick: "" });
  assertEquals((await run("trusted.yaml")).code, 0);
  assertEquals(await listFiles(`${path}/state`), { "reactorcide/": "" });
});

Deno.test({
  name: "no process of an untrusted step outlives a killed runner",
  ignore: (await findContainment(false)).namespace === undefined,
  async fn() {
    await using directory = await temporaryDirectory();
    const seconds = `${1000 + Math.floor(Math.random() * 1e6)}.5`;
    const sleep = `sleep ${seconds}`;
    await makeFiles(directory.path, {
      "job.json": JSON.stringify({
        steps: [{
          name: "untrusted",
          untrusted: true,
          run: `trap "" TERM HUP; ${sleep} & setsid -f ${sleep}; ${sleep}`,
        }],
      }),
    });
    const countSleeping = () => findProcesses(`sleep\0${seconds}`).length;
    await using cli = startCli(["run", "--job-file", "job.json"], {
      cwd: directory.path,
    });
    await until(() => countSleeping() === 3, "three sleeping programs");
    cli.child.kill("SIGKILL");
    await until(() => countSleeping() === 0, "the end of all of them");
  },
});
