import { shellWord } from "../../command_text.ts";
import { listText } from "../../config/text_values.ts";
import { RunnerError } from "../../errors.ts";
import { isInside } from "../../job_path.ts";
import { printable } from "../../terminal/text.ts";

/** Kinds of permissions. All but the last two are kinds of Deno. */
export const PERMISSION_KINDS = [
  "read",
  "write",
  "net",
  "env",
  "run",
  "sys",
  "import",
  "config",
  "steps",
] as const satisfies readonly PermissionKind[];

/** A kind of permission. */
export type PermissionKind = keyof PluginPermissions;

/**
 * Permissions of a plugin, requested or granted: lists of paths, hosts,
 * variables, programs and so on. `*` means all of a kind. The name of a
 * variable, setting or step may end with `*`; a host may start with `*.`.
 */
export interface PluginPermissions {
  /** Paths that the plugin can read. */
  readonly read?: readonly string[];
  /** Paths that the plugin can write to. */
  readonly write?: readonly string[];
  /** Hosts, with or without ports, that the plugin can connect to. */
  readonly net?: readonly string[];
  /**
   * Variables of the runner and the job that the plugin can read. It can also
   * change those of the job.
   */
  readonly env?: readonly string[];
  /** Programs that the plugin can start; they are not sandboxed. */
  readonly run?: readonly string[];
  /** System information that the plugin can read, as Deno names it. */
  readonly sys?: readonly string[];
  /** Hosts that the plugin can import code from; `npm` means npm packages. */
  readonly import?: readonly string[];
  /** Settings that the plugin can change. */
  readonly config?: readonly string[];
  /** Names of steps that the plugin can add. */
  readonly steps?: readonly string[];
}

/**
 * Returns the permissions that are both requested and granted. Where two values
 * overlap, the narrower one counts.
 *
 * @param requested Permissions that a plugin requests.
 * @param granted Permissions that it is granted.
 * @returns Permissions that it gets.
 */
export function intersectPermissions(
  requested: PluginPermissions,
  granted: PluginPermissions,
): PluginPermissions {
  const permissions: Partial<Record<PermissionKind, readonly string[]>> = {};
  for (const kind of PERMISSION_KINDS) {
    const common = (requested[kind] ?? []).flatMap((value) =>
      (granted[kind] ?? []).flatMap((grant) => {
        if (covers(kind, grant, value)) return value;
        return covers(kind, value, grant) ? grant : [];
      })
    );
    if (common.length > 0) permissions[kind] = [...new Set(common)];
  }
  return permissions;
}

/**
 * Checks whether one value of a permission includes another one.
 *
 * @param kind Kind of both.
 * @param outer Allowed value.
 * @param inner Requested value.
 * @returns Whether `outer` includes `inner`.
 */
export function covers(
  kind: PermissionKind,
  outer: string,
  inner: string,
): boolean {
  if (outer === "*" || outer === inner) return true;
  if (inner === "*") return false;
  if (kind === "read" || kind === "write") return isInside(outer, inner);
  if (kind === "net" || kind === "import") return coversHost(outer, inner);
  if (kind === "env" || kind === "config" || kind === "steps") {
    return outer.endsWith("*") && inner.startsWith(outer.slice(0, -1));
  }
  return false;
}

/**
 * Checks whether a plugin has a permission.
 *
 * @param kind Kind of the permission.
 * @param value Requested value, such as a path or a host.
 * @returns Whether access is allowed.
 */
export function mayUse(
  permissions: PluginPermissions,
  kind: PermissionKind,
  value: string,
): boolean {
  return permissions[kind]?.some((permission) =>
    covers(kind, permission, value)
  ) ?? false;
}

/** A host without a port includes all of its ports. */
function coversHost(outer: string, inner: string): boolean {
  // Sockets and address ranges only match themselves.
  if (/[/]|^vsock:/.test(outer + inner)) return false;
  const [, host, port] = /^(.*?)(:\d+)?$/s.exec(outer)!;
  const [, otherHost, otherPort] = /^(.*?)(:\d+)?$/s.exec(inner)!;
  if (port !== undefined && port !== otherPort) return false;
  if (host.startsWith("*.")) return otherHost.endsWith(host.slice(1));
  return host === otherHost;
}

/** An access that a plugin was denied. */
export interface DeniedAccess {
  /** Kind of the missing permission. */
  readonly kind: PermissionKind;
  /** Requested value; `*` if Deno does not report it. */
  readonly value: string;
}

const KINDS = ["read", "write", "net", "env", "run", "sys", "import"] as const;

const REFUSAL = /Requires (\w+) access(?: to "?([^"\n]+?)"?)?, (?:run|specify)/;

/**
 * Parses an error message of Deno about a missing permission.
 *
 * @param message Message of an error that Deno threw.
 * @returns The denied access, or `undefined` for any other message.
 */
export function deniedAccess(message: string): DeniedAccess | undefined {
  const [, word, value = "*"] = REFUSAL.exec(message) ?? [];
  const kind = KINDS.find((kind) => kind === word);
  return kind === undefined ? undefined : { kind, value };
}

/** Error of a plugin that lacks a permission. */
export class DeniedError extends RunnerError {
  /** The denied access. */
  readonly denied: DeniedAccess;

  /**
   * Creates an error that says how to allow the access.
   *
   * @param plugin Name under which the plugin is granted permissions.
   * @param denied The denied access.
   * @param cause Error that the plugin threw.
   */
  constructor(plugin: string, denied: DeniedAccess, cause?: unknown) {
    super(formatDenied(plugin, denied), { code: "plugin-failed", cause });
    this.denied = denied;
  }
}

/**
 * Explains which access a plugin was denied, and how to allow it.
 *
 * @param plugin Name under which the plugin is granted permissions.
 * @param denied The denied access.
 * @returns Reason, phrased to follow "Cannot …:".
 */
function formatDenied(plugin: string, denied: DeniedAccess): string {
  const { kind, value } = denied;
  const what = value === "*" ? "" : ` to "${printable(value)}"`;
  const list = printable(JSON.stringify([value]));
  return `it has no ${kind} access${what}; to allow it, name it in the manifest, ` +
    `permissions: { ${kind}: ${list} }, and grant it with ` +
    `${grantOption(plugin, denied)}, in a job file ` +
    `plugin_permissions: {${plugin}: {${kind}: ${list}}}`;
}

/**
 * Formats the option that grants a permission. The value comes from a plugin,
 * so it is quoted for the shell.
 *
 * @param plugin Name under which the plugin is granted permissions.
 * @param permission The permission.
 * @returns The option with its value.
 */
export function grantOption(
  plugin: string,
  { kind, value }: DeniedAccess,
): string {
  const grant = printable(`${plugin}:${kind}=${listText([value])}`);
  return `--allow-plugin ${shellWord(grant)}`;
}
