/**
 * Files above the copy of the trusted CI source, at which programs stop that
 * look for their configuration in parent directories. An untrusted step could
 * leave one of its own further up, such as `/tmp/deno.json`.
 *
 * @module
 */
import { readUntrusted } from "../fs/read_untrusted.ts";

/** Contents of the files, by their names. */
const FILES: Readonly<Record<string, string>> = {
  // Deno climbs to the root of a workspace, which is what this is.
  "deno.json": '{"workspace":[],"lock":false}\n',
  // Git takes it for a work tree whose repository is gone.
  ".git": "gitdir: none\n",
};

/**
 * Writes the files.
 *
 * @param directory Absolute path of the directory in which the copy will be.
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
 * Checks that the directory contains the files as they were written, the copy,
 * and nothing else.
 *
 * @param directory Absolute path of the directory.
 * @param copy Name of the copy in it.
 * @returns What was changed: paths in the directory with the kind of change.
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
