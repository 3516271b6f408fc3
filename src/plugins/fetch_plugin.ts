import { messageOf, RunnerError } from "../errors.ts";
import { sha256Hex } from "../fs/files.ts";
import { Cancellation } from "../process/cancellation.ts";
import { capture } from "../process/capture.ts";
import { settlesWithin } from "../process/time_limit.ts";
import { durationText } from "../schema/duration.ts";
import { fileUrl } from "./find_files.ts";
import type { SandboxSetting } from "./load_sandboxed.ts";
import { readManifest } from "./permissions/plugin_manifest.ts";
import { grantOption, mayUse } from "./permissions/plugin_permissions.ts";
import type { PluginSource } from "./plugin_source.ts";
import { jsrHost, processEnvironment } from "./sandbox/deno_command.ts";

/** Maximum size of a plugin file, in bytes. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;

/** Time limit for fetching a file or a package, in milliseconds. */
const FETCH_MS = 60_000;

/** Performs a GET request. */
export type Fetch = (url: string, signal: AbortSignal) => Promise<Response>;

/**
 * Downloads a plugin file, verifies its hash and stores it.
 *
 * @param address Address with an `https:` URL.
 * @param directory Private directory for the file.
 * @param get Performs the request.
 * @throws {RunnerError} `plugin-failed` if the download fails or the hash does
 * not match.
 */
export async function fetchPlugin(
  address: PluginAddress,
  directory: string,
  get: Fetch = (url, signal) => fetch(url, { signal }),
): Promise<PluginSource> {
  const { name, url } = address;
  try {
    const bytes = await download(url, get);
    await checkHash(bytes, address.hash);
    const extension = /\.(ts|js|mjs)$/.exec(new URL(url).pathname)?.[1] ?? "ts";
    const file = `${directory}/plugin.${extension}`;
    await Deno.writeFile(file, bytes);
    const requested = readManifest(new TextDecoder().decode(bytes));
    return {
      name,
      origin: url,
      cwd: directory,
      url: fileUrl(file),
      file,
      requested,
    };
  } catch (cause) {
    throw new RunnerError(`Cannot fetch plugin "${url}": ${messageOf(cause)}`, {
      code: "plugin-failed",
      cause,
    });
  }
}

async function download(
  url: string,
  get: Fetch,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await get(url, AbortSignal.timeout(FETCH_MS));
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the server answered with ${response.status}`);
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_FILE_BYTES) {
      throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    }
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function checkHash(
  bytes: Uint8Array<ArrayBuffer>,
  expected: string,
): Promise<void> {
  const found = await sha256Hex(bytes);
  if (found === expected) return;
  throw new Error(`its hash is sha256-${found}, not sha256-${expected}`);
}

/** Settings that fetching a package depends on. */
export type PackageSetting = Pick<SandboxSetting, "deno" | "env" | "grantsOf">;

/**
 * Fetches a package from a registry into its own cache.
 *
 * The plugin runs without access to the registry: it can only import the module
 * graph that is fetched here. A lock file pins the hash of the package, and
 * Deno rejects any other package. The hash does not pin dependencies; the
 * operator can allow them by granting imports from the registry.
 *
 * @param address Address of the package.
 * @param directory Directory for this package, writable only by the runner.
 * @param setting Path of Deno, environment and grants.
 * @throws {RunnerError} `plugin-failed` if the package cannot be fetched or its
 * hash does not match.
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
  await Deno.writeTextFile(lockFile, formatLock(address));
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
    throw fetchError(url, `it took longer than ${durationText(FETCH_MS)}`);
  }
  const { exitCode, stderr } = await fetching;
  if (exitCode === 0) {
    return { name, origin: url, cwd: directory, url, lockFile, denoDir };
  }
  const reason = /lockfile is out of date/i.test(stderr)
    ? `it has dependencies, which its hash does not pin; to allow them, grant it with ${
      grantOption(name, { kind: "import", value: registry })
    }`
    : findReason(stderr);
  throw fetchError(url, reason);
}

function fetchError(url: string, reason: string): RunnerError {
  return new RunnerError(`Cannot fetch plugin "${url}": ${reason}`, {
    code: "plugin-failed",
  });
}

/** Finds the first line of Deno's error; the others are hints about its command line. */
function findReason(stderr: string): string {
  const [line = ""] = stderr.split("\n").filter((text) => text.trim() !== "");
  return line.replace(/^error: /, "") || "Deno printed no reason";
}

/** Formats the lock file that Deno writes when it loads this version of the package. */
function formatLock({ scheme, pinned = "", hash }: PluginAddress): string {
  const version = pinned.slice(pinned.lastIndexOf("@") + 1);
  const integrity = scheme === "npm" ? `sha512-${hash}` : hash;
  return JSON.stringify({
    version: "5",
    specifiers: { [`${scheme}:${pinned}`]: version },
    [scheme]: { [pinned]: { integrity } },
  });
}

/** URL and hash of a plugin. */
export interface PluginAddress {
  /** Name under which the plugin is granted permissions. */
  readonly name: string;
  /** URL without the hash. */
  readonly url: string;
  /** Scheme of the URL. */
  readonly scheme: "https" | "npm" | "jsr";
  /** Package and version, for a package of a registry: `@scope/name@1.2.3`. */
  readonly pinned?: string;
  /** Hash algorithm. */
  readonly algorithm: "sha256" | "sha512";
  /** Hash: hexadecimal for `sha256`, base64 for `sha512`. */
  readonly hash: string;
}

const HASH = /^(.*)#(sha256|sha512)-([A-Za-z0-9+/=]+)$/s;

const PACKAGE =
  /^(npm|jsr):\/?((?:@[\w.-]+\/)?[\w.-]+)@(\d+\.\d+\.\d+(?:-[\w.-]+)?)(?:\/.*)?$/;

/**
 * Parses the address of a plugin: `URL#sha256-HASH`.
 *
 * For an `https:` URL, the hash is that of the file; for a package, it is the
 * integrity that Deno writes to `deno.lock`.
 *
 * @param text URL with hash.
 * @returns The address.
 * @throws {RunnerError} `invalid-config` if the URL is invalid or not pinned.
 */
export function parseAddress(text: string): PluginAddress {
  const [, url, kind, written] = HASH.exec(text) ?? [];
  if (url === undefined) {
    throw addressError(text, "it has no hash; append #sha256-…");
  }
  const algorithm = kind as "sha256" | "sha512";
  const hash = algorithm === "sha512" ? written : parseHash(written);
  if (hash === undefined) throw addressError(text, "its hash is not a sha256");
  if (URL.canParse(url) && url.startsWith("https://")) {
    if (algorithm !== "sha256") {
      throw addressError(text, "its hash is not a sha256");
    }
    return {
      name: derivePluginName(url),
      url,
      scheme: "https",
      algorithm,
      hash,
    };
  }
  const [, scheme, name, version] = PACKAGE.exec(url) ?? [];
  if (name === undefined) {
    throw addressError(
      text,
      "it is neither https:// nor npm: or jsr: with an exact version",
    );
  }
  if ((scheme === "npm") !== (algorithm === "sha512")) {
    throw addressError(
      text,
      "an npm package needs a sha512 hash, a JSR package a sha256 hash",
    );
  }
  return {
    name,
    url,
    scheme: scheme as "npm" | "jsr",
    pinned: `${name}@${version}`,
    algorithm,
    hash,
  };
}

/** Parses a hash in hexadecimal digits or, as in browsers, in base64. */
function parseHash(written: string): string | undefined {
  if (/^[0-9a-f]{64}$/i.test(written)) return written.toLowerCase();
  if (!/^[A-Za-z0-9+/]{43}=$/.test(written)) return undefined;
  return Uint8Array.fromBase64(written).toHex();
}

function derivePluginName(url: string): string {
  const [last = ""] = new URL(url).pathname.split("/").slice(-1);
  return last.replace(/\.\w+$/, "").replace(/^plugin_/, "") || "plugin";
}

function addressError(text: string, state: string): RunnerError {
  return new RunnerError(`Cannot use plugin "${text}": ${state}`, {
    code: "invalid-config",
  });
}
