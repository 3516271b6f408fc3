import { resolve } from "@std/path/posix/resolve";
import type { Settings } from "../../config/settings.ts";
import { childEnvironment } from "../../environment/child_environment.ts";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import type { Host } from "../../host.ts";
import { VERSION } from "../../package_version.ts";
import { findDeno, findOnPath } from "../../plugins/sandbox/find_deno.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture, type CaptureResult } from "../../process/capture.ts";
import { findContainment } from "../../process/containment.ts";
import { findInheritedFiles } from "../../process/inherited_files.ts";
import { confinedCommand } from "../../process/sandbox/confined_command.ts";
import { findSandbox } from "../../process/sandbox/find_sandbox.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import {
  configuredProviders,
  untrustedDirectories,
} from "../../runner/secret_lookup.ts";
import {
  findProgram,
  trustedPath,
} from "../../secrets/providers/find_program.ts";
import type { SecretProvider } from "../../secrets/providers/provider_definition.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import { wrapText } from "../../terminal/width.ts";
import type { Workspace } from "../../workspace/layout.ts";
import { getOutputColumns } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type CommandConfig, loadCommandConfig } from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
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

Lines that start with "needed" show what a job with this configuration lacks.
Exits with 1 if there is such a line, and with 0 otherwise.`,
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
    const needed = findNeededPrograms({
      settings: loaded.settings,
      isStandalone: Deno.build.standalone,
    });
    const sections: Readonly<Record<string, readonly Finding[]>> = {
      Workspace: [await checkWorkspace(runner.workspace)],
      Processes: [
        await checkContainment(runner.workspace.inContainer),
        await checkOpenFiles(),
        await checkStepSandbox(runner.workspace.inContainer),
      ],
      Programs: await checkPrograms(runner.host, needed),
      ...await createProviderSection(loaded),
      Kernel: [await checkConfinement(runner.host)],
      Permissions: checkPermissions(runner.workspace.base),
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
      const columns = getOutputColumns(runner.host);
      const color = shouldUseColor(
        runner.host.env,
        runner.host.stdout.isTerminal(),
      );
      await print(`runnerlib ${runnerlib}, deno ${deno}, ${system}`);
      for (const [title, findings] of Object.entries(sections)) {
        const lines = formatFindings(findings, columns)
          .map((line) => color ? colorState(line) : line);
        await print(["", `${title}:`, ...lines].join("\n"));
      }
    }
    return findExitCode(Object.values(sections).flat());
  },
};

/** Returns the findings about secret providers, if any are configured. */
async function createProviderSection(
  { settings, runner }: CommandConfig,
): Promise<Readonly<Record<string, readonly Finding[]>>> {
  if (!settings.get("secret_providers")?.value) return {};
  return { "Secret providers": await checkProviders(settings, runner) };
}

/** Colors the state at the start of a line. */
function colorState(line: string): string {
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
  const { createMigrationReport } = await import(
    "../migration/inspect_repository.ts"
  );
  const { formatReport } = await import("../migration/inspection.ts");
  const commands = await catalog.load();
  const report = await createMigrationReport(
    directory,
    loaded,
    (wanted) =>
      Promise.resolve(commands.find(({ name }) => name === wanted)?.command),
  );
  await print(
    isOn("json") ? JSON.stringify(report, null, 2) : formatReport(report),
  );
  return findExitCode(report.findings);
}

function findExitCode(findings: readonly { readonly state: string }[]): number {
  return findings.some(({ state }) => state === "needed") ? 1 : 0;
}

/** Result of a check. */
interface Finding {
  /**
   * State: `ok`, `missing` if the job does not need it, or `needed` if it is
   * missing but a job with this configuration needs it.
   */
  readonly state: "ok" | "missing" | "needed";
  /** Checked item. */
  readonly name: string;
  /** Details, such as a version. */
  readonly detail: string;
  /** Purpose of the item. */
  readonly purpose: string;
}

/**
 * Formats findings as lines.
 *
 * @param columns Width of a line; unlimited if `undefined`.
 */
function formatFindings(
  findings: readonly Finding[],
  columns: number = Infinity,
): string[] {
  const widths = (["state", "name", "detail"] as const).map((key) =>
    [key, Math.max(...findings.map((finding) => finding[key].length))] as const
  );
  return findings.flatMap((finding) => {
    const cells = widths.map(([key, width]) => finding[key].padEnd(width));
    const start = `  ${cells.join("  ")}  `;
    if (start.length > columns / 2) {
      const below = wrapText(finding.purpose, { columns, indent: 6 });
      return [start.trimEnd(), ...below];
    }
    const lines = wrapText(finding.purpose, { columns, indent: start.length });
    return [`${start}${lines[0].trimStart()}`.trimEnd(), ...lines.slice(1)];
  });
}

/** Checks whether jobs can write to their workspace. */
async function checkWorkspace(
  { base, inContainer }: Workspace,
): Promise<Finding> {
  const common = { name: inContainer ? "container" : "laptop", detail: base };
  try {
    const directory = await findNearestDirectory(base);
    const file = await Deno.makeTempFile({ dir: directory, prefix: ".try-" });
    await Deno.remove(file);
    const exists = directory === base;
    const purpose = exists ? "is writable" : "will be created";
    return { state: "ok", ...common, purpose };
  } catch (error) {
    const purpose = `cannot be written to: ${osReason(error)}`;
    return { state: "needed", ...common, purpose };
  }
}

/** Returns the nearest existing directory, in which a workspace is created. */
async function findNearestDirectory(path: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    const isTop = path === "/" || path === "";
    if (isTop || !(error instanceof Deno.errors.NotFound)) throw error;
    return await findNearestDirectory(
      path.slice(0, path.lastIndexOf("/")) || "/",
    );
  }
}

/**
 * Checks whether processes of an untrusted step can outlive it here.
 *
 * @param isInContainer Whether the runner runs in a container for a single job.
 */
async function checkContainment(
  isInContainer: boolean,
): Promise<Finding> {
  const { namespace, problem } = await findContainment(isInContainer);
  return {
    state: problem === undefined ? "ok" : "missing",
    name: "untrusted steps",
    detail: namespace
      ? `PID${namespace.hasMounts ? " and mount" : ""} namespace`
      : "tags",
    purpose: problem === undefined
      ? "their processes end with them"
      : `their processes may outlive them: ${problem}`,
  };
}

/** Checks whether programs can read files that the runner inherited. */
async function checkOpenFiles(): Promise<Finding> {
  const problem = await findInheritedFiles();
  return {
    state: problem === undefined ? "ok" : "missing",
    name: "open files",
    detail: "",
    purpose: problem === undefined
      ? "programs do not inherit them from the runner"
      : `programs inherit them from the runner: ${problem}`,
  };
}

/** Checks whether the kernel can sandbox steps. */
async function checkStepSandbox(
  isInContainer: boolean,
): Promise<Finding> {
  const { sandbox, problem = sandbox?.weakness } = await findSandbox(
    isInContainer,
  );
  return {
    state: sandbox ? "ok" : "missing",
    name: "sandbox",
    detail: sandbox ? `Landlock ${sandbox.landlockVersion}` : "",
    purpose: "permissions of steps, and untrusted steps" +
      (problem === undefined ? "" : `: ${problem}`),
  };
}

/** Checks whether the kernel confines the processes of plugins. */
async function checkConfinement(host: Host): Promise<Finding> {
  const isSupported = Deno.build.os === "linux" && await isConfined(host);
  return {
    state: isSupported ? "ok" : "missing",
    name: "landlock",
    detail: "",
    purpose: "plugins, against links that are swapped while they run",
  };
}

async function isConfined(host: Host): Promise<boolean> {
  try {
    const command = confinedCommand(
      ["/bin/sh", "-c", ":"],
      { read: ["/"], write: ["/"], env: {} },
      {
        deno: await findDeno(host.env),
        perl: await findOnPath("perl", host.env),
      },
    );
    const { exitCode, stdout } = await capture(command, {
      cwd: host.cwd,
      env: childEnvironment(host.env, { kind: "tool" }),
      cancellation: new Cancellation(),
    });
    return exitCode === 0 && stdout === "";
  } catch {
    // Without Perl or Deno, plugins cannot be confined.
    return false;
  }
}

/**
 * Permissions that the runner uses, and their purposes. It drops all others at
 * startup.
 */
const PERMISSION_KINDS = {
  read: "job files, sources, plugins",
  write: "the workspace",
  run: "commands of jobs",
  env: "configuration",
  net: "the coordinator, downloads, plugins, the socket for secrets",
} as const;

/**
 * Checks the permissions of this process.
 *
 * @param directory Directory that jobs write to.
 * @returns Findings; permissions that every job requires are marked as needed.
 */
function checkPermissions(directory: string): Finding[] {
  const needs: readonly Deno.PermissionDescriptor[] = [
    { name: "read", path: directory },
    { name: "write", path: directory },
    { name: "run", command: "/bin/sh" },
  ];
  return Object.entries(PERMISSION_KINDS).map(([kind, purpose]) => {
    const isAll = isGranted({ name: kind } as Deno.PermissionDescriptor);
    const permission = needs.find(({ name }) => name === kind);
    const isEnough = isAll ||
      (permission !== undefined && isGranted(permission));
    return {
      state: isEnough ? "ok" : permission === undefined ? "missing" : "needed",
      name: kind,
      detail: isAll ? "all" : isEnough ? "what a job needs" : "not all",
      purpose,
    };
  });
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  return state === "granted" && !partial;
}

/** Time limit for a program to print its version, in milliseconds. */
const PROGRAM_TIMEOUT_MS = 5_000;

/** A program that jobs may need. */
interface ProgramEntry {
  /** Name on `PATH`. */
  readonly name: string;
  /** Purpose of the program. */
  readonly purpose: string;
  /**
   * Arguments that print the version.
   *
   * @default {["--version"]}
   */
  readonly args?: readonly string[];
  /**
   * Path of the program, if it is not looked up on `PATH`.
   *
   * @default {the name}
   */
  readonly path?: string;
  /**
   * Arguments with which the program succeeds only if its engine responds.
   *
   * @default {no engine}
   */
  readonly engineArgs?: readonly string[];
}

const PROGRAMS: readonly ProgramEntry[] = [
  {
    name: "sh",
    path: "/bin/sh",
    purpose: "commands of jobs",
    args: ["-c", ":"],
  },
  { name: "git", purpose: "git sources, runnerlib git" },
  { name: "git-lfs", purpose: "files in Git LFS" },
  { name: "hg", purpose: "Mercurial sources", args: ["--version", "--quiet"] },
  { name: "svn", purpose: "Subversion sources", args: ["--version", "-q"] },
  { name: "tar", purpose: "commands of jobs" },
  { name: "gzip", purpose: "tarball sources, .tar.gz" },
  { name: "bzip2", purpose: "tarball sources, .tar.bz2", args: ["--help"] },
  { name: "xz", purpose: "tarball sources, .tar.xz" },
  { name: "zstd", purpose: "tarball sources, .tar.zst" },
  { name: "deno", purpose: "pipelines and plugins of a compiled runner" },
  { name: "perl", purpose: "the sandbox of steps, fast starts of plugins" },
  {
    name: "script",
    path: "/usr/bin/script",
    purpose: "--shell-on-failure, --break",
  },
  {
    name: "docker",
    purpose: "nested containers",
    engineArgs: ["version", "--format", "{{.Server.Version}}"],
  },
  {
    name: "podman",
    purpose: "nested containers, in place of docker",
    engineArgs: ["info", "--format", "{{.Host.Arch}}"],
  },
];

/**
 * Finds the programs that jobs may need, and their versions.
 *
 * @param needed Names of programs that a job with this configuration needs.
 */
function checkPrograms(
  host: Host,
  needed: ReadonlySet<string>,
): Promise<Finding[]> {
  return Promise.all(PROGRAMS.map(async (entry) => {
    const { name, purpose, path = name, args = ["--version"], engineArgs } =
      entry;
    const version = await readVersion([path, ...args], host);
    const responds = version !== undefined && (engineArgs === undefined ||
      (await queryProgram([path, ...engineArgs], host, "container-engine"))
          ?.exitCode === 0);
    return {
      state: responds ? "ok" : needed.has(name) ? "needed" : "missing",
      name,
      detail: version === undefined || responds
        ? version ?? ""
        : `${version}, its engine does not respond`,
      purpose,
    };
  }));
}

/** Returns only the version number of the output. */
async function readVersion(
  argv: readonly string[],
  host: Host,
): Promise<string | undefined> {
  const result = await queryProgram(argv, host, "tool");
  return result &&
    (/\d+(?:\.\d+)+/.exec(result.stdout + result.stderr)?.[0] ?? "");
}

/** Runs a program with a short time limit. */
async function queryProgram(
  argv: readonly string[],
  host: Host,
  kind: "tool" | "container-engine",
): Promise<CaptureResult | undefined> {
  const cancellation = new Cancellation();
  const timer = setTimeout(
    () => cancellation.cancel("SIGTERM"),
    PROGRAM_TIMEOUT_MS,
  );
  try {
    return await capture(argv, {
      cwd: host.cwd,
      env: childEnvironment(host.env, { kind }),
      cancellation,
    });
  } catch {
    // The program is missing, not executable or does not exit: unusable.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** Programs that fetch sources, by type. */
const CLIENTS: Readonly<Record<string, string>> = {
  git: "git",
  hg: "hg",
  svn: "svn",
};

/** Extensions of archives, and the programs that unpack them. */
const UNPACKERS: readonly (readonly [RegExp, string])[] = [
  [/\.(?:tar\.gz|tgz)$/, "gzip"],
  [/\.(?:tar\.bz2|tbz2?)$/, "bzip2"],
  [/\.(?:tar\.xz|txz)$/, "xz"],
  [/\.(?:tar\.zst|tzst)$/, "zstd"],
];

/** Options for {@linkcode findNeededPrograms}. */
interface NeededProgramsOptions {
  /** The configuration of the job. */
  readonly settings: Settings;
  /** Whether the runner is a compiled program. */
  readonly isStandalone: boolean;
}

/** Returns the programs that a job with this configuration needs. */
function findNeededPrograms(
  { settings, isStandalone }: NeededProgramsOptions,
): Set<string> {
  const needed = new Set(["sh"]);
  for (const source of ["source", "ci_source"] as const) {
    const type = getText(settings, `${source}_type`);
    if (Object.hasOwn(CLIENTS, type)) needed.add(CLIENTS[type]);
    if (type !== "tarball") continue;
    const url = getText(settings, `${source}_url`).replace(/[?#].*$/, "");
    for (const [ending, program] of UNPACKERS) {
      if (ending.test(url)) needed.add(program);
    }
  }
  const hasPlugins = getText(settings, "plugin_dir") !== "" &&
    !settings.isOn("trust_plugins");
  if (isStandalone && hasPlugins) needed.add("deno");
  return needed;
}

function getText(
  settings: Settings,
  name: Parameters<Settings["get"]>[0],
): string {
  const value = settings.get(name)?.value;
  return typeof value === "string" ? value : "";
}

/**
 * Checks whether the programs and directories of secret providers exist. No
 * provider is called.
 */
async function checkProviders(
  settings: Settings,
  runner: RunnerContext,
): Promise<Finding[]> {
  try {
    const providers = await configuredProviders(settings, runner);
    const configured = [...providers.values()]
      .filter(({ type }) => type !== "env");
    return await Promise.all(
      configured.map((provider) => checkProvider(provider, runner)),
    );
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return [createFinding("needed", "secret_providers", "", messageOf(error))];
  }
}

async function checkProvider(
  provider: SecretProvider,
  runner: RunnerContext,
): Promise<Finding> {
  const { name, type, directory, command } = provider;
  const purpose = `secrets \${secret:${name}:PATH:KEY}`;
  try {
    if (type === "file") {
      await Deno.stat(directory);
      return createFinding("ok", name, directory, purpose);
    }
    const { host: { env }, workspace: { base } } = runner;
    const path = await trustedPath(env.PATH, [
      base,
      ...untrustedDirectories(runner),
    ]);
    const program = await findProgram(command[0], path, base);
    return createFinding("ok", name, program, purpose);
  } catch (error) {
    const detail = type === "file" ? directory : command[0];
    const reason = error instanceof TypeError ? error.message : osReason(error);
    return createFinding("needed", name, detail, reason);
  }
}

function createFinding(
  state: Finding["state"],
  name: string,
  detail: string,
  purpose: string,
): Finding {
  return { state, name, detail, purpose };
}
