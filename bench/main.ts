/**
 * The benchmarks:
 * `deno task bench [GROUP…] [--quick] [--processor] [--mib=SIZE] [--write]`.
 *
 * The runner and a baseline are measured in the same run, because only their ratio
 * is comparable across machines. The exit code is 0 even if goals are missed: a
 * benchmark is not a test. With `--write`, the results also go to `results.md`,
 * with a description of the machine and a plot.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { cachedSteps } from "./cached_steps.ts";
import { artifacts } from "./artifacts.ts";
import { container, listLayers } from "./container.ts";
import { checkoutSize, checkoutTime } from "./checkout.ts";
import { generateRepository } from "./generated_repository.ts";
import { graph } from "./graph.ts";
import { makeLog, makeSecrets } from "./log_file.ts";
import { logs } from "./logs.ts";
import { type Benchmark, runBenchmark } from "./measure.ts";
import { firstRun } from "./first_run.ts";
import { floods, hardCases } from "./mask_cases.ts";
import { maskSpeed } from "./mask_speed.ts";
import { masking } from "./masking.ts";
import { memory } from "./memory.ts";
import { plugins } from "./plugins.ts";
import { stall } from "./stall.ts";
import { useProcessorTime } from "./programs.ts";
import { record } from "./record.ts";
import { registrations } from "./registrations.ts";
import { Results } from "./results.ts";
import { restoredTree } from "./restored_tree.ts";
import { startup } from "./startup.ts";
import { sandbox } from "./sandbox.ts";
import { startProfile } from "./start_profile.ts";
import { steps } from "./steps.ts";
import { workflow } from "./workflow.ts";

/** Size of the measurements. */
interface Sizes {
  /** Size of the log, in bytes. */
  readonly logBytes: number;
  /** Number of steps of the job in the benchmark of records. */
  readonly stepCount: number;
  /** Number of rotations of benchmarks that take seconds. */
  readonly rotationCount: number;
  /** Number of rotations of benchmarks that take milliseconds. */
  readonly shortRotationCount: number;
}

const MIB = 1024 * 1024;

/** Maximum size of the tree that a job passes to another, in bytes. */
const TREE_BYTES = 500 * MIB;

/** Maximum size of the log in the benchmark of stalls, in bytes. */
const STALL_LOG_BYTES = 256 * MIB;

type Group = (directory: string, sizes: Sizes) => Promise<void>;

const GROUPS: Readonly<Record<string, Group>> = {
  async startup(directory, { shortRotationCount }) {
    await runAndReport(await startup(directory), shortRotationCount);
    results.addText(await startProfile(directory, shortRotationCount));
  },
  async first_run(directory, { rotationCount }) {
    await using benchmark = await firstRun(directory);
    await runAndReport(benchmark, rotationCount);
  },
  async container(directory, { rotationCount }) {
    const benchmark = await container(directory);
    if (benchmark === undefined) {
      results.addText(
        "First line of a container: skipped because the image is missing",
      );
      return;
    }
    await runAndReport(benchmark, rotationCount);
    results.addText(await listLayers());
  },
  async steps(directory, { rotationCount }) {
    await runAndReport(await steps(directory), rotationCount);
    await runAndReport(await sandbox(directory), rotationCount);
  },
  async cache(directory, { rotationCount }) {
    await runAndReport(await cachedSteps(directory), rotationCount);
  },
  async restore(directory, { logBytes, rotationCount }) {
    await runAndReport(await restoredTree(directory, logBytes), rotationCount);
  },
  async record(directory, { stepCount, rotationCount }) {
    await using benchmark = await record(directory, stepCount);
    await runAndReport(benchmark, rotationCount);
  },
  async graph(_directory, { rotationCount }) {
    await runAndReport(graph(), rotationCount);
  },
  async workflow(directory, { rotationCount }) {
    await runAndReport(workflow(directory), rotationCount);
  },
  async plugins(directory, { shortRotationCount }) {
    await runAndReport(await plugins(directory), shortRotationCount);
  },
  async logs(directory, { logBytes, rotationCount }) {
    await using log = await makeLog({ directory, sizeBytes: logBytes });
    await runAndReport(await logs(directory, log.name), rotationCount);
  },
  async masking(directory, { logBytes, rotationCount }) {
    results.addText(maskSpeed());
    await runAndReport(hardCases(), rotationCount);
    await runAndReport(floods(), rotationCount);
    const hits = { secrets: makeSecrets(100), everyBytes: 200 };
    await using log = await makeLog({ directory, sizeBytes: logBytes });
    await runAndReport(registrations(directory, log.name), rotationCount);
    await using dense = await makeLog({
      directory,
      sizeBytes: logBytes,
      hits,
    });
    await runAndReport(await masking(directory, log, dense), rotationCount);
  },
  async stall(directory, { logBytes, rotationCount }) {
    const sizeBytes = Math.min(logBytes, STALL_LOG_BYTES);
    await using log = await makeLog({ directory, sizeBytes });
    await runAndReport(stall(directory, log.name), rotationCount);
  },
  async checkout(directory, { rotationCount }) {
    for (const commitCount of [2_000, 12_000]) {
      const path = `${directory}/${commitCount}.git`;
      const repository = await generateRepository(path, commitCount);
      await runAndReport(
        checkoutTime(directory, repository, commitCount),
        rotationCount,
      );
      await runAndReport(checkoutSize(directory, repository, commitCount), 1);
    }
  },
  async artifacts(directory, { logBytes, rotationCount }) {
    const treeBytes = Math.min(logBytes, TREE_BYTES);
    await runAndReport(artifacts(directory, treeBytes), rotationCount);
  },
  async memory(directory, { logBytes: sizeBytes, rotationCount }) {
    await using lines = await makeLog({ directory, sizeBytes });
    await using line = await makeLog({ directory, sizeBytes, hasLines: false });
    const benchmark = await memory(directory, lines.name, line.name);
    await runAndReport(benchmark, rotationCount);
  },
};

const results = new Results();

async function runAndReport(
  benchmark: Benchmark,
  rotationCount: number,
): Promise<void> {
  const labeled = processor
    ? { ...benchmark, title: `${benchmark.title}, by processor time` }
    : benchmark;
  results.addBenchmark(labeled, await runBenchmark(benchmark, rotationCount));
}

const unknownOptions: string[] = [];
const { _: selected, quick, processor, mib, write } = parseArgs(Deno.args, {
  boolean: ["quick", "processor", "write"],
  string: ["_", "mib"],
  default: { mib: "1024" },
  unknown(argument, option) {
    if (option !== undefined) unknownOptions.push(argument);
  },
});
const groups = selected.length > 0 ? selected.map(String) : Object.keys(GROUPS);
const unknownGroups = groups.filter((name) => !Object.hasOwn(GROUPS, name));
const unknown = [...unknownOptions, ...unknownGroups];
if (unknown.length > 0 || !(Number(mib) > 0)) {
  const names = Object.keys(GROUPS).join(" | ");
  console.error(
    `Usage: deno task bench [${names}] [--quick] [--processor] [--mib=SIZE] [--write]`,
  );
  Deno.exit(2);
}
if (processor) useProcessorTime();
const sizes = quick
  ? {
    logBytes: 32 * MIB,
    stepCount: 200,
    rotationCount: 3,
    shortRotationCount: 5,
  }
  : {
    logBytes: Number(mib) * MIB,
    stepCount: 1_000,
    rotationCount: 7,
    shortRotationCount: 21,
  };
const directory = await Deno.makeTempDir({ prefix: "runnerlib-bench-" });
const removeDirectory = () => Deno.removeSync(directory, { recursive: true });
Deno.addSignalListener("SIGINT", () => {
  removeDirectory();
  Deno.exit(130);
});
try {
  for (const name of groups) await GROUPS[name](directory, sizes);
  if (write) {
    const scope = quick ? "a quick run" : `a whole run with ${mib} MiB of log`;
    await results.write(
      import.meta.dirname!,
      `${scope} of ${groups.join(", ")}`,
    );
  }
} finally {
  removeDirectory();
}
// The listener for SIGINT would keep the process alive.
Deno.exit(0);
