import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli, startCli } from "../helpers/cli.ts";
import { engine } from "../helpers/image.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Name of the image of these tests: a shell, and a few programs of this machine. */
const IMAGE = "runnerlib-workflow-test:1";

const PROGRAMS = [
  ...["sh", "cat", "id", "sleep", "mkdir", "chmod", "ln", "stat", "head"],
  ...["cksum", "find", "wc"],
];

const hasEngine = await engine("version").then(
  ({ code }) => code === 0,
  () => false,
);
if (!hasEngine) {
  if (Deno.env.get("REQUIRE_IMAGE")) {
    throw new Error("Cannot test containers of workflows: there is no engine");
  }
  console.log("Tests of containers of workflows are left out: no engine runs");
}

/** Creates the image out of what this machine has, without any network. */
async function makeImage(directory: string): Promise<void> {
  const script = `set -e
mkdir -p ${directory}/root/bin ${directory}/root/tmp
for name in ${PROGRAMS.join(" ")}; do
  program=$(readlink -f "$(command -v "$name")")
  cp "$program" "${directory}/root/bin/$name"
  for library in $(ldd "$program" | grep -o '/[^ )]*'); do
    mkdir -p "${directory}/root$(dirname "$library")"
    cp -L "$library" "${directory}/root$library"
  done
done
tar -C ${directory}/root -cf ${directory}/root.tar .`;
  const { code } = await new Deno.Command("sh", { args: ["-c", script] })
    .output();
  assertEquals(code, 0);
  const made = await engine("import", `${directory}/root.tar`, IMAGE);
  assertEquals(made.code, 0, made.stderr);
}

/** Variables of this process that lead to the engine. */
function engineEnv(): Record<string, string> {
  const host = Deno.env.get("DOCKER_HOST");
  return host === undefined ? {} : { DOCKER_HOST: host };
}

const PIPELINE = `
name: Containers
jobs:
  a:
    image: ${IMAGE}
    raw_command: true
    command: |
      id -u; cat code.txt; echo "$V $SECRET $REACTORCIDE_IN_CONTAINER $PWD"
      while read -r key value; do
        case $key in CapEff:|NoNewPrivs:) echo "$key $value";; esac
      done < /proc/self/status
      echo '{"outputs":{"x":1}}' > "$RC_WF_OUTPUT_FILE"
    environment: { V: 1.0, SECRET: "a  b" }
    resources: { memory: { limit: 64Mi } }
  b:
    image: ${IMAGE}
    raw_command: true
    needs: a
    run_as: { user: "4711:4712" }
    command: echo "$RC_WF_VARS_JSON"; id -u; id -g; exit 4
`;

Deno.test({
  name: "runnerlib workflow runs jobs in containers of their own",
  ignore: !hasEngine,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeImage(path);
    await makeFiles(path, {
      "w/pipeline.yaml": PIPELINE,
      "w/code.txt": "code\n",
    });
    const { code, stdout, stderr } = await runCli([
      ...["workflow", "run", "pipeline.yaml"],
      ...["--executor", "docker", "--network", "none"],
    ], { cwd: `${path}/w`, env: engineEnv() });
    assertEquals(code, 4, stderr);
    assertEquals(
      stdout,
      `a | 1001
a | code
a | 1.0 [REDACTED] true /job/src
a | CapEff: 0000000000000000
a | NoNewPrivs: 1
b | {"a.x":1}
b | 4711
b | 4712
`,
    );
  },
});

const WITH_ARTIFACTS = `
name: Artifacts
jobs:
  build:
    image: ${IMAGE}
    raw_command: true
    command: |
      mkdir -p dist/empty; echo built > dist/app; chmod 700 dist/app
      ln -s app dist/link
    artifacts: { dist: { paths: [dist] } }
  test:
    image: ${IMAGE}
    raw_command: true
    needs: [{ job: build, artifacts: [dist] }]
    run_as: { user: "4711:4712" }
    command: cat dist/link; stat -c "%a %u %g %n" dist/app dist/empty; echo new > dist/app
  stuck:
    image: ${IMAGE}
    raw_command: true
    timeout: 5s
    command: |
      trap '' TERM; mkdir dist
      while :; do echo late > dist/file; sleep 0.1; done
    artifacts: { log: { paths: [dist], when: always } }
  escape:
    image: ${IMAGE}
    raw_command: true
    command: mkdir dist; ln -s /etc/passwd dist/passwd
    artifacts: { dist: { paths: [dist] } }
`;

Deno.test({
  name: "runnerlib workflow passes artifacts on between containers",
  ignore: !hasEngine,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeImage(path);
    await makeFiles(path, { "w/pipeline.yaml": WITH_ARTIFACTS });
    const env = { ...engineEnv(), REACTORCIDE_CACHE_STORE: `${path}/store` };
    const { code, stdout, stderr } = await runCli([
      ...["workflow", "run", "pipeline.yaml"],
      ...["--executor", "docker", "--network", "none"],
    ], { cwd: `${path}/w`, env });
    assertEquals(code, 1, stderr);
    assertEquals(
      stdout.split("\n").filter((line) => line.startsWith("test")),
      [
        "test   | built",
        "test   | 700 4711 4712 dist/app",
        "test   | 755 4711 4712 dist/empty",
      ],
    );
    assertStringIncludes(stderr, "outside the directory of the job");
    const list = await runCli(["artifacts", "list"], { cwd: `${path}/w`, env });
    const [build, stuck] = list.stdout.split("\n");
    assertStringIncludes(build, "build  dist  4 files, 6 bytes");
    assertStringIncludes(stuck, "stuck  log  2 files, 5 bytes");
  },
});

const LARGE_TREE = `
name: Large tree
jobs:
  build:
    image: ${IMAGE}
    raw_command: true
    command: |
      head -c 4999998 /dev/urandom > random
      for group in 0 1 2 3 4 5 6 7 8 9; do
        mkdir -p dist/$group
        for file in 0 1 2 3 4 5 6 7 8 9; do
          { printf %s $group$file; cat random; } > dist/$group/$file
        done
      done
      sum=$(cat dist/*/* | cksum)
      echo "{\\"outputs\\":{\\"sum\\":\\"$sum\\"}}" > "$RC_WF_OUTPUT_FILE"
    artifacts: { dist: { paths: [dist] } }
  test:
    image: ${IMAGE}
    raw_command: true
    needs: [{ job: build, artifacts: [dist] }]
    command: |
      echo "$(find dist -type f | wc -l) $(cat dist/*/* | cksum)"
      echo "$RC_WF_VARS_JSON"
`;

Deno.test({
  name: "runnerlib workflow passes a tree of 500 MB on between containers",
  ignore: !hasEngine,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeImage(path);
    await makeFiles(path, { "w/pipeline.yaml": LARGE_TREE });
    const { code, stdout, stderr } = await runCli([
      ...["workflow", "run", "pipeline.yaml"],
      ...["--executor", "docker", "--network", "none"],
    ], {
      cwd: `${path}/w`,
      env: { ...engineEnv(), REACTORCIDE_CACHE_STORE: `${path}/store` },
    });
    assertEquals(code, 0, stderr);
    const [counted, variables] = stdout.split("\n")
      .map((line) => line.slice(line.indexOf("|") + 2));
    const [count, sum, bytes] = counted.split(" ");
    assertEquals([count, bytes], ["100", "500000000"]);
    assertEquals(JSON.parse(variables), { "build.sum": `${sum} ${bytes}` });
  },
});

Deno.test({
  name: "runnerlib workflow leaves no container behind when it is ended",
  ignore: !hasEngine,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeImage(path);
    await makeFiles(path, {
      "w/pipeline.yaml":
        `name: x\njobs: { a: { image: "${IMAGE}", raw_command: true, command: "trap 'echo asked' TERM; echo ready; sleep 300 & wait; sleep 300" } }`,
    });
    await using running = startCli([
      ...["workflow", "run", "pipeline.yaml"],
      ...["--executor", "docker", "--network", "none", "--source", "none"],
    ], { cwd: `${path}/w`, env: engineEnv() });
    await running.sees("ready");
    running.child.kill("SIGTERM");
    await running.sees("asked");
    // The second signal insists: it does not wait for the job's grace time.
    running.child.kill("SIGTERM");
    const { code } = await running.end();
    assertEquals(code, 143);
    const left = await engine("ps", "--quiet", "--filter", `ancestor=${IMAGE}`);
    assertEquals([left.code, left.stdout], [0, ""]);
  },
});

Deno.test({
  name: "runnerlib workflow tells why a job cannot run in a container",
  ignore: !hasEngine,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "pipeline.yaml":
        'name: x\njobs: { a: { image: x, steps: [{ name: s, run: x, env: { A: "${secret:a:b:c}" } }] } }',
    });
    const { code, stderr } = await runCli(
      ["workflow", "run", "pipeline.yaml", "--executor", "docker"],
      { cwd: path, env: engineEnv() },
    );
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'Cannot run job "a" in a container');
  },
});
