import type { Confinement } from "./confined_command.ts";
import { seccompFilter } from "./seccomp_filter.ts";

/** Maximum time of a probe, in milliseconds. */
const PROBE_MS = 5_000;

/** What a command must be able to do, however it is confined. */
const COMMAND = ["/bin/sh", "-c", "echo > /dev/null && echo works"];

/** Perl code of a probe, which prints the version of Landlock. */
export const PRINT_VERSION = '$| = 1; print syscall(444, 0, 0, 1), "\\n";';

/** The narrowest rules. */
export const NARROWEST: Confinement = {
  read: ["/"],
  write: ["/dev/null"],
  strict: {
    filter: seccompFilter({
      architecture: Deno.build.arch,
      refusesSockets: true,
      refusesMemory: true,
      refusesTruncate: true,
      refusesOtherProcesses: true,
    }),
  },
};

/** What a probe found. */
export interface Probe {
  /** Whether the command started, and could do what it must be able to do. */
  readonly works: boolean;
  /** Version of Landlock, if it was printed; less than 1 without Landlock. */
  readonly landlockVersion?: number;
  /** What the program printed on standard error. */
  readonly errors: string;
}

/**
 * Tries whether a command can be started behind some words.
 *
 * @returns What was found; `undefined` if the program cannot be started.
 */
export async function probe(
  words: readonly string[],
): Promise<Probe | undefined> {
  const [program, ...args] = [...words, ...COMMAND];
  // On a terminal, Deno would prompt for a program that no job file names.
  const { state } = Deno.permissions.querySync({
    name: "run",
    command: program,
  });
  if (state !== "granted") return undefined;
  try {
    const { stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: "/",
      clearEnv: true,
      stdin: "null",
      signal: AbortSignal.timeout(PROBE_MS),
    }).output();
    const decoder = new TextDecoder();
    const lines = decoder.decode(stdout).trim().split("\n");
    const works = lines.at(-1) === "works";
    const version = Number(lines[0]);
    return {
      works,
      errors: decoder.decode(stderr),
      ...Number.isInteger(version) ? { landlockVersion: version } : {},
    };
  } catch {
    // The program is missing, or Deno has no permission to start it.
    return undefined;
  }
}
