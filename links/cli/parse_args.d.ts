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
  /** Boolean options that `--no-` turns off. */
  negatable?: readonly string[];
  /** Stop at the first argument that is no option. */
  stopEarly?: boolean;
  /** Options whose value stays text. */
  string?: readonly string[];
  /** Called for what no other setting names; `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Parsed arguments. */
export interface Args {
  /** Arguments that belong to no option. */
  _: (string | number)[];
  /** What follows `--`, if asked for. */
  "--"?: string[];
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

/** Parses command line arguments. */
export function parseArgs(args: string[], options?: ParseOptions): Args;
