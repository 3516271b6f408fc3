import { JobRun } from "../../job/job_run.ts";
import { resolveSettings } from "../../job/resolve_settings.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { VERSION } from "../../version.ts";
import type { Command } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { findUntrustedContainment } from "../doctor/containment.ts";
import { type Finding, findingLines } from "../doctor/finding.ts";
import { neededPrograms } from "../doctor/needs.ts";
import { findConfinement } from "../doctor/confinement.ts";
import { findPermissions } from "../doctor/permissions.ts";
import { findPrograms } from "../doctor/programs.ts";
import { findWorkspace } from "../doctor/workspace.ts";
import { JOB_FILE_FLAG, jobFileOf } from "../job_file_flag.ts";
import { partsInWorkDir, WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `doctor`. */
export const doctor: Command = {
  usage: "[OPTIONS]",
  description:
    `Tells what is there that jobs may need, what is missing, and what for. Values of
variables are never shown.

Ends with 0 unless something is missing that a job with this configuration
needs: such lines start with "needed".`,
  flags: [
    ...configFlags([
      ...["source_type", "source_url", "ci_source_type"] as const,
      ...["ci_source_url", "plugin_dir", "trust_plugins"] as const,
    ]),
    JOB_FILE_FLAG,
    WORK_DIR_FLAG,
  ],
  maxOperands: 0,
  async run(context) {
    const { print } = context;
    const parts = partsInWorkDir(context);
    const run = new JobRun(parts, new Cancellation());
    await resolveSettings(run, flagsLayer(context), jobFileOf(context));
    const needed = neededPrograms({
      settings: run.settings,
      isStandalone: Deno.build.standalone,
    });
    const sections: Readonly<Record<string, readonly Finding[]>> = {
      Workspace: [await findWorkspace(parts.workspace)],
      Processes: [
        await findUntrustedContainment(parts.workspace.inContainer),
      ],
      Programs: await findPrograms(parts.host, needed),
      Kernel: [await findConfinement(parts.host)],
      Permissions: findPermissions(parts.workspace.base),
    };
    const system = `${Deno.build.os} ${Deno.build.arch}`;
    await print(`runnerlib ${VERSION}, deno ${Deno.version.deno}, ${system}`);
    for (const [title, findings] of Object.entries(sections)) {
      await print(["", `${title}:`, ...findingLines(findings)].join("\n"));
    }
    const findings = Object.values(sections).flat();
    return findings.some(({ state }) => state === "needed") ? 1 : 0;
  },
};
