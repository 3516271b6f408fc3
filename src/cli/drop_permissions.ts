/** Commands that reach nobody, not even through a socket. */
const OFFLINE: ReadonlySet<string> = new Set([
  "cleanup",
  "completions",
  "config",
  "copy",
  "explain-masks",
  "permissions",
  "schema",
  "secrets",
  "validate",
]);

/**
 * Commands that end the processes of a job wherever they went: Linux shows
 * them only to who has every permission.
 */
const HUNTING: ReadonlySet<string> = new Set(["run", "workflow"]);

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
 * @param command Name of the command, as typed.
 */
export function dropPermissions(command: string | undefined): void {
  const name = command ?? "";
  if (!HUNTING.has(name)) {
    Deno.permissions.revokeSync({ name: "ffi" });
    Deno.permissions.revokeSync({ name: "sys" });
  }
  if (OFFLINE.has(name)) Deno.permissions.revokeSync({ name: "net" });
  if (ALONE.has(name)) Deno.permissions.revokeSync({ name: "run" });
}
