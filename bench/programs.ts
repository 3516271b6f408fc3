/** Path of the Deno executable that runs the benchmarks. */
const DENO = Deno.execPath();

/** The program that is measured. */
export const CLI: string = import.meta.resolve("../cli.ts");

/**
 * Options with which the image starts the runner (see `image/build.sh`), except
 * for the pipeline configuration, which refers to files of the image.
 */
const IMAGE_FLAGS = [
  ...["run", "--quiet", "--no-config", "--unstable-lazy-dynamic-imports"],
  ...["--allow-all", "--no-prompt"],
];

/** Script that passes on the output of a command with minimal work. */
const BARE_LOOP = import.meta.resolve("./bare_loop.ts");

/** Script that does the same, and searches the output as a masker must do. */
const MASK_FLOOR = import.meta.resolve("./mask_floor.ts");

/** Variables that would configure the measured runner. */
const RUNNER_VARIABLE = /^(REACTORCIDE_|LOG_|TRACEPARENT$)/;

/** Options for {@linkcode start}. */
export interface StartOptions {
  /** Working directory. */
  cwd: string;
  /**
   * Whether to capture standard error.
   *
   * @default {false}
   */
  readStderr?: boolean;
  /**
   * Whether to capture standard output.
   *
   * @default {false}
   */
  readStdout?: boolean;
}

/** Returns the command line that runs a script with all permissions. */
export function denoRun(script: string, ...args: string[]): string[] {
  return [DENO, "run", "-A", script, ...args];
}

/** Returns the command line with which the runner runs a command. */
export function runnerlib(command: string, ...flags: string[]): string[] {
  return denoRun(CLI, "run", ...flags, "--job-command", command);
}

/** Returns the command line of a script that only passes on the output of a program. */
export function bareLoop(...argv: string[]): string[] {
  return denoRun(BARE_LOOP, ...argv);
}

/** Like {@linkcode bareLoop}, but also searches the output for secrets. */
export function maskFloor(secretCount: number, ...argv: string[]): string[] {
  return denoRun(MASK_FLOOR, `${secretCount}`, ...argv);
}

/**
 * Bundles the runner as in the image, where dynamic imports are loaded on demand.
 *
 * @param directory Directory that receives the bundle.
 * @returns Function that returns the command line to run a command.
 */
export async function imageRunner(
  directory: string,
): Promise<typeof runnerlib> {
  const start = await bundleForImage(directory);
  return (command, ...flags) => [...start, ...flags, "--job-command", command];
}

/** Like {@linkcode imageRunner}, but the command line runs a job file. */
export async function imageJob(
  directory: string,
): Promise<typeof runnerlibJob> {
  const start = await bundleForImage(directory);
  return (file, ...flags) => [...start, "--job-file", file, ...flags];
}

async function bundleForImage(directory: string): Promise<string[]> {
  const { success, stderr } = await new Deno.Command(DENO, {
    args: [
      ...["run", "--quiet", "--no-config", "--lock=image/bundle.lock"],
      ...["--frozen", "-A", "image/bundle.ts", `${directory}/bundle`],
    ],
    cwd: new URL("..", import.meta.url),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return [DENO, ...IMAGE_FLAGS, `${directory}/bundle/cli.js`, "run"];
}

/** Minimal script that runs `true` and passes on its output. */
export const SPAWN = `
const child = new Deno.Command("sh", { args: ["-c", "true"], stdout: "piped" })
  .spawn();
for await (const bytes of child.stdout) await Deno.stdout.write(bytes);
Deno.exit((await child.status).code);
`;

/**
 * Writes a minimal script that runs `true`.
 *
 * @param directory Directory that receives the script.
 * @returns The command line that runs it.
 */
export async function bareSpawn(directory: string): Promise<string[]> {
  await Deno.writeTextFile(`${directory}/spawn.ts`, SPAWN);
  return denoRun("spawn.ts");
}

/** Returns the command line with which the runner runs a job file. */
export function runnerlibJob(file: string, ...flags: string[]): string[] {
  return denoRun(CLI, "run", "--job-file", file, ...flags);
}

/** Returns the command line of a server for the pages of the runs in the directory. */
export function uiServer(): string[] {
  return denoRun(CLI, "ui");
}

/**
 * Returns the command line that pipes the output of a program to a reader.
 *
 * The exit status of a pipeline is that of the reader, so the shell kills itself
 * if the program fails.
 */
export function pipeInto(reader: string, argv: readonly string[]): string[] {
  return ["sh", "-c", `{ "$@" || kill $$; } | ${reader}`, "sh", ...argv];
}

/**
 * Pins a command line and its children to one processor, if the system supports
 * that. On two processors, the wake-up times of pipes vary too much.
 */
export function pinToProcessor(argv: readonly string[]): string[] {
  return supportsPinning() ? [...PIN, ...argv] : [...argv];
}

/** Checks whether a command can be started and succeeds. */
export function isAvailable(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    // Whatever the reason, the program cannot be used.
    return false;
  }
}

/** Starts a program without variables that would configure a runner. */
export function start(
  argv: readonly string[],
  options: StartOptions,
): Deno.ChildProcess {
  const { cwd, readStderr = false, readStdout = false } = options;
  const [program, ...args] = argv;
  return new Deno.Command(program, {
    args,
    cwd,
    env: ENVIRONMENT,
    clearEnv: true,
    stdin: "null",
    stdout: readStdout ? "piped" : "null",
    stderr: readStderr ? "piped" : "null",
  }).spawn();
}

let usesProcessorTime = false;

/**
 * Makes {@linkcode measureTime} measure processor time from now on, which depends less
 * on other load on the machine.
 *
 * @throws {Error} If there is no bash, which measures it.
 */
export function useProcessorTime(): void {
  if (!isAvailable("bash", "-c", "true")) {
    throw new Error("Cannot measure processor time: bash is not installed");
  }
  usesProcessorTime = true;
}

/** Reports the processor time of a program and its children. */
const TIME_SCRIPT = `TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null`;

/**
 * Measures the time from the start of a program to its end, or its processor time.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns Milliseconds.
 * @throws {Error} If the program fails.
 */
export async function measureTime(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  if (usesProcessorTime) {
    const stderr = await captureStderr([
      "bash",
      "-c",
      TIME_SCRIPT,
      "bash",
      ...argv,
    ], cwd);
    const [user, system] = stderr.split(" ").map(Number);
    return 1_000 * (user + system);
  }
  const startMs = performance.now();
  const status = await start(argv, { cwd }).status;
  const timeMs = performance.now() - startMs;
  assertSuccess(argv, status);
  return timeMs;
}

/**
 * Measures the time from the start of a program to the first line that it prints.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns Milliseconds.
 * @throws {Error} If the program fails.
 */
export async function measureTimeToFirstLine(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  const startMs = performance.now();
  const child = start(argv, { cwd, readStdout: true });
  let timeMs: number | undefined;
  for await (const bytes of child.stdout) {
    if (bytes.includes(10)) timeMs ??= performance.now() - startMs;
  }
  assertSuccess(argv, await child.status);
  if (timeMs === undefined) {
    throw new Error(`"${argv[0]}" exited without printing a line`);
  }
  return timeMs;
}

/**
 * Runs a program that measures something itself.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns The number that it prints on standard error.
 * @throws {Error} If the program fails.
 */
export async function measuredByProgram(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  return Number(await captureStderr(argv, cwd));
}

async function captureStderr(
  argv: readonly string[],
  cwd: string,
): Promise<string> {
  const child = start(argv, { cwd, readStderr: true });
  const [stderr, status] = await Promise.all([
    new Response(child.stderr).text(),
    child.status,
  ]);
  assertSuccess(argv, status);
  return stderr;
}

/** Throws if a measured program failed, because its result is meaningless. */
export function assertSuccess(
  argv: readonly string[],
  { success, code }: Deno.CommandStatus,
): void {
  if (success) return;
  const command = argv.join(" ").slice(0, 200);
  throw new Error(`Cannot measure "${command}": it ended with code ${code}`);
}

const PIN = ["taskset", "-c", "0"];

let isPinningSupported: boolean | undefined;

function supportsPinning(): boolean {
  const [program, ...args] = PIN;
  return isPinningSupported ??= isAvailable(program, ...args, "true");
}

const ENVIRONMENT = Object.fromEntries(
  Object.entries(Deno.env.toObject()).filter(([name]) =>
    !RUNNER_VARIABLE.test(name)
  ),
);
