import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describeImage, inImage } from "../helpers/image.ts";
import {
  makeFiles,
  openToAll,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A pipeline that imports the package and std in every way that users write. */
const PIPELINE = `
import { Job, runJob } from "@reactorcide/runnerlib";
import { PHASES } from "@reactorcide/runnerlib/plugins";
import { runJob as same } from "jsr:@reactorcide/runnerlib@^0.1.0";
import { assertStrictEquals } from "jsr:@std/assert@1";
import { join } from "@std/path/posix/join";

assertStrictEquals(runJob, same);
assertStrictEquals(PHASES.length, 8);
const job = new Job({ name: "offline" });
const { exitCode } = await runJob({ command: \`echo from \${join("a", "b")}; exit 4\` });
Deno.exit(exitCode);
`;

/** A pipeline whose job looks for programs that the image does not have. */
const SEARCH = `
import { runJob } from "@reactorcide/runnerlib";

const { exitCode } = await runJob({ command: "command -v node npx" });
Deno.exit(exitCode);
`;

/** A plugin that does what it was granted, and tries what it was not. */
const PLUGIN = `
export const manifest = { permissions: { env: ["GREETING"] } };

export default {
  name: "curious",
  async preExecution({ env, log }) {
    env.GREETING = "hello from a plugin";
    const read = await Deno.readTextFile("/etc/passwd").then(() => "yes", (e) => e.name);
    log("may read: " + read);
  },
};
`;

/** Where a worker starts the command of a job. */
const IN_SOURCE = "--workdir=/job/src";

describeImage("without a network, the image runs", (it) => {
  for (
    const [name, argv] of [
      ["a pipeline", ["deno", "run", "--allow-all", "pipeline.ts"]],
      ["a pipeline with few permissions", [
        ...["runnerlib", "exec", "pipeline.ts"],
      ]],
      ["a pipeline of a package, by the configuration of the image", [
        ...["sh", "-c"],
        `echo '{"name":"app","dependencies":{"left-pad":"1"}}' >package.json &&
         deno run --config=/deno.json --allow-all pipeline.ts`,
      ]],
    ] as const
  ) {
    it(name, async () => {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, { "src/pipeline.ts": PIPELINE });
      await openToAll(directory.path);
      const { code, stdout, stderr } = await inImage(
        [...argv],
        [`--volume=${directory.path}:/job`, IN_SOURCE],
      );
      assertEquals(code, 4, stderr);
      assertEquals(stdout, "from a/b\n");
    });
  }

  it("no Deno in the place of Node.js", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "src/pipeline.ts": SEARCH });
    await openToAll(directory.path);
    const { code, stdout } = await inImage(
      ["runnerlib", "exec", "pipeline.ts"],
      [`--volume=${directory.path}:/job`, IN_SOURCE],
    );
    assertEquals([code, stdout], [127, ""]);
  });

  it("a plugin in its own process, which may do only what it was granted", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "src/": "",
      "plugins/plugin_curious.ts": PLUGIN,
    });
    await openToAll(directory.path);
    const { code, stdout, stderr } = await inImage(
      [
        ...["runnerlib", "run", "--plugin-dir", "/job/plugins"],
        ...["--allow-plugin", "curious:env=GREETING"],
        ...["--secret-env-names", "none"],
        ...["--job-command", "echo $GREETING"],
      ],
      [`--volume=${directory.path}:/job`, IN_SOURCE],
    );
    assertEquals(code, 0, stderr);
    assertEquals(stdout, "hello from a plugin\n");
    assertStringIncludes(stderr, "may read: NotCapable");
  });

  it("a job file of steps, with yaml and its problems", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "src/job.yaml": "steps:\n  - name: a\n    run: echo one\n",
      "src/wrong.yaml": "steps:\n  - name: a\n    rum: echo one\n",
    });
    await openToAll(directory.path);
    const volume = [`--volume=${directory.path}:/job`, IN_SOURCE];
    const right = await inImage(
      ["runnerlib", "run", "--job-file", "job.yaml"],
      volume,
    );
    assertEquals(right.code, 0, right.stderr);
    assertStringIncludes(right.stdout, "one");
    const wrong = await inImage(
      ["runnerlib", "run", "--job-file", "wrong.yaml"],
      volume,
    );
    assertEquals(wrong.code, 1);
    assertMatch(wrong.stderr, /wrong\.yaml:3/);
  });
});
