import { type Containment, findContainment } from "../containment.ts";
import { type Confinement, PERL, perlWords } from "./confined_command.ts";
import { type Link, sharesMemory } from "./mount_words.ts";
import { seccompFilter } from "./seccomp_filter.ts";

/** Access of a sandboxed command. */
export interface SandboxLimits {
  /** Absolute paths without links that it can read. */
  readonly read: readonly string[];
  /** Absolute paths without links that it can write to. */
  readonly write: readonly string[];
  /** Links that lead to them. */
  readonly links: readonly Link[];
  /** Whether it can create sockets, of any family. */
  readonly hasNetwork: boolean;
}

/** The sandbox of this system. */
export interface Sandbox {
  /** Version of Landlock, from 1. */
  readonly landlockVersion: number;
  /** Gap in the sandbox on this system. */
  readonly weakness?: string;
  /** Returns how a command is confined. */
  confinementFor(limits: SandboxLimits): Confinement;
}

/** The sandbox, or why there is none. */
export type SandboxFinding =
  | { readonly sandbox: Sandbox; readonly problem?: undefined }
  | { readonly sandbox?: undefined; readonly problem: string };

/** First version of Landlock that governs `truncate`. */
const GOVERNS_TRUNCATE = 3;

/** First version of Landlock that blocks signals to other processes. */
const GOVERNS_SIGNALS = 6;

let found: Promise<SandboxFinding> | undefined;

/**
 * Determines once which sandbox this system has for commands.
 *
 * @param containment How processes are contained.
 */
export function findSandbox(
  containment: Containment,
): Promise<SandboxFinding> {
  return found ??= probe(containment);
}

/** Like {@linkcode findSandbox}, for callers that do not know the containment. */
export async function findStepSandbox(
  isInContainer: boolean,
): Promise<SandboxFinding> {
  return await findSandbox(await findContainment(isInContainer));
}

async function probe({ namespace }: Containment): Promise<SandboxFinding> {
  if (Deno.build.os !== "linux") {
    return { problem: "it needs Landlock, which only Linux has" };
  }
  const landlockVersion = await findLandlock();
  if (landlockVersion === undefined) {
    return { problem: `it needs Perl, which cannot be started as ${PERL}` };
  }
  if (landlockVersion < 1) {
    return { problem: "the kernel does not offer Landlock" };
  }
  const weakness = landlockVersion < GOVERNS_SIGNALS && namespace === undefined
    ? "signals and abstract sockets reach processes outside: that needs Landlock 6 (Linux 6.12) or PID namespaces"
    : undefined;
  const sandbox = sandboxOf(landlockVersion, weakness);
  const confinement = sandbox.confinementFor({
    read: ["/"],
    write: [],
    links: [],
    hasNetwork: false,
  });
  const words = perlWords(PERL, confinement);
  // The surroundings of the runner, such as a container, may refuse the system
  // calls.
  return await output([...words, "/bin/sh", "-c", "echo works"]) === "works\n"
    ? { sandbox }
    : { problem: "the system refuses Landlock or a filter of system calls" };
}

/** Returns 0 without Landlock, and nothing without Perl. */
async function findLandlock(): Promise<number | undefined> {
  const text = await output([
    PERL,
    "-e",
    // Create no ruleset, but return the version.
    "my $version = syscall 444, 0, 0, 1; print $version < 1 ? 0 : $version",
  ]);
  return text === undefined ? undefined : Number(text);
}

function sandboxOf(
  landlockVersion: number,
  weakness: string | undefined,
): Sandbox {
  const filterFor = (limits: SandboxLimits) =>
    seccompFilter({
      architecture: Deno.build.arch,
      refusesSockets: !limits.hasNetwork,
      refusesMemory: !sharesMemory(limits),
      refusesTruncate: landlockVersion < GOVERNS_TRUNCATE,
    });
  return {
    landlockVersion,
    weakness,
    confinementFor: (limits) => ({
      read: limits.read,
      write: limits.write,
      strict: { filter: filterFor(limits) },
    }),
  };
}

async function output(
  [program, ...args]: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, {
      args,
      cwd: "/",
      clearEnv: true,
      stdin: "null",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    // The program is missing, or Deno has no permission to start it.
    return undefined;
  }
}
