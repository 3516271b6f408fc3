import { joinList } from "../join_list.ts";
import { covers } from "../plugins/rights/rights.ts";
import type { PipelinePermission } from "./pipeline_permissions.ts";

/** Variables that Deno itself needs; a pipeline sees those that it may. */
const OF_DENO = [
  ...["DENO_DIR", "DENO_CERT", "DENO_TLS_CA_STORE", "XDG_CACHE_HOME"],
  ...["DENO_DISABLE_NODE_SHIM", "DENO_NO_UPDATE_CHECK"],
  ...["JSR_URL", "NPM_CONFIG_REGISTRY", "NODE_EXTRA_CA_CERTS"],
  ...["SSL_CERT_DIR", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY"],
  "NO_PROXY",
];

/** Variable that tells a pipeline which variables it may ask for: it cannot list them. */
const NAMES_VARIABLE = "REACTORCIDE_ENV_NAMES";

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
): Record<string, string> {
  const seen = permissions.filter(({ kind }) => kind === "env")
    .flatMap(({ values }) => values);
  const entries = Object.entries(env);
  const visible = entries.filter(([name]) =>
    seen.some((value) => covers("env", value, name))
  );
  // A name may contain any character but this separator.
  const names = visible.map(([name]) => name).filter((name) => name !== "");
  return {
    ...Object.fromEntries(entries.filter(([name]) => OF_DENO.includes(name))),
    ...Object.fromEntries(visible),
    [NAMES_VARIABLE]: joinList(names, "=", NAMES_VARIABLE),
  };
}
