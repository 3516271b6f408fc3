import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";

/**
 * Looks for a program as `execvp` does.
 *
 * @param name Name or path of the program.
 * @param cwd Directory in which it is started.
 * @param path Directories that are looked through, as in `PATH`.
 * @throws {RunnerError} If it is not there, or cannot be executed.
 */
export function checkProgram(name: string, cwd: string, path = ""): void {
  const places = name.includes("/")
    ? [name.startsWith("/") ? name : `${cwd}/${name}`]
    : path.split(":").map((directory) => `${directory || cwd}/${name}`);
  const files = places.filter(isFile);
  if (files.some((file) => (Deno.statSync(file).mode! & 0o111) !== 0)) return;
  const isThere = files.length > 0 ||
    name.includes("/") && isDirectory(places[0]);
  throw startError(
    name,
    cwd,
    isThere
      ? new Deno.errors.PermissionDenied("Permission denied")
      : new Deno.errors.NotFound(),
  );
}

/**
 * Makes the error of a program that cannot be started.
 *
 * @param program Name of the program.
 * @param cwd Directory in which it is started.
 * @param cause What Deno throws.
 * @returns The error; that of a missing permission stays as it is.
 */
export function startError(
  program: string,
  cwd: string,
  cause: unknown,
): unknown {
  // A permission that Deno was not given is told in Deno's own words.
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
    // Whoever may not look cannot blame the directory.
    return error instanceof Deno.errors.NotCapable;
  }
}

/** Whether there is a file, or a link to one. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // What cannot be seen cannot be used.
    return false;
  }
}
