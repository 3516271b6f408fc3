/**
 * Prevents programs from inheriting files that the runner itself inherited.
 *
 * The program that started the runner may have left files open, such as one
 * with credentials. Deno closes only its own files when it starts a program.
 * Here, the kernel is asked to close all others as well.
 *
 * @module
 */

/** C library with `syscall`, which Deno has loaded already. */
const LIBRARY = "libc.so.6";

/** Number of the system call `close_range`, the same for every architecture. */
const CLOSE_RANGE = 436n;

/** First descriptor after the standard streams. */
const FIRST = 3n;

/** Last possible descriptor. */
const LAST = 0xffff_ffffn;

/** Flag of `close_range`: close the files when a program is started. */
const ON_EXEC = 4n;

/** Prints the descriptors above 2 that a program inherits. */
const LIST = `for file in /dev/fd/*; do
  number=\${file##*/}
  if [ "$number" -gt 2 ] && [ -e "$file" ]; then echo "$number"; fi
done`;

let areClosed: boolean | undefined;

/**
 * Makes every program that this process starts from now on inherit only the
 * standard streams. The process itself keeps its files.
 *
 * @returns Whether the system supports it (Linux 5.11), and Deno allows native
 * code.
 */
export function closeFilesOnExec(): boolean {
  return areClosed ??= setCloseOnExec();
}

function setCloseOnExec(): boolean {
  if (Deno.build.os !== "linux") return false;
  // On a terminal, Deno would prompt.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return false;
  }
  try {
    const library = Deno.dlopen(LIBRARY, {
      syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
    });
    const result = library.symbols.syscall(CLOSE_RANGE, FIRST, LAST, ON_EXEC);
    library.close();
    return result === 0n;
  } catch {
    // The system has another C library.
    return false;
  }
}

/**
 * Determines why programs may read files that this process inherited.
 *
 * @returns The reason; `undefined` if they cannot, or if there are none.
 */
export async function findInheritedFiles(): Promise<string | undefined> {
  if (closeFilesOnExec()) return undefined;
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", LIST],
    cwd: "/",
    clearEnv: true,
    stdin: "null",
    stderr: "null",
  }).output();
  const numbers = new TextDecoder().decode(stdout).split("\n")
    .filter((line) => line !== "")
    .sort((one, other) => Number(one) - Number(other));
  if (numbers.length === 0) return undefined;
  return `the runner inherited file descriptors (${numbers.join(", ")}), and ` +
    (Deno.build.os === "linux"
      ? "closing them requires Linux 5.11, glibc and Deno's permission ffi"
      : "they can be closed only on Linux");
}
