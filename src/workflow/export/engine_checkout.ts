import { Variable } from "../../environment/variables.ts";
import { findKey } from "../definition/definition_source.ts";
import type { ExportedJob } from "./exported_job.ts";
import type { LossList } from "./losses.ts";

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
const KNOWN = [Variable.fetchDepth, Variable.submodules, Variable.gitLfs];
const LOST = [
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
export function engineCheckout(
  { definition: { name, env }, sources }: ExportedJob,
  { needsHistory, losses, engine }: {
    needsHistory: boolean;
    losses: LossList;
    engine: string;
  },
): EngineCheckout {
  for (const [variable, key] of LOST) {
    if (env[variable] === undefined) continue;
    losses.add(
      findKey(sources, ["checkout", key, variable]) ?? sources[0],
      `job "${name}": checkout.${key} does not apply, because ${engine} checks out the code`,
    );
  }
  const [depth = "1", submodules, lfs] = KNOWN.map((variable) => env[variable]);
  return {
    depth: needsHistory ? 0 : Number(depth) || 0,
    submodules: submodules === "on" || submodules === "recursive"
      ? submodules
      : "off",
    lfs: lfs === "auto" || lfs === "off" ? lfs : undefined,
  };
}
