import type { JobResult, RunJobOptions } from "@reactorcide/runnerlib";
import { soon, until } from "./soon.ts";
import { cacheVariables } from "./passed_variables.ts";
import { makeFiles } from "./temporary_directory.ts";
import { testRunner } from "./test_runner.ts";

/** Result of a job with plugins. */
export interface ZooResult {
  /** Result of the job; `undefined` if it was refused. */
  result: JobResult | undefined;
  /** Message of the error, with or without a result. */
  message: string;
  /** Standard output of the job. */
  stdout: string;
  /** Messages of the runner and its plugins. */
  stderr: string;
  /** Directory of the runner. */
  path: string;
}

/** Options for {@linkcode runZoo}. */
export interface ZooOptions extends RunJobOptions {
  /** Environment of the runner. */
  hostEnv?: Record<string, string>;
  /** More files, by their paths from the directory of the runner. */
  files?: Record<string, string>;
  /** Text in the log of the runner that cancels the job when it appears. */
  cancelAt?: string;
  /** Inspects the directory before it is removed. */
  inspect?: (path: string) => Promise<void>;
}

/** Runs a job with plugin files: names without `plugin_`, and contents. */
export async function runZoo(
  plugins: Record<string, string>,
  options: ZooOptions = {},
): Promise<ZooResult> {
  const { hostEnv, files = {}, inspect, cancelAt, ...job } = options;
  await using test = await testRunner({
    ...cacheVariables(),
    REACTORCIDE_IN_CONTAINER: "false",
    ...hostEnv,
  });
  await makeFiles(test.path, {
    ...Object.fromEntries(
      Object.entries(plugins)
        .map(([name, text]) => [`plugins/plugin_${name}`, text]),
    ),
    ...files,
  });
  const cancellation = new AbortController();
  const running = test.runner.runJob({
    command: "echo ran",
    signal: cancellation.signal,
    ...job,
    plugins: { dir: "plugins", ...job.plugins },
  });
  let result: JobResult | undefined;
  let error: Error | undefined;
  if (cancelAt !== undefined) {
    await until(() => test.stderr().includes(cancelAt), `"${cancelAt}"`);
    cancellation.abort();
  }
  try {
    result = await soon(running, "the end of the job");
    error = result.error;
  } catch (thrown) {
    error = thrown as Error;
  }
  await inspect?.(test.path);
  return {
    result,
    message: error?.message ?? "",
    stdout: test.stdout(),
    stderr: test.stderr(),
    path: test.path,
  };
}

/** Returns a plugin file with one method that has the given body. */
export function zooPlugin(body: string, more = ""): string {
  return `${more}
    export default { name: "beast", async preExecution(context) { ${body} } };`;
}
