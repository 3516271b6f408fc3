import { RunnerError } from "../errors.ts";
import { Cancellation } from "../process/cancellation.ts";
import { capture } from "../process/capture.ts";
import { settlesWithin } from "../process/time_limit.ts";
import type { PluginAddress } from "./address.ts";
import type { SandboxSetting } from "./load_sandboxed.ts";
import type { PluginSource } from "./plugin_source.ts";
import { grantOption } from "./rights/denied.ts";
import { mayUse } from "./rights/rights.ts";
import { jsrHost } from "./sandbox/deno_command.ts";
import { processEnvironment } from "./sandbox/process_environment.ts";

/** Longest time that a package may take to be fetched, in milliseconds. */
const FETCH_MS = 60_000;

/** What fetching a package depends on. */
export type PackageSetting = Pick<SandboxSetting, "deno" | "env" | "grantsOf">;

/**
 * Fetches a package of a registry into a cache of its own.
 *
 * The plugin runs later without a way to the registry: what it can import is
 * the module graph that was fetched here. A lock file holds the hash of the
 * package, and Deno refuses a package that the hash does not pin; the operator
 * may allow dependencies, by granting the import from the registry.
 *
 * @param address Address of the package.
 * @param directory Directory of its own, writable by the runner only.
 * @param setting What fetches it.
 * @returns The plugin.
 * @throws {RunnerError} `plugin-failed`, if it cannot be fetched or is another one.
 */
export async function fetchPackage(
  address: PluginAddress,
  directory: string,
  setting: PackageSetting,
): Promise<PluginSource> {
  const { name, url, scheme } = address;
  const { deno, env, grantsOf } = setting;
  const registry = jsrHost(env);
  const lockFile = `${directory}/deno.lock`;
  const denoDir = `${directory}/deno`;
  await Deno.writeTextFile(lockFile, lockText(address));
  const allowsDependencies = scheme === "jsr" &&
    mayUse(grantsOf(name), "import", registry);
  const cancellation = new Cancellation();
  const fetching = capture([
    ...["/bin/sh", "-c", 'exec "$@"', "sh"],
    ...[deno, "cache", "--quiet", "--no-config", "--node-modules-dir=none"],
    ...allowsDependencies ? [] : ["--frozen"],
    ...scheme === "npm" ? ["--no-remote"] : ["--no-npm"],
    `--lock=${lockFile}`,
    `--allow-import=${registry}`,
    url,
  ], {
    cwd: directory,
    env: {
      ...processEnvironment(env, {}, {
        isDeno: true,
        fetchesCode: true,
        seesUngranted: () => false,
      }),
      DENO_DIR: denoDir,
    },
    cancellation,
  });
  if (!await settlesWithin(fetching, FETCH_MS)) {
    cancellation.cancel("SIGTERM");
    await fetching.catch(() => {});
    throw cannotFetch(url, `it took longer than ${FETCH_MS} ms`);
  }
  const { exitCode, stderr } = await fetching;
  if (exitCode === 0) {
    return { name, origin: url, cwd: directory, url, lockFile, denoDir };
  }
  const reason = /lockfile is out of date/i.test(stderr)
    ? `it has dependencies, which its hash does not pin; to allow them, grant it with ${
      grantOption(name, { kind: "import", value: registry })
    }`
    : reasonOf(stderr);
  throw cannotFetch(url, reason);
}

function cannotFetch(url: string, reason: string): RunnerError {
  return new RunnerError(`Cannot fetch plugin "${url}": ${reason}`, {
    code: "plugin-failed",
  });
}

/** What Deno says first; what follows are hints for its own command line. */
function reasonOf(stderr: string): string {
  const [line = ""] = stderr.split("\n").filter((text) => text.trim() !== "");
  return line.replace(/^error: /, "") || "Deno does not say why";
}

/** What Deno would have written, had it loaded this version of the package. */
function lockText({ scheme, pinned = "", hash }: PluginAddress): string {
  const version = pinned.slice(pinned.lastIndexOf("@") + 1);
  const integrity = scheme === "npm" ? `sha512-${hash}` : hash;
  return JSON.stringify({
    version: "5",
    specifiers: { [`${scheme}:${pinned}`]: version },
    [scheme]: { [pinned]: { integrity } },
  });
}
