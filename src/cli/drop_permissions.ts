/** Commands that use neither the network nor a socket. */
const OFFLINE: ReadonlySet<string> = new Set([
  "completions",
  "config",
  "explain-masks",
  "permissions",
  "report",
  "schema",
  "validate",
]);

/**
 * Commands that read what Linux shows only to who has every permission: the
 * environment of a job's processes, or an inherited descriptor.
 */
const ALL_SEEING: ReadonlySet<string> = new Set([
  "doctor",
  "run",
  "workflow",
  "secrets",
]);

/**
 * Commands that remove trees: Deno shows what is mounted in them only to a
 * process that has every permission.
 */
const REMOVING: ReadonlySet<string> = new Set(["checkout", "cleanup", "copy"]);

/** Commands that start no program. */
const ALONE: ReadonlySet<string> = new Set([
  ...OFFLINE,
  "register-secret",
]);

/**
 * Gives permissions up that a command does not need, for good and before
 * anything else happens: native code and facts of the system, the network and
 * other programs, where nothing uses them.
 *
 * A job needs the network even without a coordinator: the socket at which its
 * programs register secrets is part of it.
 *
 * @param args Arguments, the name of the command first.
 */
export function dropPermissions(args: readonly string[]): void {
  const [name = "", ...rest] = args;
  // Such as a workspace in memory, at /dev/shm.
  if (rest.some((arg) => /(?:^|=)\/(?:dev|proc)\//.test(arg))) return;
  if (REMOVING.has(name)) return;
  if (!ALL_SEEING.has(name)) {
    Deno.permissions.revokeSync({ name: "ffi" });
    Deno.permissions.revokeSync({ name: "sys" });
  }
  if (OFFLINE.has(name)) Deno.permissions.revokeSync({ name: "net" });
  if (ALONE.has(name)) Deno.permissions.revokeSync({ name: "run" });
}
