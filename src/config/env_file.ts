import { dirname } from "@std/path/posix/dirname";
import { decodeUtf8 } from "../bytes.ts";
import { messageOf } from "../errors.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { normalizePath } from "../job_path.ts";
import { listOrOne } from "../schema/collections.ts";
import { type Key, mapped } from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import { text } from "../schema/scalars.ts";
import { parseEnvLines } from "./text_values.ts";

/** Maximum size of a file of variables, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** A file of variables that a document names. */
export interface EnvFile {
  /** Path from the directory of the document, normalized. */
  readonly path: string;
  /** Node of the document that names it. */
  readonly node: DocumentNode;
}

const path = text({
  rule: {
    pattern: /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\0]*[^\0/]$/,
    words: 'be a path below the directory of this file, without ".."',
  },
});

/** The key `env_file` of a job. */
export const ENV_FILE_KEY: Key<readonly EnvFile[]> = {
  key: "env_file",
  schema: listOrOne(
    "be a path or a list of paths",
    mapped(path, (value, node) => ({ path: normalizePath(value), node })),
  ),
  description:
    "Files with NAME=VALUE lines, in or below the directory of this file. Later files override earlier ones; environment overrides all of them.",
};

/** Directory that {@linkcode readEnvFiles} searches. */
export interface EnvFilePlace {
  /** Absolute path of a directory below which no link is followed. */
  readonly root: string;
  /** Absolute path of the document, below the root. */
  readonly document: string;
}

/**
 * Reads the files of variables that a document names. The files may belong to a
 * pull request, so neither a link nor a pipe is opened.
 *
 * @param files Files; a problem is reported at the node that names the file.
 * @param place Location of the document; `undefined` if it is not a file.
 */
export async function readEnvFiles(
  files: readonly EnvFile[],
  place: EnvFilePlace | undefined,
): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { path, node } of files) {
    const name = `${node.label} "${path}"`;
    if (place === undefined) {
      node.explain(() =>
        `${name} cannot be found: the job was not read from a file, so there is no directory to search`
      );
      continue;
    }
    const { root, document } = place;
    try {
      const bytes = await readUntrusted(`${dirname(document)}/${path}`, {
        base: root,
        maxBytes: MAX_BYTES,
      });
      const text = decodeUtf8(bytes);
      if (text === undefined) throw new Error("it is not UTF-8 text");
      const { env, problems } = parseEnvLines(text);
      // The lines may be secrets, so problems have only their numbers.
      for (const problem of problems) node.explain(() => `${name}: ${problem}`);
      Object.assign(all, env);
    } catch (error) {
      const reason = error instanceof Deno.errors.NotFound
        ? "it does not exist"
        : messageOf(error);
      node.explain(() => `${name} cannot be read: ${reason}`);
    }
  }
  return all;
}
