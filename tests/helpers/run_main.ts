import { main } from "../../src/cli/main.ts";
import { cliEnv, type CliOptions, type CliResult } from "./cli.ts";

/** Options for {@linkcode runMain}. */
export interface RunMainOptions extends CliOptions {
  /** Text on standard input; none if it is `undefined`. */
  stdin?: string;
  /** Width of the terminal, if the program runs on one. */
  columns?: number;
}

/** Runs the command line in this process, which takes no start of a program. */
export async function runMain(
  args: readonly string[],
  options: RunMainOptions,
): Promise<CliResult> {
  const printed = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof printed) => {
    const decoder = new TextDecoder();
    return {
      write(bytes: Uint8Array) {
        printed[name] += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
      isTerminal: () => options.columns !== undefined,
    };
  };
  const { stdin, columns } = options;
  const code = await main(args, {
    env: cliEnv(options.env),
    cwd: options.cwd,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    ...stdin === undefined ? {} : {
      stdin: {
        readable: new Blob([stdin]).stream(),
        isTerminal: () => columns !== undefined,
      },
    },
    ...columns === undefined
      ? {}
      : { consoleSize: () => ({ columns, rows: 40 }) },
    onSignal: () => ({ [Symbol.dispose]: () => {} }),
  });
  return { code, ...printed };
}
