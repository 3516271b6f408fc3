import { assertEquals, assertMatch } from "@std/assert";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a job with reports whose files are changed by a step. */
async function runWith(
  cwd: string,
  script: string,
  reports: readonly string[],
  env: Record<string, string> = {},
) {
  const lines = script.split("\n").map((line) => `      ${line}`);
  await makeFiles(cwd, {
    "job.yaml": `steps:\n  - name: step\n    run: |\n${lines.join("\n")}\n`,
  });
  return await runMain(
    [
      ...["run", "--job-file=job.yaml"],
      ...reports.flatMap((report) => ["--report", report]),
    ],
    { cwd, env: { REACTORCIDE_IN_CONTAINER: "false", ...env } },
  );
}

async function names(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name))
    .sort();
}

Deno.test("a run ends regardless of files that a step creates next to its reports, and follows no link out", async () => {
  await using directory = await temporaryDirectory();
  await using outside = await temporaryDirectory();
  const { code, stderr } = await runWith(
    directory.path,
    `cd ${directory.path}/job/artifacts
mkfifo runnerlib.prom.lock run.fifo
ln -s ${outside.path}/a runnerlib.prom
ln -s ${outside.path}/b junit.xml
rm run.jsonl; mkfifo run.jsonl`,
    ["prometheus", "junit"],
  );
  assertEquals(code, 0, stderr);
  assertEquals(await names(outside.path), []);
  const artifacts = await names(`${directory.path}/job/artifacts`);
  assertEquals(artifacts.filter((name) => name.endsWith(".lock")), [
    "runnerlib.prom.lock",
  ]);
  assertMatch(stderr, /Cannot write the report "runnerlib.prom": it is a symb/);
});

Deno.test("a run leaves no lock file next to a cumulative report", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/metrics/ci.prom`;
  const runs = [1, 2].map(() =>
    runWith(directory.path, "true", [`prometheus=${path}`], {
      REACTORCIDE_WORKSPACE: `${directory.path}/${crypto.randomUUID()}`,
    })
  );
  for (const { code, stderr } of await Promise.all(runs)) {
    assertEquals(code, 0, stderr);
  }
  assertEquals(await names(`${directory.path}/metrics`), ["ci.prom"]);
  assertMatch(await Deno.readTextFile(path), /_count\{.*\} 2\n/);
});

Deno.test("a report is written to the directory that its path had before the job, or inside the workspace", async () => {
  await using directory = await temporaryDirectory();
  await using outside = await temporaryDirectory();
  const { path: cwd } = directory;
  await Deno.mkdir(`${outside.path}/before`);
  await Deno.symlink(`${outside.path}/before`, `${cwd}/before`);
  await Deno.mkdir(`${cwd}/replaced`);
  const { code, stderr } = await runWith(
    cwd,
    `cd ${cwd}
rmdir replaced; ln -s ${outside.path} replaced
ln -s ${outside.path} added
mkdir job/real; ln -s real job/link
ln -s ${outside.path} job/moved`,
    [
      "json=before/deep/r.json",
      "json=replaced/r.json",
      "json=added/deep/r.json",
      "json=job/link/r.json",
      "json=job/moved/r.json",
    ],
  );
  assertEquals(code, 0, stderr);
  assertEquals(await names(outside.path), ["before"]);
  assertEquals(await names(`${outside.path}/before/deep`), ["r.json"]);
  assertEquals(await names(`${cwd}/job/real`), ["r.json"]);
  for (
    const name of ["replaced/r.json", "added/deep/r.json", "job/moved/r.json"]
  ) {
    assertMatch(
      stderr,
      new RegExp(`Cannot write the report "${name}": ".*" leads to `),
    );
  }
});

for (
  const [what, script] of [
    ["a pipe", "mkfifo summary"],
    ["a link", "ln -s other summary"],
    ["a dangling link", "ln -s missing summary"],
    ["a directory", "mkdir summary"],
  ] as const
) {
  Deno.test(`a run ends if the step summary of GitHub is ${what}`, async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { summary: "", other: "" });
    const { code, stderr } = await runWith(
      path,
      `cd ${path}; rm summary; ${script}`,
      [],
      { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: `${path}/summary` },
    );
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /Cannot write the step summary ".*": (it|illegal) /);
    assertEquals(await Deno.readTextFile(`${path}/other`), "");
    assertEquals((await names(path)).includes("missing"), false);
  });
}

Deno.test({
  name: "a run replaces no device with a report or a record",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const device = `${cwd}/null`;
    const made = await new Deno.Command("mknod", {
      args: [device, "c", "1", "3"],
      stderr: "null",
    }).output();
    // In some containers, even root cannot create devices.
    if (!made.success) return;
    const { code, stderr } = await runMain(
      [
        ...["run", "--job-command=true"],
        ...[`--record=${device}`, `--report=table=${device}`],
      ],
      { cwd },
    );
    assertEquals(code, 0);
    assertMatch(stderr, /Cannot write the run record ".*null": it is a device/);
    assertMatch(stderr, /Cannot write the report ".*": .*it is a device/);
    assertEquals((await Deno.lstat(device)).isCharDevice, true);
  },
});
