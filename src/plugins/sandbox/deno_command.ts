import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import {
  DENO_DOWNLOAD_VARIABLES,
  DENO_VARIABLES,
} from "../../environment/variables.ts";
import { joinList } from "../../command_text.ts";
import { covers, mayUse, type PluginPermissions } from "../rights/rights.ts";
import { confinedCommand, type Confinement } from "./confinement.ts";
import guest from "./guest.js" with { type: "text" };

/** Largest heap of a plugin, in MiB; what lies outside of it counts below. */
const HEAP_MIB = 256;

/**
 * Most memory that a plugin may have for data, in KiB. V8 takes half of it at
 * once, and as much again for each worker, which therefore finds no room. A
 * limit on addresses would not do: V8 reserves far more of those than it uses.
 */
const DATA_KIB = 1024 * 1024;

/** Kinds of rights that Deno itself knows. */
const DENO_KINDS = ["read", "write", "net", "env", "run", "sys"] as const;

/** A limit that the system does not know is none; the heap has its own. */
const LIMITED = `ulimit -d ${DATA_KIB} 2>/dev/null; exec "$@"`;

/** The right to load code from npm, among the hosts from which it is loaded. */
const NPM = "npm";

/** What a plugin's process is made of. */
export interface DenoCommandOptions {
  /** Path of Deno. */
  readonly deno: string;
  /** Address of the plugin: `file:`, `npm:` or `jsr:`. */
  readonly url: string;
  /** Path of the plugin's own file, which it may read. */
  readonly file?: string;
  /** Rights of the plugin, with absolute paths. */
  readonly rights: PluginPermissions;
  /** Lock file that holds the pins of an address. */
  readonly lockFile?: string;
  /**
   * Host of the registry for `jsr:`.
   *
   * @default {"jsr.io:443"}
   */
  readonly registry?: string;
  /**
   * What its process reaches at most.
   *
   * @default {whatever Deno lets it reach}
   */
  readonly confinement?: Confinement;
  /** Path of Perl, which confines a process sooner than Deno does. */
  readonly perl?: string;
}

/**
 * Puts together the command that runs a plugin with its rights and no others.
 *
 * @param options Plugin and rights.
 * @returns Program and arguments.
 */
export function denoCommand(options: DenoCommandOptions): string[] {
  const { deno, url, file, rights, lockFile } = options;
  const { registry = jsrHost({}), confinement } = options;
  const command = [
    deno,
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--node-modules-dir=none",
    // Deno keeps what pages would store by their place, which no two plugins share.
    `--location=https://${crypto.randomUUID()}.invalid/`,
    ...lockFile === undefined
      ? ["--no-lock"]
      : [`--lock=${lockFile}`, "--frozen"],
    `--v8-flags=--max-old-space-size=${HEAP_MIB}`,
    ...permissionFlags(rights, file),
    ...importFlags(url, rights, registry),
    `data:text/javascript;base64,${guestCode()}`,
    url,
  ];
  return [
    ...["/bin/sh", "-c", LIMITED, "sh"],
    ...confinement === undefined
      ? command
      : confinedCommand(command, confinement, options),
  ];
}

/**
 * Returns the permissions of Deno that rights stand for.
 *
 * @param rights Rights, with absolute paths.
 * @param file Path of the plugin's own file.
 * @returns Options of `deno run`.
 */
export function permissionFlags(
  rights: PluginPermissions,
  file?: string,
): string[] {
  const own = file === undefined ? [] : [file];
  return DENO_KINDS.flatMap((kind) => {
    const values = [...kind === "read" ? own : [], ...rights[kind] ?? []];
    return permissionFlag(kind, values);
  });
}

/**
 * Returns the option of `deno run` that permits values of one kind.
 *
 * @param kind Kind, as Deno names it.
 * @param values Values; `*` stands for all.
 * @returns The option; none if nothing is permitted.
 * @throws {TypeError} If Deno would read a value as several.
 */
export function permissionFlag(
  kind: string,
  values: readonly string[],
): string[] {
  if (values.length === 0) return [];
  if (values.includes("*")) return [`--allow-${kind}`];
  const list = joinList([...new Set(values)], ",", `--allow-${kind}`);
  return [`--allow-${kind}=${list}`];
}

/**
 * Finds the host of the registry from which Deno loads `jsr:`.
 *
 * @param env Environment of the runner.
 * @returns Host and port, as the right to import names it.
 */
export function jsrHost(env: Readonly<Record<string, string>>): string {
  const { hostname, port, protocol } = URL.parse(env.JSR_URL ?? "") ??
    new URL("https://jsr.io");
  return `${hostname}:${port || (protocol === "http:" ? 80 : 443)}`;
}

/**
 * Without an option that says otherwise, Deno imports from some hosts, and from
 * npm. A plugin does so only by a right; what is at its own address was fetched
 * beforehand, so not even its registry is reached.
 */
function importFlags(
  url: string,
  rights: PluginPermissions,
  registry: string,
): string[] {
  const isPackage = /^(?:jsr|npm):/.test(url);
  const granted = (rights.import ?? []).filter((host) => host !== NPM);
  const hosts = [...url.startsWith("jsr:") ? [registry] : [], ...granted];
  const mayUseNpm = mayUse(rights, "import", NPM);
  return [
    ...mayUseNpm || url.startsWith("npm:") ? [] : ["--no-npm"],
    ...hosts.length > 0 ? [] : ["--no-remote"],
    ...isPackage && granted.length === 0 && !mayUseNpm ? ["--cached-only"] : [],
    ...permissionFlag("import", hosts),
  ];
}

let encoded: string | undefined;

function guestCode(): string {
  return encoded ??= new TextEncoder().encode(guest).toBase64();
}

/** Without it, Deno takes a program for missing that is merely not permitted. */
const OF_ALL = ["PATH"];

/** Which variables a plugin's process needs. */
export interface ProcessEnvironmentOptions {
  /** Whether Deno runs it, and not the system. */
  readonly isDeno: boolean;
  /** Whether Deno fetches code for it. */
  readonly fetchesCode: boolean;
  /** Checks whether it sees a variable without a grant for it. */
  readonly seesUngranted: (name: string) => boolean;
}

/**
 * Returns the environment of a plugin's process: what it is granted, and what
 * Deno itself cannot do without.
 *
 * @param env Environment of the runner.
 * @param rights Rights of the plugin.
 * @param options What runs it.
 * @returns The whole environment.
 */
export function processEnvironment(
  env: Readonly<Record<string, string>>,
  rights: PluginPermissions,
  options: ProcessEnvironmentOptions,
): ChildEnvironment {
  const { isDeno, fetchesCode, seesUngranted } = options;
  const names = new Set([
    ...OF_ALL,
    ...isDeno ? DENO_VARIABLES : [],
    ...fetchesCode ? DENO_DOWNLOAD_VARIABLES : [],
  ]);
  const given = childEnvironment(env, {
    kind: "plugin",
    mayUse: (name) =>
      names.has(name) || mayUse(rights, "env", name) || seesUngranted(name),
    isNamed: (name) =>
      seesUngranted(name) ||
      rights.env?.some((value) =>
          value !== "*" && covers("env", value, name)
        ) === true,
  });
  return {
    ...isDeno
      ? { NO_COLOR: "1", DENO_NO_PACKAGE_JSON: "1", DENO_NO_UPDATE_CHECK: "1" }
      : {},
    ...given,
  };
}
