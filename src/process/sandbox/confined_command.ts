import confine from "./confine.js" with { type: "text" };
import confineByPerl from "./confine.pl" with { type: "text" };

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

/** Perl, where all systems that have it have it. */
export const PERL = "/usr/bin/perl";

/**
 * Wraps a command in a launcher that confines it, if the system supports that.
 *
 * The launcher calls the kernel and then becomes the program. Perl, which most
 * systems have, starts immediately; Deno takes as long to start as a plugin.
 *
 * @param argv Absolute path of the program, and arguments.
 * @param confinement What it may access.
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

/** Returns the words that precede a command which Perl confines. */
export function perlWords(perl: string, confinement: Confinement): string[] {
  const restores = confinement.strict === undefined ? [] : ["c"];
  return [
    ...[perl, "-e", `${confineByPerl}\nrun_confined(@ARGV);`],
    ...[Deno.build.arch, ...restores, ...confinementWords(confinement)],
  ];
}

/** Returns arguments of `run_confined` in `confine.pl`, up to the command. */
export function confinementWords(confinement: Confinement): string[] {
  const { read, write, env = {}, maxDataBytes, strict } = confinement;
  return [
    ...maxDataBytes === undefined ? [] : [`d${maxDataBytes}`],
    ...strict === undefined ? [] : ["!", `f${strict.filter.toHex()}`],
    ...read.map((path) => `r${path}`),
    ...write.map((path) => `w${path}`),
    ...Object.entries(env).map(([name, value]) => `e${name}=${value}`),
    "--",
  ];
}
