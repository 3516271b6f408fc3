import { shellWord } from "../command_text.ts";
import { Variable } from "../environment/variables.ts";
import { isInside } from "../job_path.ts";
import { fileUrl, type PluginFile, realPluginFile } from "./find_files.ts";
import {
  ALL_OF_CI_SOURCE,
  expandPaths,
  type GrantsOf,
  type PermissionDirectories,
} from "./permissions/grants.ts";
import { readManifest } from "./permissions/plugin_manifest.ts";
import {
  intersectPermissions,
  PERMISSION_KINDS,
  type PermissionKind,
  type PluginPermissions,
} from "./permissions/plugin_permissions.ts";

/** Code of a plugin that runs in its own process. */
export interface PluginSource {
  /** Name under which the plugin is granted permissions. */
  readonly name: string;
  /** Path or URL of the plugin, for messages. */
  readonly origin: string;
  /** URL of the code; `undefined` for a program. */
  readonly url?: string;
  /**
   * Whether it is a Python file, which the host for Python plugins loads.
   *
   * @default {false}
   */
  readonly isPython?: boolean;
  /**
   * Whether the plugin belongs to the trusted CI source.
   *
   * @default {false}
   */
  readonly isOfCiSource?: boolean;
  /** Path of the file; `undefined` for a package. */
  readonly file?: string;
  /** Working directory of the process. */
  readonly cwd: string;
  /** Lock file that pins the package. */
  readonly lockFile?: string;
  /** `DENO_DIR` with the module graph, if it was fetched in advance. */
  readonly denoDir?: string;
  /** Requested permissions; `undefined` if they are known only after loading. */
  readonly requested?: PluginPermissions;
}

/** Policy that determines the permissions of plugins. */
export interface PermissionPolicy {
  /** Returns the permissions that a plugin is granted. */
  readonly grantsOf: GrantsOf;
  /** Directories that paths in permissions can refer to. */
  readonly directories: PermissionDirectories;
  /** A directory and its copy; read access to one includes the other. */
  readonly copy?: { readonly original: string; readonly path: string };
}

/**
 * Describes the plugin in a file without running it.
 *
 * @throws {TypeError} If the file cannot be loaded, or its manifest is invalid.
 */
export async function fileSource(file: PluginFile): Promise<PluginSource> {
  const real = await realPluginFile(file.path);
  const cwd = real.slice(0, real.lastIndexOf("/")) || "/";
  const source = { name: file.name, origin: file.path, file: real, cwd };
  if (file.kind === "program") return source;
  if (file.kind === "python") return { ...source, isPython: true };
  if (real.includes(",")) {
    throw new TypeError("its path contains a comma, which Deno cannot permit");
  }
  const requested = readManifest(await Deno.readTextFile(real));
  return { ...source, url: fileUrl(real), requested };
}

/** Permissions of a plugin, and the requested ones that were not granted. */
export interface ResolvedPermissions {
  /** Permissions that the plugin has. */
  readonly permissions: PluginPermissions;
  /** Requested values that were not granted, or not in full. */
  readonly refused: readonly { kind: PermissionKind; value: string }[];
}

/**
 * Determines the permissions of a plugin: those that are both requested and
 * granted.
 *
 * @param source The plugin.
 * @param policy Grants and directories.
 * @param requested Requested permissions.
 * @returns Permissions of the plugin.
 * @throws {TypeError} If a path cannot be permitted.
 */
export function resolvePermissions(
  source: PluginSource,
  policy: PermissionPolicy,
  requested: PluginPermissions = source.requested ?? {},
): ResolvedPermissions {
  const directories = { ...policy.directories, PLUGIN_DIR: source.cwd };
  const expanded = expandPaths(requested, directories);
  const grants = expandPaths(
    policy.grantsOf(source.name, source.isOfCiSource),
    directories,
  );
  const permissions = intersectPermissions(expanded, grants);
  const refused = PERMISSION_KINDS.flatMap((kind) =>
    (expanded[kind] ?? []).filter((value) =>
      !permissions[kind]?.includes(value)
    )
      .map((value) => ({ kind, value }))
  );
  return { permissions: withCopy(permissions, policy.copy), refused };
}

function withCopy(
  permissions: PluginPermissions,
  copy: PermissionPolicy["copy"],
): PluginPermissions {
  if (permissions.read === undefined || copy === undefined) return permissions;
  const { original, path } = copy;
  const copies = permissions.read.flatMap((read) => {
    if (isInside(read, original)) return path;
    return isInside(original, read) ? path + read.slice(original.length) : [];
  });
  return {
    ...permissions,
    read: [...new Set([...permissions.read, ...copies])],
  };
}

/**
 * Checks whether a program may run as a plugin. Programs are not sandboxed:
 * they run with the full permissions of the user, or not at all.
 *
 * @param permissions Permissions that the program is granted.
 * @returns Whether it may run.
 */
export function mayRun({ run }: PluginPermissions): boolean {
  return run?.includes("*") ?? false;
}

/**
 * Explains why programs may not run as plugins, and how to allow it.
 *
 * @param sources One or more programs.
 * @returns Reason, phrased to follow "Cannot …:".
 */
export function ungrantedText(sources: readonly PluginSource[]): string {
  const isOne = sources.length === 1;
  const kind = sources.every(({ isPython }) => isPython)
    ? "Python plugin"
    : "program";
  const subject = isOne ? `it is a ${kind}` : `they are ${kind}s`;
  const options = sources.map(({ name }) =>
    `--allow-plugin ${grantWord(`${name}:run=*`)}`
  );
  const all = `${ALL_OF_CI_SOURCE}:run=*`;
  const ofCiSource = sources.some(({ isOfCiSource }) => isOfCiSource)
    ? `; --allow-plugin ${grantWord(all)}, or the line ${all} in ` +
      `${Variable.pluginPermissions}, allows every plugin of the trusted CI source`
    : "";
  return `${subject}, which can do everything that the runner can; to allow ${
    isOne ? "it, grant it" : "them, grant each"
  } with ${options.join(" ")}${ofCiSource}`;
}

/** Quotes a grant unless it is plain: no file name matches its `*`. */
function grantWord(grant: string): string {
  return /^[\w.:=*-]+$/.test(grant) ? grant : shellWord(grant);
}
