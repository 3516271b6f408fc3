import { joinList } from "../../command_text.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import {
  DENO_DOWNLOAD_VARIABLES,
  DENO_VARIABLES,
  type Environment,
} from "../../environment/variables.ts";
import {
  confinedCommand,
  type Confinement,
} from "../../process/sandbox/confined_command.ts";
import {
  covers,
  mayUse,
  type PluginPermissions,
} from "../permissions/plugin_permissions.ts";
import workerSource from "./sandbox_worker.js" with { type: "text" };

/** Maximum heap of a plugin, in MiB; memory outside it is limited below. */
const HEAP_MIB = 256;

/**
 * Maximum data memory of a plugin, in KiB. V8 allocates half of it at startup
 * and as much again for each worker, so workers cannot start. Address space
 * cannot be limited instead, because V8 reserves far more of it than it uses.
 */
const DATA_KIB = 1024 * 1024;

/** Kinds of permissions that Deno enforces, except imports. */
const DENO_KINDS = ["read", "write", "net", "env", "run", "sys"] as const;

/** Limits memory where the system supports it; the heap has its own limit. */
const LIMITED = `ulimit -d ${DATA_KIB} 2>/dev/null; exec "$@"`;

/** Value of the `import` permission that allows npm packages. */
const NPM = "npm";

/** Options for {@linkcode denoCommand}. */
export interface DenoCommandOptions {
  /** Path of Deno. */
  readonly deno: string;
  /** URL of the plugin: `file:`, `npm:` or `jsr:`. */
  readonly url: string;
  /** Path of the plugin's file, which it may read. */
  readonly file?: string;
  /** What the plugin may use, with absolute paths. */
  readonly rights: PluginPermissions;
  /** Lock file that pins the package. */
  readonly lockFile?: string;
  /**
   * Host and port of the registry for `jsr:`.
   *
   * @default {"jsr.io:443"}
   */
  readonly registry?: string;
  /**
   * Paths to which Landlock restricts the process.
   *
   * @default {no restriction beyond Deno's permissions}
   */
  readonly confinement?: Confinement;
  /** Path of Perl, which applies the confinement faster than Deno. */
  readonly perl?: string;
}

/**
 * Builds the command that runs a plugin with exactly its permissions.
 *
 * @param options Plugin and its permissions.
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
    // A unique origin, so that plugins do not share web storage.
    `--location=https://${crypto.randomUUID()}.invalid/`,
    ...lockFile === undefined
      ? ["--no-lock"]
      : [`--lock=${lockFile}`, "--frozen"],
    `--v8-flags=--max-old-space-size=${HEAP_MIB}`,
    ...permissionFlags(rights, file),
    ...importFlags(url, rights, registry),
    `data:text/javascript;base64,${workerCode()}`,
    url,
  ];
  if (confinement !== undefined && options.perl !== undefined) {
    const limited = { ...confinement, maxDataBytes: DATA_KIB * 1024 };
    return confinedCommand(command, limited, options);
  }
  return [
    ...["/bin/sh", "-c", LIMITED, "sh"],
    ...confinement === undefined
      ? command
      : confinedCommand(command, confinement, options),
  ];
}

/**
 * Converts permissions to options of Deno.
 *
 * @param permissions Permissions, with absolute paths.
 * @param file Path of the plugin's file.
 * @returns Options of `deno run`.
 */
export function permissionFlags(
  permissions: PluginPermissions,
  file?: string,
): string[] {
  const own = file === undefined ? [] : [file];
  return DENO_KINDS.flatMap((kind) => {
    const values = [...kind === "read" ? own : [], ...permissions[kind] ?? []];
    return permissionFlag(kind, values);
  });
}

/**
 * Returns the option of `deno run` that allows values of one kind.
 *
 * @param kind Kind, as Deno names it.
 * @param values Values; `*` means all.
 * @returns The option; empty if there are no values.
 * @throws {TypeError} If Deno would split a value into several.
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
 * Returns the host of the registry from which Deno loads `jsr:` URLs.
 *
 * @returns Host and port, as in the `import` permission.
 */
export function jsrHost(env: Environment): string {
  const { hostname, port, protocol } = URL.parse(env.JSR_URL ?? "") ??
    new URL("https://jsr.io");
  return `${hostname}:${port || (protocol === "http:" ? 80 : 443)}`;
}

/**
 * By default, Deno imports from npm and from some hosts. A plugin needs a
 * permission for that. Its own code was fetched in advance, so it does not even
 * need access to its registry.
 */
function importFlags(
  url: string,
  permissions: PluginPermissions,
  registry: string,
): string[] {
  const isPackage = /^(?:jsr|npm):/.test(url);
  const granted = (permissions.import ?? []).filter((host) => host !== NPM);
  const hosts = [...url.startsWith("jsr:") ? [registry] : [], ...granted];
  const mayUseNpm = mayUse(permissions, "import", NPM);
  return [
    ...mayUseNpm || url.startsWith("npm:") ? [] : ["--no-npm"],
    ...hosts.length > 0 ? [] : ["--no-remote"],
    ...isPackage && granted.length === 0 && !mayUseNpm ? ["--cached-only"] : [],
    ...permissionFlag("import", hosts),
  ];
}

let encoded: string | undefined;

function workerCode(): string {
  return encoded ??= new TextEncoder().encode(workerSource).toBase64();
}

/**
 * Variables that all plugins see. Without `PATH`, Deno reports a program as missing
 * instead of not permitted.
 */
const ALWAYS_VISIBLE = ["PATH"];

/** Options for {@linkcode processEnvironment}. */
export interface ProcessEnvironmentOptions {
  /** Whether Deno runs the plugin; otherwise it is a program. */
  readonly isDeno: boolean;
  /** Whether Deno fetches code for the plugin. */
  readonly fetchesCode: boolean;
  /** Checks whether the plugin sees a variable without a grant. */
  readonly seesUngranted: (name: string) => boolean;
}

/**
 * Returns the environment of a plugin's process: granted variables, and those
 * that Deno itself requires.
 *
 * @param options What runs the plugin.
 * @returns The complete environment.
 */
export function processEnvironment(
  env: Environment,
  permissions: PluginPermissions,
  options: ProcessEnvironmentOptions,
): ChildEnvironment {
  const { isDeno, fetchesCode, seesUngranted } = options;
  const names = new Set([
    ...ALWAYS_VISIBLE,
    ...isDeno ? DENO_VARIABLES : [],
    ...fetchesCode ? DENO_DOWNLOAD_VARIABLES : [],
  ]);
  const given = childEnvironment(env, {
    kind: "plugin",
    mayUse: (name) =>
      names.has(name) || mayUse(permissions, "env", name) ||
      seesUngranted(name),
    isNamed: (name) =>
      seesUngranted(name) ||
      permissions.env?.some((value) =>
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
