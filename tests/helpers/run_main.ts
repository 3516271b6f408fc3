import { main } from "../../src/cli/main.ts";
import type { Host } from "../../src/host.ts";
import { cliEnv, type CliOptions, type CliResult } from "./cli.ts";

/** Options for {@linkcode runMain}. */
export interface RunMainOptions extends CliOptions {
  /** Content of standard input; none if it is `undefined`. */
  stdin?: string | Uint8Array<ArrayBuffer>;
  /** Width of the terminal, if the program runs on one. */
  columns?: number;
}

/** A host that records what is printed. */
export interface RecordingHost {
  /** The host; signals never reach it. */
  readonly host: Host;
  /** Output so far. */
  readonly printed: { stdout: string; stderr: string };
}

/** Creates the host of a command line that runs in this process. */
export function recordingHost(options: RunMainOptions): RecordingHost {
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
  const host = {
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
  };
  return { host, printed };
}

/** Runs the command line in this process, without starting a program. */
export async function runMain(
  args: readonly string[],
  options: RunMainOptions,
): Promise<CliResult> {
  const { host, printed } = recordingHost(options);
  const code = await main(args, host);
  return { code, ...printed };
}
