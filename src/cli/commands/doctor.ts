import { resolve } from "@std/path/posix/resolve";
import { VERSION } from "../../package_version.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type CommandConfig, loadCommandConfig } from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import {
  findConfinement,
  type Finding,
  findingLines,
  findOpenFiles,
  findPermissions,
  findPrograms,
  findProviders,
  findSandboxOfSteps,
  findUntrustedContainment,
  findWorkspace,
  neededPrograms,
} from "../doctor_checks.ts";
import {
  JOB_FILE_FLAG,
  runnerInWorkDir,
  WORK_DIR_FLAG,
} from "../job_location.ts";

export const doctorCommand: CliCommand = {
  usage: "[--migrate DIR] [OPTIONS]",
  description:
    `Shows which programs, permissions and directories jobs need, and which of them
are missing. With --migrate, lists what has to change in a repository that uses
the Python runner, by file and line, with the line to add. No code of the
repository is run. Values of variables are never shown.

Lines that start with "needed" show what a job with this configuration lacks. Exits with 0 if nothing is missing, and with 1 otherwise.`,
  examples: [
    ["doctor", "Show what is missing on this machine"],
    [
      "doctor --migrate .",
      "Show what has to change in a repository that uses the Python runner",
    ],
  ],
  flags: [
    {
      name: "migrate",
      valueName: "DIR",
      help: "Inspect .reactorcide in a repository, and the scripts of its jobs",
    },
    { name: "json", help: "Print the result as a JSON document" },
    ...configFlags([
      ...["source_type", "source_url", "ci_source_type"] as const,
      ...["ci_source_url", "plugin_dir", "trust_plugins"] as const,
      ...["plugin_permissions", "plugin_timeout", "fetch_depth"] as const,
      "secret_providers",
    ]),
    JOB_FILE_FLAG,
    WORK_DIR_FLAG,
  ],
  maxOperands: 0,
  async run(context) {
    const { flags, print } = context;
    const runner = runnerInWorkDir(context);
    const loaded = await loadCommandConfig(context, { runner });
    const repository = flags.get("migrate");
    if (typeof repository === "string") {
      return await inspect(
        resolve(runner.host.cwd, repository),
        loaded,
        context,
      );
    }
    const needed = neededPrograms({
      settings: loaded.settings,
      isStandalone: Deno.build.standalone,
    });
    const sections: Readonly<Record<string, readonly Finding[]>> = {
      Workspace: [await findWorkspace(runner.workspace)],
      Processes: [
        await findUntrustedContainment(runner.workspace.inContainer),
        await findOpenFiles(),
        await findSandboxOfSteps(runner.workspace.inContainer),
      ],
      Programs: await findPrograms(runner.host, needed),
      ...await providerSection(loaded),
      Kernel: [await findConfinement(runner.host)],
      Permissions: findPermissions(runner.workspace.base),
    };
    const versions = {
      runnerlib: VERSION,
      deno: Deno.version.deno,
      system: `${Deno.build.os} ${Deno.build.arch}`,
    };
    if (context.isOn("json")) {
      const findings = Object.entries(sections).flatMap(([section, rows]) =>
        rows.map((row) => ({ section, ...row }))
      );
      await print(JSON.stringify({ ...versions, findings }, null, 2));
    } else {
      const { runnerlib, deno, system } = versions;
      const columns = runner.host.stdout.isTerminal()
        ? runner.host.consoleSize?.()?.columns
        : undefined;
      const color = shouldUseColor(
        runner.host.env,
        runner.host.stdout.isTerminal(),
      );
      await print(`runnerlib ${runnerlib}, deno ${deno}, ${system}`);
      for (const [title, findings] of Object.entries(sections)) {
        const lines = findingLines(findings, columns)
          .map((line) => color ? coloredState(line) : line);
        await print(["", `${title}:`, ...lines].join("\n"));
      }
    }
    return exitCodeOf(Object.values(sections).flat());
  },
};

/** Returns the findings about secret providers, if any are configured. */
async function providerSection(
  { settings, runner }: CommandConfig,
): Promise<Readonly<Record<string, readonly Finding[]>>> {
  if (!settings.get("secret_providers")?.value) return {};
  return { "Secret providers": await findProviders(settings, runner) };
}

/** Colors the state at the start of a line. */
function coloredState(line: string): string {
  const codes = { ok: 32, missing: 33, needed: 31 };
  return line.replace(
    /^ {2}(ok|missing|needed)\b/,
    (_, state: keyof typeof codes) => `  \x1b[${codes[state]}m${state}\x1b[39m`,
  );
}

async function inspect(
  directory: string,
  loaded: CommandConfig,
  { isOn, print, catalog }: CommandContext,
): Promise<number> {
  const { migrateReport } = await import("../migration/inspect_repository.ts");
  const { reportText } = await import("../migration/inspection.ts");
  const commands = await catalog.load();
  const report = await migrateReport(
    directory,
    loaded,
    (wanted) =>
      Promise.resolve(commands.find(({ name }) => name === wanted)?.command),
  );
  await print(
    isOn("json") ? JSON.stringify(report, null, 2) : reportText(report),
  );
  return exitCodeOf(report.findings);
}

function exitCodeOf(findings: readonly { readonly state: string }[]): number {
  return findings.some(({ state }) => state === "needed") ? 1 : 0;
}
