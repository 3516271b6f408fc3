import { messageOf } from "./errors.ts";

/**
 * Tells why the system refused something, without what Deno adds: the number
 * of the error, the name of the call and its paths.
 *
 * @param error The thrown value.
 * @returns The reason, such as `no such file or directory`.
 */
export function osReason(error: unknown): string {
  const [reason] = messageOf(error)
    .replace(/^Failed to spawn '.*?': /s, "")
    .split(" (os error ");
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}
