import { isProgramMissing } from "../missing_program.ts";
import { hasNamespaces } from "./container_process.ts";

/** Oldest minor version of kubectl 1 that supports the server of the tests. */
const OLDEST_KUBECTL = 30;

/**
 * Returns what this machine lacks to run Pods, and prints it.
 *
 * @returns `undefined` if nothing is missing.
 */
export async function missingForPods(): Promise<string | undefined> {
  const missing = isProgramMissing("openssl")
    ? "openssl"
    : !await hasNamespaces()
    ? "permission to create namespaces"
    : isProgramMissing("kubectl") || await isTooOld()
    ? `kubectl 1.${OLDEST_KUBECTL}`
    : undefined;
  if (missing !== undefined) {
    console.log(`Tests of Kubernetes are skipped: ${missing} is missing`);
  }
  return missing;
}

async function isTooOld(): Promise<boolean> {
  const { stdout } = await new Deno.Command("kubectl", {
    args: ["version", "--client", "--output=json"],
    stderr: "null",
  }).output();
  const { clientVersion } = JSON.parse(new TextDecoder().decode(stdout));
  const minor = parseInt(clientVersion.minor);
  if (minor >= OLDEST_KUBECTL) return false;
  if (Deno.env.get("REQUIRE_TOOLS") !== "1") return true;
  throw new Error(`kubectl 1.${minor} is older than 1.${OLDEST_KUBECTL}`);
}
