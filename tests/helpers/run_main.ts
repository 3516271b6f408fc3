import { main } from "../../src/cli/main.ts";
import { cliEnv, type CliOptions, type CliResult } from "./cli.ts";

/** Runs the command line in this process, which takes no start of a program. */
export async function runMain(
  args: readonly string[],
  options: CliOptions,
): Promise<CliResult> {
  const printed = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof printed) => {
    const decoder = new TextDecoder();
    return {
      write(bytes: Uint8Array) {
        printed[name] += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
      isTerminal: () => false,
    };
  };
  const code = await main(args, {
    env: cliEnv(options.env),
    cwd: options.cwd,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    onSignal: () => ({ [Symbol.dispose]: () => {} }),
  });
  return { code, ...printed };
}
