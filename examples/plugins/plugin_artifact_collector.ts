import type { Plugin } from "@reactorcide/runnerlib/plugins";

/** Grant it with `--allow-plugin 'artifact_collector:write=$ARTIFACTS_DIR'`. */
export const manifest = {
  permissions: { read: ["$ARTIFACTS_DIR"], write: ["$ARTIFACTS_DIR"] },
};

/** Name of the list, which does not list itself. */
const LIST = "manifest.json";

/** Lists the artifacts of a job with their sizes and SHA-256 checksums. */
const collector: Plugin = {
  name: "artifact_collector",
  async postExecution({ config, jobPath, metric, log }) {
    const below = config.get("artifacts_dir")?.replace(/^\/job/, "") ?? "";
    const root = jobPath + below;
    const artifacts = [];
    for (const path of (await listFiles(root, "")).sort()) {
      const bytes = await Deno.readFile(`${root}/${path}`);
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      const sha256 = new Uint8Array(digest).toHex();
      artifacts.push({ path, size: bytes.length, sha256 });
    }
    if (artifacts.length === 0) return;
    const text = JSON.stringify({ artifacts }, null, 2);
    await Deno.writeTextFile(`${root}/${LIST}`, `${text}\n`);
    metric("artifact_count", artifacts.length);
    log(`${artifacts.length} artifacts are listed in ${LIST}`);
  },
};

async function listFiles(root: string, below: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const entry of Deno.readDir(`${root}/${below}`)) {
      const path = `${below}${entry.name}`;
      if (entry.isDirectory) files.push(...await listFiles(root, `${path}/`));
      else if (entry.isFile && path !== LIST) files.push(path);
    }
  } catch (error) {
    // A job without artifacts has no directory for them.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files;
}

export default collector;
