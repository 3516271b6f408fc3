import type { OutputFile } from "../../cache/step_entry.ts";
import type { FileMemory } from "./file_memory.ts";
import type { FilePatterns } from "./file_patterns.ts";
import {
  findFiles,
  type FindFilesOptions,
  type FoundFile,
  Uncacheable,
  uncacheable,
} from "./file_tree.ts";

/** Where files are searched, and what is known about them. */
export interface HashContext extends Omit<FindFilesOptions, "followsLinks"> {
  /** Absolute path of the directory of the job, without links. */
  readonly root: string;
  readonly memory: FileMemory;
}

/**
 * Describes the files that a step reads: type, permissions and hash of each.
 *
 * A link is described by its target path, and by the content of the file to which
 * it leads, even outside the directory of the job.
 *
 * @returns Descriptions by path.
 * @throws {Uncacheable} If they cannot be described.
 */
export async function describeInputs(
  patterns: FilePatterns,
  context: HashContext,
): Promise<Map<string, string>> {
  const { root, memory, signal } = context;
  const found = await findFiles(root, patterns, {
    ...context,
    followsLinks: true,
  });
  const described = new Map<string, string>();
  for (const { path, type, info } of found) {
    const absolute = `${root}/${path}`;
    if (type === "file") {
      const hash = await memory.hashFile(absolute, info, signal);
      described.set(path, `file ${formatMode(info)} ${hash}`);
    } else if (type === "link") {
      const target = JSON.stringify(await readTarget(absolute));
      const content = await describeTarget(absolute, context);
      described.set(path, `link ${target} ${content}`);
    } else described.set(path, type);
  }
  return described;
}

async function describeTarget(
  absolute: string,
  { memory, signal }: HashContext,
): Promise<string> {
  let real: string;
  let info: Deno.FileInfo;
  try {
    real = await Deno.realPath(absolute);
    info = await Deno.lstat(real);
  } catch {
    return "leads nowhere";
  }
  if (!info.isFile) return info.isDirectory ? "directory" : "other";
  return `${formatMode(info)} ${await memory.hashFile(real, info, signal)}`;
}

/**
 * Describes the files that a step created.
 *
 * @returns Files, sorted by path.
 * @throws {Uncacheable} If they cannot be cached.
 */
export async function describeOutputs(
  patterns: FilePatterns,
  context: HashContext,
): Promise<OutputFile[]> {
  const found = await findOutputs(patterns, context);
  const outputs: OutputFile[] = [];
  for (const { path, type, info } of found) {
    if (type === "other") {
      throw new Uncacheable(`"${path}" is not a file, directory or link`);
    }
    outputs.push({
      path,
      type,
      mode: type === "link" ? 0 : (info.mode ?? 0o644) & 0o777,
      content: await describeContent(path, type, info, context),
    });
  }
  return outputs;
}

async function describeContent(
  path: string,
  type: OutputFile["type"],
  info: Deno.FileInfo,
  { root, memory, signal }: HashContext,
): Promise<string> {
  const absolute = `${root}/${path}`;
  if (type === "link") return await readTarget(absolute);
  return type === "file" ? await memory.hashFile(absolute, info, signal) : "";
}

async function readTarget(absolute: string): Promise<string> {
  try {
    return await Deno.readLink(absolute);
  } catch (cause) {
    throw uncacheable(cause);
  }
}

/** Finds the files that match patterns of outputs. */
export async function findOutputs(
  patterns: FilePatterns,
  context: HashContext,
): Promise<FoundFile[]> {
  return await findFiles(context.root, patterns, {
    ...context,
    followsLinks: false,
  });
}

function formatMode({ mode }: Deno.FileInfo): string {
  return ((mode ?? 0o644) & 0o777).toString(8);
}
