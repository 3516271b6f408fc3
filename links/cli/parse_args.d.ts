/** Options for {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Put what follows `--` under that key instead of into `_`. */
  "--"?: boolean;
  /** Other names of an option. */
  alias?: Record<string, string | readonly string[]>;
  /** Options without a value. */
  boolean?: readonly string[];
  /** Options that gather their values in an array. */
  collect?: readonly string[];
  /** Values of options that were not given. */
  default?: Record<string, unknown>;
  /** Boolean options that `--no-` turns off. */
  negatable?: readonly string[];
  /** Stop at the first argument that is no option. */
  stopEarly?: boolean;
  /** Options whose value stays text. */
  string?: readonly string[];
  /** Called for what no other setting names; `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/**
 * Parsed arguments.
 *
 * In std the named options have types of their own; `unknown` is stricter, so
 * that what compiles here compiles there as well.
 */
export interface Args {
  /** Arguments that belong to no option. */
  _: (string | number)[];
  /** What follows `--`, if asked for. */
  "--"?: string[];
  /** An option. */
  [name: string]: unknown;
}

/** Parses command line arguments. */
export function parseArgs(args: string[], options?: ParseOptions): Args;
