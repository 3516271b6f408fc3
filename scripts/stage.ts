import { bundleCommand } from "./bundle_command.ts";

const ROOT = new URL("../", import.meta.url);

/**
 * Copies the package to a directory from which it can be published.
 *
 * Deno does not publish a package with symbolic links, even if it excludes them.
 * Files that are tracked or not ignored by git therefore go to `package/`, and
 * links to `links/` next to it. The command line is published as one file.
 *
 * @param directory Directory for the copy.
 * @returns Path of the package.
 */
export async function stagePackage(directory: string): Promise<string> {
  const target = `${directory}/package`;
  for (const path of await listFiles()) {
    const base = path.startsWith("links/") ? directory : target;
    await copyFile(path, `${base}/${path}`);
  }
  const config = JSON.parse(await Deno.readTextFile(`${target}/deno.json`));
  config.links = config.links.map((link: string) => link.replace("./", "../"));
  config.exports["./cli"] = "./cli.js";
  config.publish.include.push("cli.js", "NOTICES");
  await Deno.writeTextFile(
    `${target}/deno.json`,
    JSON.stringify(config, null, 2) + "\n",
  );
  await bundleCommand(target);
  return target;
}

async function listFiles(): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout).split("\0").filter((path) => path !== "");
}

async function copyFile(path: string, target: string): Promise<void> {
  await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), {
    recursive: true,
  });
  try {
    await Deno.copyFile(new URL(path, ROOT), target);
  } catch (error) {
    // Git still knows a file that was deleted and not yet committed.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
