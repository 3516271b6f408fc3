import type { OptionName } from "../options/options.ts";
import { jobPathProblem } from "../job_path.ts";
import type { SandboxSetting } from "../plugins/load_sandboxed.ts";
import { readGrants } from "../plugins/rights/grants.ts";
import { findDeno } from "../plugins/sandbox/find_deno.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import { triggersOfWire } from "../triggers/triggers_file.ts";
import type { JobRun } from "./job_run.ts";
import { registerSecret } from "./register_secret.ts";

/** The run for which plugins are loaded; a command that inspects them has none. */
export type SandboxedRun =
  & Pick<JobRun, "parts" | "settings" | "findSecrets">
  & Partial<Pick<JobRun, "areTriggersOpen">>;

/**
 * Puts together what plugins in processes of their own have to do with.
 *
 * @param run The run, whose settings are not validated yet.
 * @param ciCopy Absolute path at which the CI source will be read.
 * @returns The setting.
 * @throws {RunnerError} `invalid-config`, if a permission is none;
 * `plugin-failed`, if there is no Deno.
 */
export async function sandboxSetting(
  run: SandboxedRun,
  ciCopy?: string,
): Promise<SandboxSetting> {
  const { host, logger, masker, workspace } = run.parts;
  const directoryOf = (name: OptionName) => {
    const path = run.settings.get(name)?.value;
    // An invalid one is reported when all settings are validated.
    return typeof path === "string" && jobPathProblem(path) === undefined
      ? workspace.pathOf(path)
      : workspace.base;
  };
  const ciDirectory = workspace.pathOf("/job/ci");
  return {
    logger,
    env: host.env,
    deno: await findDeno(host.env),
    maskText: (text) => masker.maskText(text),
    maskStream: () => masker.stream(),
    secretNames: () =>
      new Set(run.findSecrets().secrets.map(({ name }) => name)),
    registerSecret: (value) => void registerSecret(run.parts, value),
    cwd: host.cwd,
    triggerJobs: (jobs) => {
      if (run.areTriggersOpen === false) {
        throw new TypeError("the follow-up jobs of the job were submitted");
      }
      const queue = run.parts.triggers ??= new TriggerQueue();
      queue.addAll(triggersOfWire(jobs));
    },
    grantsOf: readGrants(run.settings.lines("plugin_permissions")),
    directories: {
      JOB_DIR: workspace.base,
      SOURCE_DIR: directoryOf("code_dir"),
      CI_DIR: ciCopy ?? ciDirectory,
      ARTIFACTS_DIR: directoryOf("artifacts_dir"),
    },
    ...ciCopy === undefined
      ? {}
      : { copy: { original: ciDirectory, path: ciCopy } },
  };
}
