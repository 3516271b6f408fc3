import type { JobRun } from "../../job/job_run.ts";
import { readGrants } from "../../plugins/rights/grants.ts";
import { findOnPath } from "../../plugins/sandbox/find_deno.ts";
import { temporaryParents } from "../../workspace/temporary.ts";
import type { MigrationReport } from "./finding.ts";
import { inspectRepository } from "./inspect_repository.ts";

/**
 * Inspects a repository by the settings of this runner: what they allow already
 * is not reported. In a container, so is no program that is on `PATH`.
 *
 * @param directory Absolute path of the repository.
 * @param run The run, whose settings are resolved.
 */
export function migrateReport(
  directory: string,
  run: JobRun,
): Promise<MigrationReport> {
  const { settings, parts } = run;
  const { host, workspace, allowInsecureTransport } = parts;
  return inspectRepository(directory, {
    grantsOf: readGrants(run.settings.lines("plugin_permissions")),
    trustsPlugins: settings.isOn("trust_plugins"),
    hasPluginTimeout: settings.get("plugin_timeout") !== undefined,
    isDeep: (settings.get("fetch_depth")?.value ?? "1") !== "1",
    allowsPlainHttp: allowInsecureTransport,
    hasProgram: async (name) =>
      workspace.inContainer && await findOnPath(name, host.env) !== undefined,
    temporaryDirectories: temporaryParents({ env: host.env, workspace }),
  });
}
