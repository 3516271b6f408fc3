import { oneLine } from "../../terminal/text.ts";
import type { ChildEnvironment } from "../../environment/child_environment.ts";
import { RunnerError } from "../../errors.ts";
import { onAbort } from "../../process/cancellation.ts";
import { type ByteStream, spawn } from "../../process/spawn.ts";
import type { SourceContext } from "../source_request.ts";
import type { ArchiveFormat } from "./format.ts";

/** How much of a tool's complaints is kept, in characters. */
const SHOWN_LENGTH = 400;

/** The system's own tools: they know several streams in one file, and use a second processor. */
const TOOLS: Readonly<Partial<Record<ArchiveFormat, readonly string[]>>> = {
  gzip: ["gzip", "-dc", "--"],
  bzip2: ["bzip2", "-dc", "--"],
  xz: ["xz", "-dc", "--"],
  zstd: ["zstd", "-dcq", "--"],
};

/**
 * Reads a file without its compression, piece by piece.
 *
 * @param path Absolute path of the file.
 * @param format How it is packed.
 * @param context What the run offers.
 * @returns The bytes.
 * @throws {RunnerError} With code `source-failed`, if the tool is missing or fails.
 * @throws {DOMException} An `AbortError` if the job was cancelled meanwhile.
 */
export async function* decompressed(
  path: string,
  format: ArchiveFormat,
  context: Pick<SourceContext, "env" | "cwd" | "cancellation">,
): AsyncGenerator<Uint8Array> {
  const tool = TOOLS[format];
  if (tool === undefined) {
    using file = await Deno.open(path);
    yield* pieces(file);
    return;
  }
  const { cwd, env, cancellation } = context;
  const child = startTool([...tool, path], { cwd, env });
  const said = textOf(child.stderr!);
  using _ = onAbort(cancellation.asked, () => child.signal("SIGKILL"));
  try {
    yield* child.stdout;
    const { exitCode } = await child.status;
    cancellation.asked.throwIfAborted();
    if (exitCode === 0) return;
    const reason = (await said).trim().replaceAll(path, "the archive") ||
      `${tool[0]} ended with exit code ${exitCode}`;
    throw unpackError(reason);
  } finally {
    // Whoever reads may have had enough before the end.
    child.signal("SIGKILL");
    await Promise.all([child.status, said]);
  }
}

function startTool(
  argv: readonly string[],
  options: { cwd: string; env: ChildEnvironment },
) {
  const { cwd, env } = options;
  try {
    return spawn(argv, {
      cwd,
      env: { ...env, LC_ALL: "C" },
      stderr: "separate",
    });
  } catch (cause) {
    if (cause instanceof RunnerError && cause.code === "command-not-found") {
      throw unpackError(`"${argv[0]}" is not installed`, cause);
    }
    throw cause;
  }
}

async function* pieces(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  while (true) {
    const buffer = new Uint8Array(64 * 1024);
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

async function textOf(stream: ByteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    // Read to its end in any case, so that the tool is not held up.
    if (text.length < SHOWN_LENGTH) text += decoder.decode(bytes);
  }
  return oneLine(text.slice(0, SHOWN_LENGTH));
}

function unpackError(reason: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot unpack the archive: ${reason}`, {
    code: "source-failed",
    cause,
  });
}
