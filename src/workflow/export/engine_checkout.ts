import { Variable } from "../../environment/variables.ts";
import { findKey } from "../definition/definition_source.ts";
import type { ExportedJob } from "./exported_job.ts";
import type { ExportWarnings } from "./export_warnings.ts";

/** Checkout settings for an engine. */
export interface EngineCheckout {
  /** Number of commits; 0 for all. */
  readonly depth: number;
  /** Which submodules are checked out. */
  readonly submodules: "off" | "on" | "recursive";
  /** How files in Git LFS are fetched; `undefined` if it is not set. */
  readonly lfs: "auto" | "off" | undefined;
}

/** Variables of supported checkout settings, and of unsupported ones with their keys. */
const SUPPORTED = [Variable.fetchDepth, Variable.submodules, Variable.gitLfs];
const UNSUPPORTED = [
  [Variable.sparsePaths, "sparse_paths"],
  [Variable.gitFilter, "filter"],
  [Variable.checkoutMode, "mode"],
] as const;

/**
 * Returns the checkout settings of a job for an engine, and reports settings that
 * the engine does not support.
 *
 * @param needsHistory Whether changed files have to be found.
 */
export function checkoutSettings(
  { definition: { name, env }, sources }: ExportedJob,
  { needsHistory, warnings, engine }: {
    needsHistory: boolean;
    warnings: ExportWarnings;
    engine: string;
  },
): EngineCheckout {
  for (const [variable, key] of UNSUPPORTED) {
    if (env[variable] === undefined) continue;
    warnings.add(
      findKey(sources, ["checkout", key, variable]) ?? sources[0],
      `job "${name}": checkout.${key} is not exported: ${engine} checks out the code`,
    );
  }
  const [depth = "1", submodules, lfs] = SUPPORTED.map((variable) =>
    env[variable]
  );
  return {
    depth: needsHistory ? 0 : Number(depth) || 0,
    submodules: submodules === "on" || submodules === "recursive"
      ? submodules
      : "off",
    lfs: lfs === "auto" || lfs === "off" ? lfs : undefined,
  };
}
