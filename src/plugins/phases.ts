/** The phases of a job at which plugins are called, in their order. */
export const PHASES = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
  "post_source_prep",
  "pre_execution",
  "post_execution",
  "on_error",
  "cleanup",
] as const;

/** A phase of a job. */
export type Phase = typeof PHASES[number];

/** Older names of phases, from the time when executing meant to start a container. */
export const PHASE_ALIASES = {
  pre_container: "pre_execution",
  post_container: "post_execution",
} as const satisfies Readonly<Record<PhaseAlias, Phase>>;

/** An older name of a phase. */
export type PhaseAlias = "pre_container" | "post_container";

/** Names of the methods that a phase calls; a plugin has at most one of them. */
export const PHASE_METHODS = {
  pre_validation: ["preValidation"],
  post_validation: ["postValidation"],
  pre_source_prep: ["preSourcePrep"],
  post_source_prep: ["postSourcePrep"],
  pre_execution: ["preExecution", "preContainer"],
  post_execution: ["postExecution", "postContainer"],
  on_error: ["onError"],
  cleanup: ["cleanup"],
} as const satisfies Readonly<Record<Phase, readonly string[]>>;

/**
 * Finds the phase that a name stands for.
 *
 * @param name Name or older name of a phase.
 * @returns The phase, `undefined` if there is none of that name.
 */
export function phaseOf(name: unknown): Phase | undefined {
  const phases: readonly unknown[] = PHASES;
  if (phases.includes(name)) return name as Phase;
  return typeof name === "string" && Object.hasOwn(PHASE_ALIASES, name)
    ? PHASE_ALIASES[name as PhaseAlias]
    : undefined;
}
