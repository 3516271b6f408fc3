import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findSandbox } from "../../src/process/sandbox/find_sandbox.ts";
import { CLI, cliEnv, REPOSITORY } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Prints the open files of a process, on Linux. */
const LIST = "ls -l /proc/self/fd";

const JOB = `
steps:
  - name: trusted
    run: ${LIST}
  - name: words
    run: [ls, -l, /proc/self/fd]
  - name: untrusted
    untrusted: true
    run: ${LIST}
  - name: untrusted words
    untrusted: true
    run: [ls, -l, /proc/self/fd]
`;

const PLUGIN = `
export const manifest = { permissions: { run: ["ls"] } };
export default {
  name: "lister",
  async preExecution(context) {
    const { stdout } = await new Deno.Command("ls", {
      args: ["-l", "/proc/self/fd"],
    }).output();
    context.log(new TextDecoder().decode(stdout));
  },
};
`;

const PIPELINE = `
import { createRunner } from "${REPOSITORY}/mod.ts";
await createRunner().runJob({ command: "${LIST}" });
`;

/** Runs the command line with two open files of the workspace. */
async function runWithFiles(
  cwd: string,
  args: readonly string[],
  permissions: readonly string[] = ["-A"],
): Promise<string> {
  await Deno.writeTextFile(`${cwd}/left-open`, "token");
  const { stdout, stderr } = await new Deno.Command("/bin/bash", {
    args: [
      "-c",
      'exec 7<left-open 23<left-open; exec "$@"',
      "bash",
      ...[Deno.execPath(), "run", "--no-check", "--no-prompt", ...permissions],
      ...[CLI, ...args],
    ],
    cwd,
    clearEnv: true,
    env: cliEnv(),
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

/** Counts the lists of files, and the lines about the open file in them. */
function filesIn(text: string): { lists: number; leftOpen: number } {
  return {
    lists: text.split(" 0 -> ").length - 1,
    leftOpen: text.split("left-open").length - 1,
  };
}

const isLinux = Deno.build.os === "linux";

/** Permissions without native code, which closes files. */
const PERMISSIONS = [
  ...["--allow-env", "--allow-read", "--allow-write", "--allow-run"],
];

Deno.test({
  name: "no step inherits files that were open before the runner started",
  ignore: !isLinux,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": JOB });
    const text = await runWithFiles(path, ["run", "--job-file", "job.yaml"]);
    assertEquals(filesIn(text), { lists: 4, leftOpen: 0 }, text);
  },
});

Deno.test({
  name: "no plugin, pipeline or job inherits such files",
  ignore: !isLinux,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "plugins/plugin_lister.js": PLUGIN,
      "pipeline.ts": PIPELINE,
    });
    const job = await runWithFiles(path, [
      ...["run", "--plugin-dir", "plugins", "--allow-plugin", "lister:run=ls"],
      ...["--", "ls", "-l", "/proc/self/fd"],
    ]);
    assertEquals(filesIn(job), { lists: 2, leftOpen: 0 }, job);
    const pipeline = await runWithFiles(path, ["exec", "pipeline.ts"]);
    assertEquals(filesIn(pipeline), { lists: 1, leftOpen: 0 }, pipeline);
  },
});

Deno.test({
  name:
    "a runner that cannot close such files has a sandbox that does, or warns about untrusted steps",
  ignore: !isLinux,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": JOB });
    const text = await runWithFiles(
      path,
      ["run", "--job-file", "job.yaml"],
      PERMISSIONS,
    );
    const { problem } = await findSandbox(false);
    assertEquals(
      text.includes("Cannot close open files for untrusted steps: "),
      problem !== undefined,
      text,
    );
    const untrusted = text.split("\n")
      .filter((line) => /^untrusted.* \| .*left-open/.test(line));
    assertEquals(untrusted.length, problem === undefined ? 0 : 4, text);
  },
});

Deno.test({
  name: "doctor names files that programs inherit",
  ignore: !isLinux,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    assertMatch(
      await runWithFiles(path, ["doctor"], PERMISSIONS),
      /inherited file descriptors \((?:\d+, )*7, (?:\d+, )*23[,)]/,
    );
    assertStringIncludes(
      await runWithFiles(path, ["doctor"]),
      "programs do not inherit them from the runner",
    );
  },
});
