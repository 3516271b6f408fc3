import type { Finding } from "./finding.ts";

/**
 * Kinds of permissions, and what the runner uses them for. It gives the others
 * up as it starts.
 */
const KINDS = {
  read: "job files, sources, plugins",
  write: "the workspace",
  run: "commands of jobs",
  env: "configuration",
  net: "the coordinator, downloads, plugins, the socket for secrets",
} as const;

/**
 * Asks Deno what this process may do.
 *
 * @param directory Directory that jobs write to.
 * @returns What was found; what every job needs is marked as such.
 */
export function findPermissions(directory: string): Finding[] {
  const needs: readonly Deno.PermissionDescriptor[] = [
    { name: "read", path: directory },
    { name: "write", path: directory },
    { name: "run", command: "/bin/sh" },
  ];
  return Object.entries(KINDS).map(([kind, purpose]) => {
    const isAll = isGranted({ name: kind } as Deno.PermissionDescriptor);
    const need = needs.find(({ name }) => name === kind);
    const isEnough = isAll || (need !== undefined && isGranted(need));
    return {
      state: isEnough ? "ok" : need === undefined ? "missing" : "needed",
      name: kind,
      detail: isAll ? "all" : isEnough ? "what a job needs" : "not all",
      purpose,
    };
  });
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  return state === "granted" && !partial;
}
