import type { Settings } from "../../config/settings.ts";
import { childEnvironment } from "../../environment/child_environment.ts";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import type { Host } from "../../host.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture, type CaptureResult } from "../../process/capture.ts";
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
import type { Finding } from "./machine.ts";

/** Time limit for a program to print its version, in milliseconds. */
const TIMEOUT_MS = 5_000;

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
export function findPrograms(
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
  const timer = setTimeout(() => cancellation.cancel("SIGTERM"), TIMEOUT_MS);
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

/** Options for {@linkcode neededPrograms}. */
export interface NeedsSetting {
  /** The configuration of the job. */
  readonly settings: Settings;
  /** Whether the runner is a compiled program. */
  readonly isStandalone: boolean;
}

/** Returns the programs that a job with this configuration needs. */
export function neededPrograms(
  { settings, isStandalone }: NeedsSetting,
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
export async function findProviders(
  settings: Settings,
  runner: RunnerContext,
): Promise<Finding[]> {
  try {
    const providers = await configuredProviders(settings, runner);
    const configured = [...providers.values()]
      .filter(({ type }) => type !== "env");
    return await Promise.all(
      configured.map((provider) => findProvider(provider, runner)),
    );
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return [finding("needed", "secret_providers", "", messageOf(error))];
  }
}

async function findProvider(
  provider: SecretProvider,
  runner: RunnerContext,
): Promise<Finding> {
  const { name, type, directory, command } = provider;
  const purpose = `secrets \${secret:${name}:PATH:KEY}`;
  try {
    if (type === "file") {
      await Deno.stat(directory);
      return finding("ok", name, directory, purpose);
    }
    const { host: { env }, workspace: { base } } = runner;
    const path = await trustedPath(env.PATH, [
      base,
      ...untrustedDirectories(runner),
    ]);
    const program = await findProgram(command[0], path, base);
    return finding("ok", name, program, purpose);
  } catch (error) {
    const detail = type === "file" ? directory : command[0];
    const reason = error instanceof TypeError ? error.message : osReason(error);
    return finding("needed", name, detail, reason);
  }
}

function finding(
  state: Finding["state"],
  name: string,
  detail: string,
  purpose: string,
): Finding {
  return { state, name, detail, purpose };
}
