import type { OutputFile, StepEntry } from "../../cache/step_entry.ts";
import { isInside } from "../../job_path.ts";
import { privateDirectory } from "../../fs/temporary_directory.ts";
import type { spawn as Spawn } from "../../process/spawn.ts";
import type { AttemptContext } from "../attempt.ts";

/** Maximum size of a trace, in bytes; the rest is not read. */
const MAX_TRACE_BYTES = 256 * 1024 * 1024;

const STRACE = ["strace", "-f", "-qq", "-y", "-s", "4096"];

/** Maximum number of files that are named. */
const MAX_LISTED = 50;

/**
 * Compares the result of a step with that of another run.
 *
 * @returns Descriptions of the differences.
 */
export function findDifferences(
  entry: Pick<StepEntry, "outputs" | "values">,
  outputs: readonly OutputFile[],
  values: Readonly<Record<string, string>>,
): string[] {
  const differing: string[] = [];
  const now = new Map(outputs.map((output) => [output.path, output]));
  for (const cached of entry.outputs) {
    const output = now.get(cached.path);
    now.delete(cached.path);
    const path = JSON.stringify(cached.path);
    if (output === undefined) differing.push(`${path} was not created again`);
    else if (output.type !== cached.type) {
      differing.push(`${path} has a different type`);
    } else if (output.content !== cached.content) {
      differing.push(`${path} has different content`);
    } else if (output.mode !== cached.mode) {
      differing.push(`${path} has different permissions`);
    }
  }
  for (const path of now.keys()) {
    differing.push(`${JSON.stringify(path)} is not in the cache`);
  }
  const names = new Set([...Object.keys(entry.values), ...Object.keys(values)]);
  for (const name of names) {
    if (entry.values[name] !== values[name]) {
      differing.push(`output ${JSON.stringify(name)} has a different value`);
    }
  }
  return differing;
}

/** Records which files the programs of a step open. */
export interface FileTrace extends Disposable {
  /** Starts a program and traces it. */
  readonly spawn: typeof Spawn;
  /**
   * Returns the files in a directory that were read, and not written.
   *
   * @param root Absolute path of the directory, without links.
   * @returns Paths relative to it, sorted.
   */
  readFiles(root: string): Promise<string[]>;
}

/**
 * Traces the files that a step opens, with `strace`.
 *
 * @returns `undefined` if there is no `strace`, or it has no permission to trace.
 */
export async function traceFiles(
  { system, env, cwd }: Pick<AttemptContext, "system" | "env" | "cwd">,
  temporaryParents: readonly string[],
): Promise<FileTrace | undefined> {
  try {
    const child = system.spawn(
      [...STRACE, "-o", "/dev/null", "true"],
      { cwd, env, stderr: "separate" },
    );
    void child.stdout.cancel();
    void child.stderr?.cancel();
    if ((await child.status).exitCode !== 0) return undefined;
  } catch {
    // It is not installed.
    return undefined;
  }
  const temporary = privateDirectory(temporaryParents);
  let count = 0;
  const traceFile = (number: number) => `${temporary.path}/trace-${number}`;
  const filter = "trace=open,openat,openat2,creat";
  return {
    spawn(command, options) {
      const file = traceFile(count++);
      const words = [...STRACE, "-z", "-e", filter, "-o", file];
      return system.spawn(command, { ...options, launcher: { words } });
    },
    async readFiles(root) {
      const read = new Set<string>();
      const written = new Set<string>();
      for (let number = 0; number < count; number++) {
        const text = await readTrace(traceFile(number));
        for (const { path, writes } of parseTrace(text)) {
          if (!isInside(root, path) || path === root) continue;
          (writes ? written : read).add(path.slice(root.length + 1));
        }
      }
      return [...read.difference(written)].sort();
    },
    [Symbol.dispose]: () => temporary[Symbol.dispose](),
  };
}

async function readTrace(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    return size > MAX_TRACE_BYTES ? "" : await Deno.readTextFile(path);
  } catch {
    // The program could not be started.
    return "";
  }
}

/** Parses the calls that opened a file which is not a directory. */
function* parseTrace(
  text: string,
): Generator<{ path: string; writes: boolean }> {
  for (const line of text.split("\n")) {
    const [, flags, path] = /, (O_[A-Z_|]+).* = \d+<(\/.*)>$/.exec(line) ?? [];
    if (path === undefined || flags.includes("O_DIRECTORY")) continue;
    const writes = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(flags);
    yield { path: unescapePath(path), writes };
  }
}

/** `strace` writes bytes that are not ASCII as octal numbers. */
function unescapePath(path: string): string {
  if (!path.includes("\\")) return path;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, octal] of path.matchAll(/\\([0-7]{1,3})|\\.|[^\\]/gs)) {
    if (octal !== undefined) bytes.push(parseInt(octal, 8));
    else bytes.push(...encoder.encode(part.replace(/^\\/, "")));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Shortens a list of files for a message. */
export function listFiles(paths: readonly string[]): string[] {
  const more = paths.length - MAX_LISTED;
  const listed = paths.slice(0, MAX_LISTED).map((path) => JSON.stringify(path));
  return more > 0 ? [...listed, `${more} more`] : listed;
}
