import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import { OF_DENO, OF_DENO_FETCH, Variable } from "../environment/variables.ts";
import { joinList } from "../join_list.ts";
import { covers } from "../plugins/rights/rights.ts";
import type { PipelinePermission } from "./pipeline_permissions.ts";

/** Variables that Deno itself needs; a pipeline cannot read them. */
const NEEDED = [...OF_DENO, ...OF_DENO_FETCH, "DENO_NO_UPDATE_CHECK"];

/**
 * Gives the environment of a pipeline: what it may see, and what Deno needs.
 *
 * @param env Environment of the runner.
 * @param permissions Permissions of the pipeline.
 * @returns The whole environment.
 */
export function pipelineEnvironment(
  env: Readonly<Record<string, string>>,
  permissions: readonly PipelinePermission[],
): ChildEnvironment {
  const granted = permissions.filter(({ kind }) => kind === "env")
    .flatMap(({ values }) => values);
  const isGranted = (name: string) =>
    granted.some((value) => covers("env", value, name));
  const inherited = childEnvironment(env, {
    kind: "pipeline",
    mayUse: (name) => NEEDED.includes(name) || isGranted(name),
  });
  // A name may contain any character but this separator.
  const names = Object.keys(inherited)
    .filter((name) => name !== "" && isGranted(name));
  return {
    ...inherited,
    // A pipeline cannot list the variables that it may ask for.
    [Variable.envNames]: joinList(names, "=", Variable.envNames),
  };
}
