/** A performance goal. */
export interface Goal {
  /** Description of the measurement: a single number, or ours / the baseline. */
  readonly what: string;
  /** Maximum acceptable ratio, or number in the unit of the table. */
  readonly limit: number;
}

/**
 * The goals of all benchmarks, by name. "Bare" is the smallest Deno script with
 * the same effect. The table in `README.md` shows them.
 */
export const GOALS = {
  "G1": { what: "`run true` in the image / bare spawn", limit: 1.3 },
  "G1 source": { what: "`run true` from source / bare spawn", limit: 1.6 },
  "G1b": { what: "`run true` in the image / empty script", limit: 1.5 },
  "G2": {
    what: "first run from a registry / a single-file package",
    limit: 2.5,
  },
  "G3": {
    what: "1,000 steps of `true`, two at a time / `ninja -j2`",
    limit: 1.2,
  },
  "G3b": { what: "steps with a record / without", limit: 1.05 },
  "G3c": { what: "steps while a page follows the run / without", limit: 1.02 },
  "G3d": { what: "overhead of a step's sandbox, ms", limit: 3 },
  "G3e": {
    what: "overhead of a step's sandbox / its system calls alone",
    limit: 1.3,
  },
  "G4": { what: "log without secrets / bare loop", limit: 1.1 },
  "G4 cat": { what: "log without secrets / `cat \\| cat`", limit: 1.75 },
  "G4 stall": { what: "longest stall of the event loop, ms", limit: 50 },
  "G5": { what: "log with 100 secrets / without", limit: 1.4 },
  "G6": { what: "log with 1,000 secrets / without", limit: 1.6 },
  "G6 few": { what: "log with 1,000 secrets / with 10", limit: 1.2 },
  "G6 flood": { what: "log during 1,000 registrations / without", limit: 2 },
  "G7": { what: "log with secrets / `rg --passthru -F -f -r`", limit: 0.4 },
  "G8": { what: "100 secrets, a match every 200 bytes / no match", limit: 1.5 },
  "G8 hard": { what: "colored or escaped lines / a normal log", limit: 2.5 },
  "G8 digits": {
    what: "base64 or hexadecimal text / a normal log",
    limit: 8,
  },
  "G8 run": {
    what: "a secret of one repeated character / a normal secret",
    limit: 2,
  },
  "G8 near": { what: "near misses / a normal log", limit: 8 },
  "G9": {
    what: "peak memory of a masked log in the image / bare loop",
    limit: 1.15,
  },
  "G9 source": { what: "the same from source / bare loop", limit: 1.25 },
  "G10": {
    what: "checkout of one of 12,000 commits / full clone, time",
    limit: 0.3,
  },
  "G10 size": { what: "the same, bytes", limit: 0.08 },
  "G10 hand": {
    what: "checkout / the same git commands in a shell",
    limit: 1.1,
  },
  "G11": {
    what: "time per no-op step, 100,000 steps / 10,000 steps",
    limit: 1.3,
  },
  "G11 jobs": {
    what: "time per no-op job, 10,000 jobs / 2,500 jobs",
    limit: 1.3,
  },
  "G11 resume": {
    what: "`--resume` of 10,000 completed jobs, ms",
    limit: 2_000,
  },
  "G12": {
    what:
      "overhead of 20 sandboxed plugins / 20 bare `deno run`, two at a time",
    limit: 1.3,
  },
  "G12 call": { what: "overhead of one plugin call, ms", limit: 1 },
  "G13": { what: "100 steps, all cached, ms", limit: 150 },
  "G14": { what: "64 KiB of hostile input, hostile secrets, ms", limit: 50 },
  "G15": { what: "restoring a tree of 50,000 files / `tar -x`", limit: 1.3 },
} as const satisfies Readonly<Record<string, Goal>>;

/** Name of a goal. */
export type GoalName = keyof typeof GOALS;

/** Returns the goals as a Markdown table. */
export function goalTable(): string {
  const rows = Object.entries(GOALS)
    .map(([name, { what, limit }]) => `| ${name} | ${what} | ≤ ${limit} |`);
  return ["| goal | what | limit |", "| --- | --- | --- |", ...rows].join("\n");
}
