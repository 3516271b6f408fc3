import { absolutePath } from "../job_path.ts";
import { osReason, RunnerError } from "../errors.ts";

/**
 * Maximum size of one argument or variable on Linux, in bytes with its
 * terminator: `MAX_ARG_STRLEN`, 32 pages of 4 KiB.
 */
const MAX_TEXT_BYTES = 32 * 4096;

/**
 * Maximum size of all arguments and variables, in bytes: a quarter of the usual
 * stack limit of 8 MiB on Linux; `ARG_MAX` on macOS.
 */
const MAX_TOTAL_BYTES = Deno.build.os === "linux" ? 2_097_152 : 1_048_576;

/** Overhead of each string, in bytes: its terminator and a pointer. */
const TEXT_OVERHEAD_BYTES = 9;

/** Maximum number of strings that a message names, the largest first. */
const SHOWN_COUNT = 3;

/** Options for {@linkcode checkCommandSize}. */
export interface CheckCommandSizeOptions {
  /** Name of the command in the message. */
  name: string;
  /** The complete environment. */
  env: Readonly<Record<string, string>>;
}

/**
 * Checks the size of a command. Otherwise, the system rejects it as "argument
 * list too long" without naming the cause.
 *
 * @throws {RunnerError} `command-not-executable`, naming the largest strings.
 */
export function checkCommandSize(
  argv: readonly string[],
  { name, env }: CheckCommandSizeOptions,
): void {
  // A UTF-16 unit takes at most three bytes, so the exact size is rarely
  // needed.
  let upperBoundBytes = 0;
  let longest = 0;
  for (const text of argv) {
    upperBoundBytes += text.length * 3 + TEXT_OVERHEAD_BYTES;
    longest = Math.max(longest, text.length);
  }
  for (const [variable, value] of Object.entries(env)) {
    const length = variable.length + value.length + 1;
    upperBoundBytes += length * 3 + TEXT_OVERHEAD_BYTES;
    longest = Math.max(longest, length);
  }
  if (upperBoundBytes < MAX_TOTAL_BYTES && longest * 3 < MAX_TEXT_BYTES) return;
  const sizes = [
    ...argv.map((text, at) => ({
      what: `argument ${at}`,
      bytes: countBytes(text),
    })),
    ...Object.entries(env).map(([variable, value]) => ({
      what: `variable "${variable}"`,
      bytes: countBytes(variable) + 1 + countBytes(value),
    })),
  ].sort((one, other) => other.bytes - one.bytes);
  const [largest] = sizes;
  if (Deno.build.os === "linux" && largest.bytes >= MAX_TEXT_BYTES) {
    throw createRefusal(
      name,
      `its ${largest.what} has ${largest.bytes} bytes, and the system ` +
        `allows ${MAX_TEXT_BYTES - 1} for one`,
    );
  }
  const total = sizes.reduce(
    (sum, { bytes }) => sum + bytes + TEXT_OVERHEAD_BYTES,
    0,
  );
  if (total < MAX_TOTAL_BYTES) return;
  const shown = sizes.slice(0, SHOWN_COUNT)
    .map(({ what, bytes }) => `${what} (${bytes})`);
  throw createRefusal(
    name,
    `its arguments and variables have ${total} bytes, and the system allows ` +
      `${MAX_TOTAL_BYTES}; the largest are ${shown.join(", ")}`,
  );
}

function countBytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

function createRefusal(name: string, state: string): RunnerError {
  return new RunnerError(`Cannot start "${name}": ${state}`, {
    code: "command-not-executable",
    exitCode: 126,
  });
}

/**
 * Checks that a program can be executed, searching for it as `execvp` does.
 *
 * @param name Name or path of the program.
 * @param cwd Directory in which it is started.
 * @param path Value of `PATH`.
 * @throws {RunnerError} If it does not exist or cannot be executed.
 */
export function checkProgram(name: string, cwd: string, path = ""): void {
  const places = name.includes("/")
    ? [absolutePath(name, cwd)]
    : path.split(":").map((directory) => `${directory || cwd}/${name}`);
  const files = places.filter(isFileSync);
  if (files.some((file) => (Deno.statSync(file).mode! & 0o111) !== 0)) return;
  const exists = files.length > 0 ||
    name.includes("/") && isDirectory(places[0]);
  throw startError(
    name,
    cwd,
    exists
      ? new Deno.errors.PermissionDenied("Permission denied")
      : new Deno.errors.NotFound(),
  );
}

/**
 * Creates the error of a program that cannot be started.
 *
 * @param program Name of the program.
 * @param cwd Directory in which it is started.
 * @param cause Error that Deno threw.
 * @returns The error; a missing permission of Deno is returned unchanged.
 */
export function startError(
  program: string,
  cwd: string,
  cause: unknown,
): unknown {
  // Deno's own message names the missing permission.
  if (cause instanceof Deno.errors.NotCapable) return cause;
  if (!isDirectory(cwd)) {
    return new RunnerError(
      `Cannot start "${program}" in "${cwd}": no such directory`,
      { code: "workspace", cause },
    );
  }
  const isMissing = cause instanceof Deno.errors.NotFound;
  const reason = isMissing ? "command not found" : osReason(cause);
  return new RunnerError(`Cannot start "${program}": ${reason}`, {
    code: isMissing ? "command-not-found" : "command-not-executable",
    exitCode: isMissing ? 127 : 126,
    cause,
  });
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    // Without permission to check it, the directory is not reported as the
    // cause.
    return error instanceof Deno.errors.NotCapable;
  }
}

/** Checks whether a path is a file, or a link to one. */
export function isFileSync(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // A file that cannot be found cannot be used.
    return false;
  }
}
