/** Deno, as it runs the benchmarks. */
const DENO = Deno.execPath();

/** The program that is measured. */
export const CLI: string = import.meta.resolve("../cli.ts");

/**
 * Options with which the image starts the runner, as `image/build.sh` writes them,
 * without the configuration for pipelines, which names files of the image.
 */
const IMAGE_FLAGS = [
  ...["run", "--quiet", "--no-config", "--unstable-lazy-dynamic-imports"],
  ...["--allow-read", "--allow-write", "--allow-env", "--allow-run"],
  ...["--allow-net", "--no-prompt"],
];

/** A script that does the least with the output of a command. */
const BARE_LOOP = import.meta.resolve("./bare_loop.ts");

/** Variables that would steer the measured runner. */
const STEERING = /^(REACTORCIDE_|LOG_|TRACEPARENT$)/;

/** Options for {@linkcode start}. */
export interface StartOptions {
  /** Working directory. */
  cwd: string;
  /**
   * Whether the text on standard error is wanted.
   *
   * @default {false}
   */
  readStderr?: boolean;
  /**
   * Whether the text on standard output is wanted.
   *
   * @default {false}
   */
  readStdout?: boolean;
}

/** Gives the command line that runs a script with every permission. */
export function denoRun(script: string, ...args: string[]): string[] {
  return [DENO, "run", "-A", script, ...args];
}

/** Gives the command line with which the runner runs a command. */
export function runnerlib(command: string, ...flags: string[]): string[] {
  return denoRun(CLI, "run", ...flags, "--job-command", command);
}

/** Gives the command line of a script that only moves the output of a program on. */
export function bareLoop(...argv: string[]): string[] {
  return denoRun(BARE_LOOP, ...argv);
}

/**
 * Bundles the runner as it is in the image, where what is imported late is
 * loaded late.
 *
 * @param directory Directory that receives the bundle.
 * @returns Gives the command line with which it runs a command.
 */
export async function imageRunner(
  directory: string,
): Promise<typeof runnerlib> {
  const { success, stderr } = await new Deno.Command(DENO, {
    args: [
      ...["run", "--quiet", "--no-config", "--lock=image/bundle.lock"],
      ...["--frozen", "-A", "image/bundle.ts", `${directory}/bundle`],
    ],
    cwd: new URL("..", import.meta.url),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const start = [DENO, ...IMAGE_FLAGS, `${directory}/bundle/cli.js`, "run"];
  return (command, ...flags) => [...start, ...flags, "--job-command", command];
}

/** The least that a script can do to run a command and pass on what it prints. */
export const SPAWN = `
const child = new Deno.Command("sh", { args: ["-c", "true"], stdout: "piped" })
  .spawn();
for await (const bytes of child.stdout) await Deno.stdout.write(bytes);
Deno.exit((await child.status).code);
`;

/**
 * Writes a script that does the least to run `true`.
 *
 * @param directory Directory that receives the script.
 * @returns The command line that runs it.
 */
export async function bareSpawn(directory: string): Promise<string[]> {
  await Deno.writeTextFile(`${directory}/spawn.ts`, SPAWN);
  return denoRun("spawn.ts");
}

/** Gives the command line with which the runner runs a job file. */
export function runnerlibJob(file: string, ...flags: string[]): string[] {
  return denoRun(CLI, "run", "--job-file", file, ...flags);
}

/** Gives the command line that serves the pages of the runs in the directory. */
export function uiServer(): string[] {
  return denoRun(CLI, "ui");
}

/**
 * Gives the command line of a program in front of a reader.
 *
 * The status of a pipeline is that of the reader, so a failure of the program
 * has to be made known in another way.
 */
export function pipedInto(reader: string, argv: readonly string[]): string[] {
  return ["sh", "-c", `{ "$@" || kill $$; } | ${reader}`, "sh", ...argv];
}

/**
 * Keeps a command line and what it starts on one processor, where that can be
 * done: across two, the wake-ups of a pipe differ more than what is measured.
 */
export function pinned(argv: readonly string[]): string[] {
  return canPin() ? [...PIN, ...argv] : [...argv];
}

/** Tells whether a program can be started. */
export function isThere(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    // Whatever the reason: it cannot take part.
    return false;
  }
}

/** Starts a program that uses no network. */
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

let takesProcessorTime = false;

/**
 * Makes {@linkcode timeOf} take processor time from now on. Other programs on
 * the machine change it less.
 *
 * @throws {Error} If there is no bash, which takes it.
 */
export function takeProcessorTime(): void {
  if (!isThere("bash", "-c", "true")) {
    throw new Error("Cannot take processor time: there is no bash");
  }
  takesProcessorTime = true;
}

/** Reports the processor time of a program and of what it has started. */
const TIMED = `TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null`;

/**
 * Takes the time from the start of a program to its end, or its processor time.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns Milliseconds.
 * @throws {Error} If the program fails.
 */
export async function timeOf(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  if (takesProcessorTime) {
    const said = await textSaidBy(["bash", "-c", TIMED, "bash", ...argv], cwd);
    const [user, system] = said.split(" ").map(Number);
    return 1_000 * (user + system);
  }
  const startMs = performance.now();
  const status = await start(argv, { cwd }).status;
  const timeMs = performance.now() - startMs;
  mustSucceed(argv, status);
  return timeMs;
}

/**
 * Takes the time from the start of a program to the first line that it prints.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns Milliseconds.
 * @throws {Error} If the program fails.
 */
export async function timeToLine(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  const startMs = performance.now();
  const child = start(argv, { cwd, readStdout: true });
  let timeMs: number | undefined;
  for await (const bytes of child.stdout) {
    if (bytes.includes(10)) timeMs ??= performance.now() - startMs;
  }
  mustSucceed(argv, await child.status);
  if (timeMs === undefined) throw new Error(`"${argv[0]}" printed no line`);
  return timeMs;
}

/**
 * Runs a program that measures something itself.
 *
 * @param argv Program and arguments.
 * @param cwd Working directory.
 * @returns The number that it says on standard error.
 * @throws {Error} If the program fails.
 */
export async function saidBy(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  return Number(await textSaidBy(argv, cwd));
}

async function textSaidBy(
  argv: readonly string[],
  cwd: string,
): Promise<string> {
  const child = start(argv, { cwd, readStderr: true });
  const [said, status] = await Promise.all([
    new Response(child.stderr).text(),
    child.status,
  ]);
  mustSucceed(argv, status);
  return said;
}

/** Throws if a measured program has failed: its number means nothing. */
export function mustSucceed(
  argv: readonly string[],
  { success, code }: Deno.CommandStatus,
): void {
  if (success) return;
  const command = argv.join(" ").slice(0, 200);
  throw new Error(`Cannot measure "${command}": it ended with code ${code}`);
}

const PIN = ["taskset", "-c", "0"];

let pinWorks: boolean | undefined;

function canPin(): boolean {
  const [program, ...args] = PIN;
  return pinWorks ??= isThere(program, ...args, "true");
}

const ENVIRONMENT = Object.fromEntries(
  Object.entries(Deno.env.toObject()).filter(([name]) => !STEERING.test(name)),
);
