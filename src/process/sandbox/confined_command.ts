import confine from "./confine.js" with { type: "text" };
import confineByPerl from "./confine.pl" with { type: "text" };
import startProgram from "./program.pl" with { type: "text" };

/** Access that the kernel grants a process and its descendants. */
export interface Confinement {
  /** Absolute paths that it can read. */
  readonly read: readonly string[];
  /** Absolute paths that it can write to. */
  readonly write: readonly string[];
  /**
   * Variables of the program in addition to those of the launcher.
   *
   * @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Maximum data memory of the program, in bytes; only Perl applies it.
   *
   * @default {no limit}
   */
  readonly maxDataBytes?: number;
  /**
   * Rules that only Perl applies: a program that cannot be confined is not
   * started, and neither signals nor abstract sockets reach processes outside.
   *
   * @default {none; the program is started anyway}
   */
  readonly strict?: {
    /** Filter of system calls, as `seccompFilter()` builds it. */
    readonly filter: Uint8Array<ArrayBuffer>;
  };
}

/** Path of Perl on all systems that have it. */
export const PERL = "/usr/bin/perl";

/** Numbers of the system calls that differ between x86_64 and aarch64. */
const SYSTEM_CALLS: Readonly<Record<string, readonly [number, number]>> = {
  SYS_SETSID: [112, 157],
  SYS_SIGMASK: [14, 135],
  SYS_UNSHARE: [272, 97],
  SYS_MOUNT: [165, 40],
  SYS_UMOUNT: [166, 39],
  SYS_PIVOT_ROOT: [155, 41],
  SYS_PRCTL: [157, 167],
  SYS_PRLIMIT: [302, 261],
  SYS_EXIT_GROUP: [231, 94],
  SYS_FCHDIR: [81, 50],
  SYS_MKNODAT: [259, 33],
  SYS_CAPGET: [125, 90],
  SYS_CAPSET: [126, 91],
};

const CODE = perlCode(confineByPerl, startProgram);

/** Combines Perl code, and inserts numbers of system calls. */
export function perlCode(...parts: readonly string[]): string {
  const at = Deno.build.arch === "x86_64" ? 0 : 1;
  return withoutComments(parts.join("\n"))
    .replaceAll(/\bSYS_\w+/g, (name) => String(SYSTEM_CALLS[name][at]));
}

/** Removes comments from Perl code, because each command parses it when it starts. */
export function withoutComments(code: string): string {
  return code.replaceAll(/^\s*(?:#.*)?\n|^ +/gm, "");
}

/**
 * Wraps a command in a launcher that confines it, if the system supports that.
 *
 * The launcher calls the kernel and then becomes the program. Perl, which most
 * systems have, starts immediately; Deno takes as long to start as a plugin.
 *
 * @param argv Absolute path of the program, and arguments.
 * @param confinement Access of the program.
 * @param launcher Path of Deno, and of Perl if it is available.
 * @returns Program and arguments. If the program is not confined, its first
 * line of output says so.
 */
export function confinedCommand(
  argv: readonly string[],
  confinement: Confinement,
  { deno, perl }: { deno: string; perl?: string },
): string[] {
  if (perl !== undefined) return [...perlWords(perl, confinement), ...argv];
  const code = new TextEncoder().encode(confine).toBase64();
  return [
    deno,
    ...["run", "--quiet", "--no-config", "--no-lock", "--no-remote", "-A"],
    `data:text/javascript;base64,${code}`,
    JSON.stringify({ env: {}, ...confinement, argv }),
  ];
}

/**
 * Returns the words that precede a command which Perl confines.
 *
 * @param before Perl code that is executed before.
 */
export function perlWords(
  perl: string,
  confinement: Confinement,
  before = "",
): string[] {
  return [
    ...[perl, "-e", `${before}${CODE}`],
    ...confinement.strict === undefined ? [] : ["c0"],
    ...ruleWords(confinement),
    ...accessByPath(confinement).entries()
      .map(([path, access]) => `p${access}${path}`),
    "--",
  ];
}

/** Words for `confine.pl` about everything but paths. */
export function ruleWords(
  { env = {}, maxDataBytes, strict }: Confinement,
): string[] {
  return [
    ...strict === undefined ? ["?0"] : ["!0", `f0${strict.filter.toHex()}`],
    ...maxDataBytes === undefined ? [] : [`d0${maxDataBytes}`],
    ...Object.entries(env).map(([name, value]) => `v0${name}=${value}`),
  ];
}

/** Access by path, as bits for `confine.pl`: 1 to read, 2 to write. */
export type AccessByPath = ReadonlyMap<string, number>;

/** Merges the paths to read and to write. */
export function accessByPath({ read, write }: Confinement): AccessByPath {
  const access = new Map(read.map((path) => [path, 1]));
  for (const path of write) access.set(path, (access.get(path) ?? 0) | 2);
  return access;
}
