import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import CustomBuildPlugin from "../../examples/plugins/plugin_custom_build.ts";
import {
  runZoo,
  type ZooOptions,
  type ZooResult,
} from "../helpers/plugin_zoo.ts";
import { testRunner } from "../helpers/test_runner.ts";

const examples = new URL("../../examples/plugins/", import.meta.url);

/** Runs a job with one of the examples. */
async function runExample(
  name: string,
  options: ZooOptions = {},
): Promise<ZooResult> {
  const text = await Deno.readTextFile(new URL(`plugin_${name}`, examples));
  return await runZoo({ [name]: text }, options);
}

const BUILD_LINES = [
  "[plugin:custom_build] Setting up custom build environment...",
  "[plugin:custom_build] Build succeeded! Uploading artifacts...",
];

Deno.test("custom_build works in its own process", async () => {
  const { result, stderr } = await runExample("custom_build.ts");
  assertEquals(result?.status, "success");
  for (const line of BUILD_LINES) assertStringIncludes(stderr, line);
});

Deno.test("custom_build works in the process of a pipeline", async () => {
  await using test = await testRunner();
  test.runner.registerPlugin(new CustomBuildPlugin());
  await test.runner.runJob({ command: "true" });
  for (const line of BUILD_LINES) assertStringIncludes(test.stderr(), line);
});

Deno.test("custom_build works in the runner's process if it is trusted", async () => {
  const { stderr } = await runExample("custom_build.ts", {
    plugins: { trust: true },
  });
  for (const line of BUILD_LINES) assertStringIncludes(stderr, line);
});

Deno.test("job_timer measures source and execution", async () => {
  const { result } = await runExample("job_timer.ts", {
    command: "sleep 0.05",
  });
  const metrics = new Map(
    result?.metrics.map(({ plugin, name, value }) => {
      assertEquals(plugin, "job_timer");
      return [name, value];
    }),
  );
  assertEquals([...metrics.keys()].sort(), ["execution_ms", "source_ms"]);
  assert(metrics.get("execution_ms")! >= 50);
  assertEquals(result?.hooks.map(({ phase }) => phase), [
    "pre_source_prep",
    "post_source_prep",
    "pre_execution",
    "post_execution",
  ]);
});

Deno.test("env_injector sets variables of the command", async () => {
  const { stdout } = await runExample("env_injector.ts", {
    command: 'echo "$BUILD_ID from $BUILD_REF"',
    env: { BUILD_ID: "42" },
    secrets: { envNames: [] },
    source: { ref: "main" },
    plugins: { permissions: { env_injector: { env: ["BUILD_*"] } } },
  });
  assertEquals(stdout, "42 from main\n");
});

Deno.test("artifact_collector lists artifacts with checksums", async () => {
  let list = "";
  const { result } = await runExample("artifact_collector.ts", {
    command:
      "mkdir -p job/artifacts/deep && printf a > job/artifacts/deep/a && printf '' > job/artifacts/b",
    plugins: {
      permissions: {
        artifact_collector: {
          write: ["$ARTIFACTS_DIR"],
          read: ["$ARTIFACTS_DIR"],
        },
      },
    },
    async inspect(path) {
      list = await Deno.readTextFile(`${path}/job/artifacts/manifest.json`);
    },
  });
  assertEquals(result?.status, "success");
  assertEquals(JSON.parse(list), {
    artifacts: [
      {
        path: "b",
        size: 0,
        sha256:
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      },
      {
        path: "deep/a",
        size: 1,
        sha256:
          "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
      },
    ],
  });
});

Deno.test("webhook_notifier sends the format of Slack", async () => {
  const told: unknown[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      told.push(await request.json());
      return new Response("ok");
    },
  );
  const host = `127.0.0.1:${server.addr.port}`;
  const { result } = await runExample("webhook_notifier.ts", {
    command: "exit 3",
    hostEnv: { WEBHOOK_URL: `http://${host}/hook` },
    plugins: {
      permissions: {
        webhook_notifier: { env: ["WEBHOOK_URL"], net: [host] },
      },
    },
  });
  assertEquals(result?.exitCode, 3);
  assertEquals(told, [{ text: ":x: `exit 3` has failed (exit code 3)" }]);
});

Deno.test("webhook_notifier does not fail a job if it lacks permissions", async () => {
  const { result, stderr } = await runExample("webhook_notifier.ts");
  assertEquals(result?.status, "success");
  assertStringIncludes(stderr, 'no env access to "WEBHOOK_URL"');
});

Deno.test("resource_limiter inserts limits before the command", async () => {
  const { stdout } = await runExample("resource_limiter.ts", {
    command: "ulimit -n; ulimit -t",
    hostEnv: { LIMIT_CPU_SECONDS: "33", LIMIT_OPEN_FILES: "77" },
    plugins: {
      permissions: {
        resource_limiter: { config: ["job_command"], env: ["LIMIT_*"] },
      },
    },
  });
  assertEquals(stdout, "77\n33\n");
});

Deno.test("a program is a plugin only if it is permitted", async () => {
  const files = { "plugins/plugin_gauge.sh": GAUGE };
  const refused = await runZoo({}, { files, command: "true" });
  assertMatch(refused.message, /plugin_gauge\.sh": it is not executable/);
  const command = "true";
  await using test = await testRunner({ REACTORCIDE_IN_CONTAINER: "false" });
  await Deno.mkdir(`${test.path}/programs`);
  const path = `${test.path}/programs/plugin_gauge.sh`;
  await Deno.writeTextFile(path, GAUGE);
  await Deno.chmod(path, 0o755);
  const error = await test.runner.runJob({
    command,
    plugins: { dir: "programs" },
  }).catch((error) => error);
  assertStringIncludes(error.message, "--allow-plugin gauge:run=*");
  const { metrics } = await test.runner.runJob({
    command,
    plugins: { dir: "programs", permissions: { gauge: { run: ["*"] } } },
  });
  assertEquals(metrics.map(({ name, value }) => [name, value]), [["load", 5]]);
});

/** A plugin in a shell, which reads no JSON: it is called once. */
const GAUGE = `#!/bin/sh
echo '{"type":"ready","plugins":[{"name":"gauge","phases":["cleanup"]}]}'
read -r call
echo '{"type":"metric","name":"load","value":5}'
echo '{"type":"done","id":1,"changes":{}}'
read -r rest
`;
