import { findContainment, probeNamespaces } from "../containment.ts";
import { type Confinement, PERL, perlWords } from "./confined_command.ts";
import { type Link, sharesMemory } from "./mount_words.ts";
import { NARROWEST, PRINT_FACTS, probe } from "./probe.ts";
import { seccompFilter } from "./seccomp_filter.ts";

/** Access of a sandboxed command. */
export interface SandboxLimits {
  /** Absolute paths without links that it can read. */
  readonly read: readonly string[];
  /** Absolute paths without links that it can write to. */
  readonly write: readonly string[];
  /** Links to these paths. */
  readonly links: readonly Link[];
  /** Whether it can create sockets of any family. */
  readonly hasNetwork: boolean;
  /** Whether it can create raw sockets, which read the packets of all processes. */
  readonly hasRawSockets: boolean;
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

/** First version of Landlock that blocks signals and abstract sockets. */
const GOVERNS_SIGNALS = 6;

/**
 * Determines which sandbox this system has for commands.
 *
 * @param isInContainer Whether the runner is in a container for this job.
 */
export async function findSandbox(
  isInContainer: boolean,
): Promise<SandboxFinding> {
  const [landlockVersion, { namespace }] = await Promise.all([
    landlock ??= findLandlock(),
    findContainment(isInContainer),
  ]);
  if (typeof landlockVersion === "string") return { problem: landlockVersion };
  const isShared = namespace === undefined;
  const known = sandboxes.get(isShared);
  if (known) return { sandbox: known };
  const weakness = findWeakness(landlockVersion, isShared);
  const sandbox = createSandbox(landlockVersion, { isShared, weakness });
  sandboxes.set(isShared, sandbox);
  return { sandbox };
}

/**
 * Determines what a sandbox does not prevent.
 *
 * @param landlockVersion Version of Landlock.
 * @param isShared Whether other processes are visible in it.
 * @returns The gap; `undefined` if there is none.
 */
export function findWeakness(
  landlockVersion: number,
  isShared: boolean,
): string | undefined {
  if (landlockVersion >= GOVERNS_SIGNALS) return undefined;
  // Namespaces of processes do not contain sockets.
  const what = isShared ? "signals and abstract sockets" : "abstract sockets";
  return `${what} reach processes outside, which only Landlock 6 (Linux 6.12) prevents`;
}

/** Sandboxes that were found, by whether they are shared. */
const sandboxes = new Map<boolean, Sandbox>();

let landlock: Promise<number | string> | undefined;

/** Returns the version of Landlock, or why it cannot be used. */
async function findLandlock(): Promise<number | string> {
  if (Deno.build.os !== "linux") {
    return "it requires Landlock, which only Linux has";
  }
  const { landlockVersion } = await probeNamespaces();
  if (landlockVersion !== undefined) return landlockVersion;
  const found = await probe(perlWords(PERL, NARROWEST, PRINT_FACTS));
  if (found?.landlockVersion === undefined) {
    return `it requires Perl, which cannot be started as ${PERL}`;
  }
  if (found.landlockVersion < 1) return "the kernel does not support Landlock";
  // The environment of the runner, such as a container, may block the system
  // calls.
  return found.works
    ? found.landlockVersion
    : "the system refuses Landlock or a filter of system calls";
}

/** Builds a sandbox; it is shared if other processes are visible in it. */
function createSandbox(
  landlockVersion: number,
  { isShared, weakness }: { isShared: boolean; weakness?: string },
): Sandbox {
  const filters = new Map<string, Uint8Array<ArrayBuffer>>();
  const filterFor = (limits: SandboxLimits) => {
    const refusesSockets = !limits.hasNetwork;
    const refusesRawSockets = !limits.hasRawSockets;
    const refusesMemory = !sharesMemory(limits);
    const key = `${refusesSockets} ${refusesRawSockets} ${refusesMemory}`;
    const filter = filters.get(key) ?? seccompFilter({
      architecture: Deno.build.arch,
      refusesSockets,
      refusesRawSockets,
      refusesMemory,
      refusesTruncate: landlockVersion < GOVERNS_TRUNCATE,
      refusesOtherProcesses: isShared,
    });
    filters.set(key, filter);
    return filter;
  };
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
