/**
 * Files above the copy of the trusted CI source, at which programs stop
 * searching parent directories for their configuration. Otherwise an untrusted
 * step could leave a configuration further up, such as `/tmp/deno.json`.
 *
 * @module
 */
import { readUntrusted } from "../fs/read_untrusted.ts";

/** Contents of the files, by name. */
const FILES: Readonly<Record<string, string>> = {
  // Deno searches up to the root of a workspace, which this file declares.
  "deno.json": '{"workspace":[],"lock":false}\n',
  // Git treats the directory as a work tree whose repository is missing.
  ".git": "gitdir: none\n",
};

/**
 * Writes the files.
 *
 * @param directory Absolute path of the directory that will contain the copy.
 */
export async function writeBoundary(directory: string): Promise<void> {
  for (const [name, content] of Object.entries(FILES)) {
    await Deno.writeTextFile(`${directory}/${name}`, content, {
      createNew: true,
      mode: 0o400,
    });
  }
}

/**
 * Checks that the directory contains only the copy and the unchanged files.
 *
 * @param directory Absolute path of the directory.
 * @param copy Name of the copy in it.
 * @returns Changed paths, relative to the copy, with the kind of change.
 */
export async function boundaryChanges(
  directory: string,
  copy: string,
): Promise<[path: string, change: string][]> {
  const changes: [string, string][] = [];
  const expected = new Set([copy, ...Object.keys(FILES)]);
  for await (const { name } of Deno.readDir(directory)) {
    if (!expected.has(name)) changes.push([`../${name}`, "added"]);
  }
  for (const [name, content] of Object.entries(FILES)) {
    const isSame = await readUntrusted(`${directory}/${name}`, {
      maxBytes: content.length,
    }).then(
      (bytes) => new TextDecoder().decode(bytes) === content,
      () => false,
    );
    if (!isSame) changes.push([`../${name}`, "changed"]);
  }
  return changes;
}
