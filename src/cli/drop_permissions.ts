/** Commands that use neither the network nor a socket. */
const WITHOUT_NETWORK: ReadonlySet<string> = new Set([
  "completions",
  "config",
  "explain-masks",
  "permissions",
  "report",
  "schema",
  "validate",
]);

/**
 * Commands that read files that Deno allows only with all permissions: the
 * environment of a job's processes, or an open descriptor.
 */
const READING_PROCESSES: ReadonlySet<string> = new Set([
  "doctor",
  "mcp",
  "run",
  "ui",
  "workflow",
  "secrets",
]);

/**
 * Commands that remove directory trees. They need to see mounts in them, which
 * Deno allows only with all permissions.
 */
const REMOVING_TREES: ReadonlySet<string> = new Set([
  "artifacts",
  "cache",
  "checkout",
  "cleanup",
  "copy",
]);

/** Commands that do not start programs. */
const WITHOUT_PROGRAMS: ReadonlySet<string> = new Set([
  ...WITHOUT_NETWORK,
  "register-secret",
]);

/**
 * Irrevocably drops permissions that a command does not need, before anything
 * else happens: native code, system information, the network and programs.
 *
 * A job needs network access even without a coordinator, for the socket where
 * its programs register secrets.
 *
 * @param args Arguments, starting with the name of the command.
 */
export function dropPermissions(args: readonly string[]): void {
  const [name = "", ...rest] = args;
  // For example, a workspace at /dev/shm needs all permissions.
  if (rest.some((arg) => /(?:^|=)\/(?:dev|proc)\//.test(arg))) return;
  if (REMOVING_TREES.has(name)) return;
  if (!READING_PROCESSES.has(name)) {
    Deno.permissions.revokeSync({ name: "ffi" });
    Deno.permissions.revokeSync({ name: "sys" });
  }
  if (WITHOUT_NETWORK.has(name)) Deno.permissions.revokeSync({ name: "net" });
  if (WITHOUT_PROGRAMS.has(name)) Deno.permissions.revokeSync({ name: "run" });
}
