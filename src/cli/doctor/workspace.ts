import { osReason } from "../../errors.ts";
import type { Workspace } from "../../workspace/layout.ts";
import type { Finding } from "./finding.ts";

/**
 * Tries whether jobs can write to their workspace; leaves nothing behind.
 *
 * @param workspace Where a job's files are.
 * @returns What was found.
 */
export async function findWorkspace(
  { base, inContainer }: Workspace,
): Promise<Finding> {
  const common = { name: inContainer ? "container" : "laptop", detail: base };
  try {
    const directory = await nearestDirectory(base);
    const file = await Deno.makeTempFile({ dir: directory, prefix: ".try-" });
    await Deno.remove(file);
    const isThere = directory === base;
    const purpose = isThere ? "is writable" : "will be created";
    return { state: "ok", ...common, purpose };
  } catch (error) {
    const purpose = `cannot be written to: ${osReason(error)}`;
    return { state: "needed", ...common, purpose };
  }
}

/** A workspace that is not there yet is made where there is a directory. */
async function nearestDirectory(path: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    const isTop = path === "/" || path === "";
    if (isTop || !(error instanceof Deno.errors.NotFound)) throw error;
    return await nearestDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
  }
}
