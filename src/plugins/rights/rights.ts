import { isInside } from "../../job_path.ts";

/**
 * What a plugin may be allowed. The first ones are those of Deno.
 */
export const RIGHT_KINDS = [
  "read",
  "write",
  "net",
  "env",
  "run",
  "sys",
  "import",
  "config",
  "steps",
] as const satisfies readonly RightKind[];

/** A kind of right. */
export type RightKind = keyof PluginPermissions;

/**
 * Rights of a plugin, asked for or granted: lists of paths, hosts, variables,
 * programs and so on. `*` stands for all of a kind; a variable, a setting or a
 * step may end in `*`, a host may begin with `*.`.
 */
export interface PluginPermissions {
  /** Paths that are read. */
  readonly read?: readonly string[];
  /** Paths that are written to. */
  readonly write?: readonly string[];
  /** Hosts, with or without ports, that are reached. */
  readonly net?: readonly string[];
  /** Variables of runner and job that are seen, and of the job that are changed. */
  readonly env?: readonly string[];
  /** Programs that are started, with whatever those can do. */
  readonly run?: readonly string[];
  /** Facts of the system that are asked for, as Deno names them. */
  readonly sys?: readonly string[];
  /** Hosts from which code is loaded; `npm` stands for the packages of npm. */
  readonly import?: readonly string[];
  /** Settings that are changed. */
  readonly config?: readonly string[];
  /** Names of steps that are added. */
  readonly steps?: readonly string[];
}

/**
 * Gives what is both asked for and granted; the narrower of two that overlap.
 *
 * @param asked What a plugin asks for.
 * @param granted What it is granted.
 * @returns Its rights.
 */
export function commonRights(
  asked: PluginPermissions,
  granted: PluginPermissions,
): PluginPermissions {
  const rights: Partial<Record<RightKind, readonly string[]>> = {};
  for (const kind of RIGHT_KINDS) {
    const common = (asked[kind] ?? []).flatMap((wish) =>
      (granted[kind] ?? []).flatMap((grant) => {
        if (covers(kind, grant, wish)) return wish;
        return covers(kind, wish, grant) ? grant : [];
      })
    );
    if (common.length > 0) rights[kind] = [...new Set(common)];
  }
  return rights;
}

/**
 * Tells whether one value of a right allows what another one names.
 *
 * @param kind Kind of both.
 * @param outer What is allowed.
 * @param inner What is wished.
 * @returns Whether it does.
 */
export function covers(kind: RightKind, outer: string, inner: string): boolean {
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
 * Tells whether a plugin has a right.
 *
 * @param rights Its rights.
 * @param kind Kind of the right.
 * @param value What it is about.
 * @returns Whether it has.
 */
export function mayUse(
  rights: PluginPermissions,
  kind: RightKind,
  value: string,
): boolean {
  return rights[kind]?.some((right) => covers(kind, right, value)) ?? false;
}

/** A host without a port stands for all of its ports. */
function coversHost(outer: string, inner: string): boolean {
  // Sockets and ranges of addresses are compared as a whole.
  if (/[/]|^vsock:/.test(outer + inner)) return false;
  const [, host, port] = /^(.*?)(:\d+)?$/s.exec(outer)!;
  const [, otherHost, otherPort] = /^(.*?)(:\d+)?$/s.exec(inner)!;
  if (port !== undefined && port !== otherPort) return false;
  if (host.startsWith("*.")) return otherHost.endsWith(host.slice(1));
  return host === otherHost;
}
