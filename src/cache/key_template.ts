import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../errors.ts";
import { hashUntrusted } from "../fs/untrusted_file.ts";
import { eventGlob } from "../schema/globs.ts";
import { guardPath } from "../workspace/guard.ts";
import { keyProblem } from "./cache_entry.ts";

/** Maximum number of files that a pattern may match. */
const MAX_FILES = 10_000;

/** Values that placeholders of a key may refer to. */
export interface KeyContext {
  /** Absolute path of the directory in which files are searched. */
  readonly directory: string;
  /** Variables that `{env:NAME}` may use. */
  readonly env: Readonly<Record<string, string>>;
  /** Checks by its name whether a variable is a secret. */
  readonly isSecret: (name: string) => boolean;
  /** Checks whether a text contains a known secret. */
  readonly containsSecret: (text: string) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Expands the placeholders of a key: `{os}`, `{arch}`, `{env:NAME}` and
 * `{hash:GLOB}`.
 *
 * @throws {RunnerError} `usage` if a placeholder is unknown, its pattern
 * matches no file, or its variable is not set or a secret.
 */
export async function expandKey(
  template: string,
  context: KeyContext,
): Promise<string> {
  let key = "";
  let at = 0;
  for (const match of template.matchAll(/\{([^{}]*)\}/g)) {
    key += template.slice(at, match.index) +
      await expandPlaceholder(template, match[1], context);
    at = match.index + match[0].length;
  }
  key += template.slice(at);
  const problem = keyProblem(key);
  if (problem !== undefined) {
    throw createKeyError(template, `the key ${problem}`);
  }
  // Entries contain their keys in plain text.
  if (context.containsSecret(key)) {
    throw createKeyError(template, "the key contains a secret");
  }
  return key;
}

async function expandPlaceholder(
  template: string,
  placeholder: string,
  context: KeyContext,
): Promise<string> {
  const [, kind, argument] = /^([a-z]+)(?::(.+))?$/s.exec(placeholder) ?? [];
  if (argument === undefined) {
    if (kind === "os") return Deno.build.os;
    if (kind === "arch") return Deno.build.arch;
  } else if (kind === "env") {
    const { env } = context;
    const value = Object.hasOwn(env, argument) ? env[argument] : undefined;
    if (value === undefined) {
      throw createKeyError(template, `the variable "${argument}" is not set`);
    }
    if (!context.isSecret(argument) && !context.containsSecret(value)) {
      return value;
    }
    throw createKeyError(template, `the variable "${argument}" is a secret`);
  } else if (kind === "hash") {
    return await hashFiles(template, argument, context);
  }
  throw createKeyError(
    template,
    `"{${placeholder}}" is not a placeholder; use {os}, {arch}, {env:NAME} or {hash:GLOB}`,
  );
}

/** Computes a hash of the paths and contents of all files that match. */
async function hashFiles(
  template: string,
  pattern: string,
  { directory, signal }: KeyContext,
): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  const paths = await findFiles(template, directory, pattern);
  if (paths.length === 0) {
    throw createKeyError(template, `no file matches "${pattern}"`);
  }
  for (const path of paths) {
    try {
      const real = await guardPath(directory, path);
      const sum = await hashUntrusted(real, { base: directory, signal });
      hash.update(`${path}\0${sum}\0`);
    } catch (cause) {
      signal.throwIfAborted();
      throw createKeyError(template, `"${path}": ${osReason(cause)}`, cause);
    }
  }
  return hash.digest("hex");
}

async function findFiles(
  template: string,
  directory: string,
  pattern: string,
): Promise<string[]> {
  const matches = eventGlob(pattern);
  const parts = pattern.split("/");
  const firstGlob = parts.findIndex((part) => /[*?[]/.test(part));
  const isLiteral = firstGlob === -1;
  const start = parts.slice(0, isLiteral ? -1 : firstGlob).join("/");
  if (parts.includes("..") || pattern.startsWith("/")) {
    throw createKeyError(template, `"${pattern}" leads out of the directory`);
  }
  const found: string[] = [];
  const visit = async (folder: string) => {
    for await (const entry of readEntries(join(directory, folder))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory) {
        if (!isLiteral && entry.name !== ".git") await visit(path);
      } else if (matches(path)) found.push(path);
      if (found.length > MAX_FILES) {
        throw createKeyError(
          template,
          `"${pattern}" matches more than ${MAX_FILES} files`,
        );
      }
    }
  };
  await visit(start);
  return found.sort();
}

async function* readEntries(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotADirectory) return;
    throw error;
  }
}

function createKeyError(
  template: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot use key "${template}": ${reason}`, {
    code: "usage",
    exitCode: 2,
    cause,
  });
}
