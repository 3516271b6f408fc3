import { main } from "../../src/cli/main.ts";
import {
  type RecordingHost,
  recordingHost,
} from "../../src/testing/recorded_system.ts";
import { cliEnv, type CliOptions, type CliResult } from "./cli.ts";

/** Options for {@linkcode runMain}. */
export interface RunMainOptions extends CliOptions {
  /** Content of standard input; none if it is `undefined`. */
  stdin?: string | Uint8Array<ArrayBuffer>;
  /** Width of the terminal, if the program runs on one. */
  columns?: number;
}

/** Creates the host of a command line that runs in this process. */
export function createMainHost(options: RunMainOptions): RecordingHost {
  const { stdin, columns } = options;
  const isTerminal = () => columns !== undefined;
  const host = recordingHost({ env: cliEnv(options.env), cwd: options.cwd });
  return {
    ...host,
    stdout: { ...host.stdout, isTerminal },
    stderr: { ...host.stderr, isTerminal },
    ...stdin === undefined
      ? {}
      : { stdin: { readable: new Blob([stdin]).stream(), isTerminal } },
    ...columns === undefined
      ? {}
      : { consoleSize: () => ({ columns, rows: 40 }) },
  };
}

/** Runs the command line in this process, without starting a program. */
export async function runMain(
  args: readonly string[],
  options: RunMainOptions,
): Promise<CliResult> {
  const host = createMainHost(options);
  const code = await main(args, host);
  return { code, ...host.printed };
}
