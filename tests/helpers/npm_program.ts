import { cliEnv } from "./cli.ts";

/** Result of a program. */
export interface ProgramResult {
  /** Exit code. */
  readonly code: number;
  /** Output on both streams. */
  readonly output: string;
}

/** Options for {@linkcode runNpmProgram}. */
export interface NpmProgramOptions {
  /** Directory in which it runs. */
  cwd: string;
  /** Variables in addition to those that every program needs. */
  env?: Record<string, string>;
  /** Content of standard input. */
  stdin?: string;
}

/**
 * Runs the program of an npm package with Deno, which downloads it when it is
 * first used. It is not a dependency of the repository.
 *
 * @param specifier Name and version of the package.
 */
export async function runNpmProgram(
  specifier: string,
  args: readonly string[],
  options: NpmProgramOptions,
): Promise<ProgramResult> {
  return await runDeno(["run", "-A", `npm:${specifier}`, ...args], options);
}

/**
 * Runs code that imports npm packages, which are not dependencies of the
 * repository.
 *
 * @param code Module in TypeScript.
 */
export async function runNpmCode(
  code: string,
  options: NpmProgramOptions,
): Promise<ProgramResult> {
  return await runDeno(["eval", code], options);
}

async function runDeno(
  [command, ...args]: readonly string[],
  { cwd, env = {}, stdin = "" }: NpmProgramOptions,
): Promise<ProgramResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [command, "--quiet", "--no-lock", "--no-config", ...args],
    cwd,
    clearEnv: true,
    env: cliEnv({ HOME: cwd, ...env }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const writing = writer.write(new TextEncoder().encode(stdin))
    .then(() => writer.close());
  const { code, stdout, stderr } = await child.output();
  await writing;
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}
