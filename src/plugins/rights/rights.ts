import { shellWord } from "../../command_text.ts";
import { listText } from "../../config/text_values.ts";
import { isInside } from "../../job_path.ts";
import { printable } from "../../terminal/text.ts";

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
 * Returns what is both asked for and granted; the narrower of two that overlap.
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
    const common = (asked[kind] ?? []).flatMap((value) =>
      (granted[kind] ?? []).flatMap((grant) => {
        if (covers(kind, grant, value)) return value;
        return covers(kind, value, grant) ? grant : [];
      })
    );
    if (common.length > 0) rights[kind] = [...new Set(common)];
  }
  return rights;
}

/**
 * Checks whether one value of a right allows what another one names.
 *
 * @param kind Kind of both.
 * @param outer What is allowed.
 * @param inner Requested value.
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
 * Checks whether a plugin has a right.
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

/** What a plugin wanted and may not have. */
export interface DeniedAccess {
  /** Kind of right that it lacks. */
  readonly kind: RightKind;
  /** What it wanted; `*` if Deno does not say. */
  readonly value: string;
}

const KINDS = ["read", "write", "net", "env", "run", "sys", "import"] as const;

const REFUSAL = /Requires (\w+) access(?: to "?([^"\n]+?)"?)?, (?:run|specify)/;

/**
 * Determines what Deno refused.
 *
 * @param message What Deno threw.
 * @returns What was refused; `undefined` if the message is about something else.
 */
export function deniedAccess(message: string): DeniedAccess | undefined {
  const [, word, value = "*"] = REFUSAL.exec(message) ?? [];
  const kind = KINDS.find((kind) => kind === word);
  return kind === undefined ? undefined : { kind, value };
}

/**
 * Explains what a plugin was refused, and how to allow it.
 *
 * @param plugin Name under which rights are granted to the plugin.
 * @param denied What it wanted.
 * @returns Text that can end a sentence.
 */
export function deniedText(plugin: string, denied: DeniedAccess): string {
  const { kind, value } = denied;
  const what = value === "*" ? "" : ` to "${printable(value)}"`;
  const list = printable(JSON.stringify([value]));
  return `it has no ${kind} access${what}; to allow it, name it in the manifest, ` +
    `permissions: { ${kind}: ${list} }, and grant it with ` +
    `${grantOption(plugin, denied)}, in a job file ` +
    `plugin_permissions: {${plugin}: {${kind}: ${list}}}`;
}

/**
 * Writes the option that grants a right, as it can be pasted into a shell:
 * its value comes from a plugin.
 *
 * @param plugin Name under which rights are granted to the plugin.
 * @param right The right.
 * @returns The option with its value.
 */
export function grantOption(
  plugin: string,
  { kind, value }: DeniedAccess,
): string {
  const grant = printable(`${plugin}:${kind}=${listText([value])}`);
  return `--allow-plugin ${shellWord(grant)}`;
}
