/**
 * Makes the uncaught errors of a pipeline look like those of the command line.
 *
 * @module
 */
import type { Environment } from "../environment/variables.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import type { Host } from "../host.ts";
import { maskEnvironment } from "../runner/mask_secrets.ts";
import type { RunnerContext } from "../runner/runner_context.ts";
import { shouldUseColor } from "../terminal/text.ts";
import preload from "./pipeline_preload.js" with { type: "text" };

/** File with the message of an uncaught `RunnerError`. */
export const ERROR_FILE = "uncaught_error.txt";

/** Maximum size of the file, in bytes; the pipeline limits the characters. */
const MAX_ERROR_BYTES = 512 * 1024;

/**
 * Returns the option of `deno run` that prepares the process of a pipeline:
 *
 * - Messages about denied permissions suggest the option of `runnerlib exec`,
 *   in uncaught errors and in the log.
 * - An uncaught `RunnerError` ends the pipeline with the exit code of the error.
 *   Its message is written to a file instead of being printed with its stack.
 * - The variable of {@linkcode denoColors} is removed.
 *
 * @param errorFile Absolute path of the file for the message.
 */
export function preloadOption(host: Host, errorFile: string): string {
  const removed = Object.keys(denoColors(host));
  const settings = JSON.stringify({ cwd: host.cwd, errorFile, removed });
  const script = `const settings = ${settings};\n${preload}`;
  return `--preload=data:text/javascript,${encodeURIComponent(script)}`;
}

/**
 * Returns the variable that turns off the colors of Deno, which colors uncaught
 * errors even if standard error is not a terminal. {@linkcode preloadOption}
 * removes it again, so that programs of the pipeline do not inherit it.
 */
export function denoColors({ env, stderr }: Host): Environment {
  const isDecided = Boolean(env.FORCE_COLOR || env.NO_COLOR);
  return isDecided || shouldUseColor(env, stderr.isTerminal())
    ? {}
    : { NO_COLOR: "1" };
}

/** Logs an uncaught `RunnerError` like one of the command line itself. */
export async function logUncaughtError(
  { host, logger, masker }: RunnerContext,
  path: string,
): Promise<void> {
  let message: string;
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_ERROR_BYTES });
    message = new TextDecoder().decode(bytes);
  } catch {
    // The pipeline has ended in another way.
    return;
  }
  maskEnvironment(masker, host, {}, { hasJobFile: true });
  logger.error("runnerlib", message);
  await logger.flush();
}
