import type { Confinement } from "./confined_command.ts";
import { seccompFilter } from "./seccomp_filter.ts";

/** Maximum time of a probe, in milliseconds. */
const PROBE_MS = 5_000;

/** Command that must work under any confinement. */
const COMMAND = ["/bin/sh", "-c", "echo > /dev/null && echo works"];

/**
 * Perl code of a probe. It prints the version of Landlock, and 0 in a second line if
 * programs inherit no capabilities.
 */
export const PRINT_FACTS = `$| = 1;
print syscall(444, 0, 0, 1), "\\n";
open my $facts, "<", "/proc/self/status";
print 2 == grep(/^Cap(?:Inh|Amb):\\s*0+$/, <$facts>) ? 0 : 1, "\\n";
close $facts;
`;

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

/** Result of a probe. */
export interface Probe {
  /** Whether the command started and succeeded. */
  readonly works: boolean;
  /** Version of Landlock, if it was printed; less than 1 without Landlock. */
  readonly landlockVersion?: number;
  /** Whether programs certainly inherit no capabilities. */
  readonly inheritsNothing: boolean;
  /** Standard error of the program. */
  readonly errors: string;
}

/**
 * Tests whether a launcher can start a command.
 *
 * @returns The result; `undefined` if the program cannot be started.
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
      inheritsNothing: lines[1] === "0",
      errors: decoder.decode(stderr),
      ...Number.isInteger(version) ? { landlockVersion: version } : {},
    };
  } catch {
    // The program is missing, or Deno has no permission to start it.
    return undefined;
  }
}
