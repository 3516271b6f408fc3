/** Engines to which workflows can be exported. */
export const ENGINES = ["gitlab", "github", "argo"] as const;

/** An engine that runs workflows. */
export type WorkflowEngine = (typeof ENGINES)[number];
