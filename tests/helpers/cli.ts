import { cacheVariables, NETWORK, pickVariables } from "./passed_variables.ts";

/** Directory of the repository. */
export const REPOSITORY: string = import.meta.dirname!.replace(
  /\/tests\/helpers$/,
  "",
);

/** The command line of the package. */
export const CLI: string = `${REPOSITORY}/cli.ts`;

/** Options for {@linkcode startCli}. */
export interface CliOptions {
  /** Directory in which the command line is started. */
  cwd: string;
  /** Variables in addition to those that every run needs. */
  env?: Record<string, string>;
  /**
   * Whether it is started with SIGHUP ignored, as `nohup` does.
   *
   * @default {false}
   */
  ignoresHangup?: boolean;
  /**
   * Permissions of Deno.
   *
   * @default {["-A"]}
   */
  permissions?: readonly string[];
}

/**
 * A running command line, which is ended together with its job when it is
 * disposed.
 */
export interface RunningCli extends AsyncDisposable {
  /** The process. */
  readonly child: Deno.ChildProcess;
  /** Resolves when standard output, or the other stream, contains a text. */
  sees(text: string, stream?: "stdout" | "stderr"): Promise<void>;
  /** Standard output so far. */
  readonly stdout: string;
  /** Standard error so far. */
  readonly stderr: string;
  /** Waits for the end, and returns the result. */
  end(): Promise<CliResult>;
}

/** Result of a command line. */
export interface CliResult {
  /** Exit code. */
  code: number;
  /** Standard output, byte by byte. */
  stdout: string;
  /** Standard error. */
  stderr: string;
}

/**
 * Returns the environment of a command line: what it needs, and the variables
 * of the test.
 */
export function cliEnv(
  env: Record<string, string> = {},
): Record<string, string> {
  return {
    ...pickVariables(["PATH", ...NETWORK]),
    ...cacheVariables(),
    REACTORCIDE_IN_CONTAINER: "false",
    NO_COLOR: "1",
    ...env,
  };
}

/** Starts the command line. */
export function startCli(args: string[], options: CliOptions): RunningCli {
  const { permissions = ["-A"] } = options;
  const argv = [
    ...[Deno.execPath(), "run", "--no-prompt", ...permissions, "--no-check"],
    ...[CLI, ...args],
  ];
  const [program, ...rest] = options.ignoresHangup
    ? ["/bin/sh", "-c", `trap '' HUP; exec "$@"`, "sh", ...argv]
    : argv;
  const child = new Deno.Command(program, {
    args: rest,
    cwd: options.cwd,
    clearEnv: true,
    env: cliEnv(options.env),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const latin1 = new TextDecoder("latin1");
  const utf8 = new TextDecoder();
  const printed = { stdout: "", stderr: "" };
  let wake = () => {};
  const read = async (name: keyof typeof printed, decoder: TextDecoder) => {
    for await (const bytes of child[name]) {
      printed[name] += decoder.decode(bytes, { stream: true });
      wake();
    }
    wake();
  };
  const reading = Promise.all([read("stdout", latin1), read("stderr", utf8)]);
  return {
    child,
    get stdout() {
      return printed.stdout;
    },
    get stderr() {
      return printed.stderr;
    },
    async sees(text, stream = "stdout") {
      let over = false;
      const ended = reading.then(() => over = true);
      while (!printed[stream].includes(text)) {
        if (over) throw new Error(`Ended with: ${Object.values(printed)}`);
        await Promise.race([
          ended,
          new Promise<void>((resolve) => wake = resolve),
        ]);
      }
    },
    async end() {
      const { code } = await child.status;
      await reading;
      return { code, ...printed };
    },
    async [Symbol.asyncDispose]() {
      try {
        // The second signal kills the job.
        for (let count = 0; count < 2; count++) child.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      await Promise.all([child.status, reading]);
    },
  };
}

/** Runs the command line to its end. */
export function runCli(
  args: string[],
  options: CliOptions,
): Promise<CliResult> {
  return startCli(args, options).end();
}
