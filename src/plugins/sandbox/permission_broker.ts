import type { Environment } from "../../environment/variables.ts";
import { isInside, normalizePath } from "../../job_path.ts";
import { listenPrivately } from "../../secrets/registration/socket.ts";
import { realPath } from "../../workspace/guard.ts";
import {
  mayUse,
  PERMISSION_KINDS,
  type PluginPermissions,
} from "../permissions/plugin_permissions.ts";
import { splitLines } from "./messages.ts";

/** Maximum length of a request, in characters. */
const MAX_REQUEST_LENGTH = 64 * 1024;

/** Answers the permission requests of one Deno process. */
export interface PermissionBroker extends Disposable {
  /** Variables that make Deno ask the broker instead of using its own options. */
  readonly env: Environment;
}

/**
 * Opens a socket on which Deno requests permission for each access.
 *
 * Deno compares its own options with paths as they are written. The broker
 * decides at the time of access, after symbolic links are resolved. Deno exits
 * if it gets no answer.
 *
 * @param policy Policy that decides.
 * @param parents Candidate directories for the socket.
 * @returns The broker, which serves one process.
 * @throws {RunnerError} If the socket cannot be created.
 */
export function openPermissionBroker(
  policy: AccessPolicy,
  parents: readonly string[],
): PermissionBroker {
  const socket = listenPrivately(parents);
  let connection: Deno.UnixConn | undefined;
  const serve = async () => {
    connection = await socket.listener.accept();
    await answerRequests(connection, policy);
  };
  // Closing the connection ends the process, unless it has already ended.
  serve().catch(() => {}).finally(() => close(connection));
  return {
    env: { DENO_PERMISSION_BROKER_PATH: socket.path },
    [Symbol.dispose]() {
      close(connection);
      socket[Symbol.dispose]();
    },
  };
}

async function answerRequests(
  connection: Deno.UnixConn,
  policy: AccessPolicy,
): Promise<void> {
  const writer = connection.writable.getWriter();
  let last: Promise<void> = Promise.resolve();
  const reply = async (line: string) => {
    const { id, ...request } = JSON.parse(line) as AccessRequest & {
      id: number;
    };
    const reason = await policy(request);
    const result = reason === undefined ? "allow" : "deny";
    const text = JSON.stringify({ id, result, reason });
    await writer.write(new TextEncoder().encode(`${text}\n`));
  };
  await splitLines(connection.readable, {
    maxLength: MAX_REQUEST_LENGTH,
    onTooLong: () => close(connection),
    onLine: (line) => {
      last = last.then(() => reply(line)).catch(() => close(connection));
    },
  });
  await last;
}

function close(connection: Deno.UnixConn | undefined): void {
  try {
    connection?.close();
  } catch {
    // It is already closed.
  }
}

/** Access for which Deno requests permission on behalf of a plugin. */
export interface AccessRequest {
  /** Kind of permission, as Deno names it. */
  readonly permission: string;
  /** Path, host, variable and so on; `null` for everything of its kind. */
  readonly value: string | null;
}

/** Options for {@linkcode openAccessPolicy}. */
export interface AccessPolicyOptions {
  /** Permissions of the plugin, with absolute paths. */
  readonly permissions: PluginPermissions;
  /** Absolute path of the workspace, in which the job may create links. */
  readonly workspace: string;
  /** Absolute path of the directory in which Deno creates temporary files. */
  readonly temporary: string;
}

/** Resolves to the reason for denying access, or `undefined` to allow it. */
export type AccessPolicy = (
  request: AccessRequest,
) => Promise<string | undefined>;

/**
 * Creates a policy that decides about each access when it happens.
 *
 * A path must be in a permitted directory both as written and after symbolic
 * links are resolved. A link that the job or its source created cannot lead out
 * of the permitted directories.
 *
 * @param options Permissions and workspace.
 * @returns The policy. Directories outside the workspace are resolved now.
 */
export async function openAccessPolicy(
  { permissions, workspace, temporary }: AccessPolicyOptions,
): Promise<AccessPolicy> {
  const base = await realPath(workspace);
  const roots = {
    read: await resolveRoots(permissions.read ?? [], workspace, base),
    write: await resolveRoots(permissions.write ?? [], workspace, base),
  };
  return async (request) => {
    const { permission, value } = request;
    const kind = PERMISSION_KINDS.find((kind) => kind === permission);
    if (kind === undefined) return formatRefusal(request);
    if (permissions[kind]?.includes("*")) return undefined;
    if (value === null) return formatRefusal(request);
    if (kind === "net" && isInRanges(permissions.net ?? [], value)) {
      return undefined;
    }
    if (kind !== "read" && kind !== "write") {
      return mayUse(permissions, kind, value)
        ? undefined
        : formatRefusal(request);
    }
    const path = value === "<TMP>" ? temporary : value;
    if (!mayUse(permissions, kind, normalizePath(path))) {
      return formatRefusal(request);
    }
    return await findLinkProblem(path, roots[kind]);
  };
}

/** Does not resolve paths in the workspace, where the job can create links. */
function resolveRoots(
  paths: readonly string[],
  workspace: string,
  base: string,
): Promise<string[]> {
  return Promise.all(
    paths.filter((path) => path !== "*").map((path) =>
      isInside(workspace, path)
        ? base + path.slice(workspace.length)
        : realPath(path)
    ),
  );
}

async function findLinkProblem(
  path: string,
  roots: readonly string[],
): Promise<string | undefined> {
  try {
    const real = await realPath(path);
    if (roots.some((root) => isInside(root, real))) return undefined;
    return `Cannot use "${path}": a link leads to "${real}", outside the paths that the plugin may use`;
  } catch {
    return `Cannot use "${path}": it cannot be resolved`;
  }
}

function isInRanges(ranges: readonly string[], host: string): boolean {
  return ranges.some((range) => range.includes("/") && isInRange(range, host));
}

/** Uses the wording of Deno, which {@linkcode deniedAccess} parses. */
function formatRefusal({ permission, value }: AccessRequest): string {
  const what = value === null ? "" : ` to "${value}"`;
  return `Requires ${permission} access${what}, run again with the --allow-${permission} flag`;
}

/**
 * Checks whether a host is an address in a range.
 *
 * @param range Range such as `10.0.0.0/8` or `[fd00::]/8`.
 * @param host Address with or without a port.
 * @returns Whether the address is in the range; always `false` for host names,
 * which are not resolved.
 */
export function isInRange(range: string, host: string): boolean {
  const [, network, prefix] = /^(.*)\/(\d+)$/.exec(range) ?? [];
  const outer = toBits(network ?? "");
  const inner = toBits(host.replace(/:\d+$/, ""));
  return outer !== undefined && outer.length === inner?.length &&
    inner.startsWith(outer.slice(0, Number(prefix)));
}

/** Converts an address to a string of bits: 32 for IPv4, 128 for IPv6. */
function toBits(address: string): string | undefined {
  const text = URL.parse(`http://${address}/`)?.hostname ?? "";
  if (/^\d+(?:\.\d+){3}$/.test(text)) {
    return text.split(".").map((part) => formatBits(Number(part), 8)).join("");
  }
  if (!text.startsWith("[")) return undefined;
  const [head, tail] = text.slice(1, -1).split("::").map((half) =>
    half === "" ? [] : half.split(":")
  );
  const missing = 8 - head.length - (tail?.length ?? 0);
  const zeros = Array.from({ length: missing }, () => "0");
  return [...head, ...zeros, ...tail ?? []]
    .map((part) => formatBits(parseInt(part, 16), 16)).join("");
}

function formatBits(number: number, width: number): string {
  return number.toString(2).padStart(width, "0");
}
