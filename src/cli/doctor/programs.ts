import { childEnvironment } from "../../environment/child_environment.ts";
import type { Host } from "../../host.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture, type CaptureResult } from "../../process/capture.ts";
import type { Finding } from "./finding.ts";

/** Maximum time that a program may take to tell its version, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** A program that jobs may need. */
interface ProgramEntry {
  /** Name on `PATH`. */
  readonly name: string;
  /** What it is for. */
  readonly purpose: string;
  /**
   * How it is asked for its version.
   *
   * @default {["--version"]}
   */
  readonly args?: readonly string[];
  /**
   * Where it is, if `PATH` does not matter.
   *
   * @default {the name}
   */
  readonly path?: string;
  /**
   * Arguments with which it succeeds only if its engine responds.
   *
   * @default {it needs no engine}
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
  { name: "tar", purpose: "nothing of the runner's own: commands of jobs" },
  { name: "gzip", purpose: "tarball sources, .tar.gz" },
  { name: "bzip2", purpose: "tarball sources, .tar.bz2", args: ["--help"] },
  { name: "xz", purpose: "tarball sources, .tar.xz" },
  { name: "zstd", purpose: "tarball sources, .tar.zst" },
  { name: "deno", purpose: "pipelines and plugins of a compiled runner" },
  { name: "perl", purpose: "plugins that use paths start sooner" },
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
 * Looks for the programs that jobs may need, and asks each for its version.
 *
 * @param host The process.
 * @param needed Names of those that a job with this configuration needs.
 * @returns What was found.
 */
export function findPrograms(
  host: Host,
  needed: ReadonlySet<string>,
): Promise<Finding[]> {
  return Promise.all(PROGRAMS.map(async (entry) => {
    const { name, purpose, path = name, args = ["--version"], engineArgs } =
      entry;
    const version = await versionOf([path, ...args], host);
    const responds = version !== undefined && (engineArgs === undefined ||
      (await ask([path, ...engineArgs], host, "container-engine"))
          ?.exitCode === 0);
    return {
      state: responds ? "ok" : needed.has(name) ? "needed" : "missing",
      name,
      detail: version === undefined || responds
        ? version ?? ""
        : `${version}, engine does not respond`,
      purpose,
    };
  }));
}

/** Takes the number only: what a program prints besides is its own business. */
async function versionOf(
  argv: readonly string[],
  host: Host,
): Promise<string | undefined> {
  const result = await ask(argv, host, "tool");
  return result &&
    (/\d+(?:\.\d+)+/.exec(result.stdout + result.stderr)?.[0] ?? "");
}

/** Runs a program for a short time. */
async function ask(
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
    // Not there, not for us, or stuck: of no use in any case.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
