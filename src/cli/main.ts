import type { Layer } from "../config/settings.ts";
import { withVariable } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { maskEnvironment } from "../runner/mask_secrets.ts";
import { createParts, type RunnerParts } from "../runner/runner_parts.ts";
import { showUrlsIn } from "../url_secrets.ts";
import { suggest } from "../suggest.ts";
import { argumentLayer } from "./config_flags.ts";
import { COMMANDS, loadCommands } from "./commands.ts";
import {
  parseArguments,
  shownArgument,
  usageError,
} from "./parse_arguments.ts";

/**
 * Runs the command line.
 *
 * @param args Arguments behind the name of the program.
 * @param host The process around it.
 * @returns Exit code: that of the job, 1 for errors, 2 for wrong usage.
 */
export async function main(
  args: readonly string[],
  host: Host,
): Promise<number> {
  const layer = argumentLayer(args);
  let parts: RunnerParts | undefined;
  try {
    parts = createParts(host, { layer });
    return await runCommandLine(args, parts);
  } catch (error) {
    const { env, stdin, stdout, stderr, consoleSize, onSignal } = host;
    const cwd = directoryOf(host);
    const around = { env, cwd, stdin, stdout, stderr, consoleSize, onSignal };
    const { logger, masker } = parts ?? createPartsForError(around, layer);
    // No job runs any more: what may be secret in it is not to be shown.
    maskEnvironment(masker, around, layer, { hasJobFile: true });
    logger.error("runnerlib", reportOf(error));
    await logger.flush();
    return error instanceof RunnerError ? error.exitCode : 1;
  }
}

/** The variable that says where the runner is may be what the error is about. */
function createPartsForError(host: Host, layer: Layer): RunnerParts {
  try {
    return createParts(host, { layer });
  } catch {
    const { [Variable.inContainer]: _, ...env } = host.env;
    return createParts({ ...host, env }, { layer });
  }
}

/** The current directory, or one without files of a job. */
function directoryOf(host: Host): string {
  try {
    return host.cwd;
  } catch {
    // That is the error which is about to be shown.
    return "/";
  }
}

async function runCommandLine(
  args: readonly string[],
  parts: RunnerParts,
): Promise<number> {
  const [name, ...rest] = args;
  const print = (text: string) =>
    parts.stdout.write(
      new TextEncoder().encode(`${parts.masker.maskText(text)}\n`),
    );
  if (name === "--version") {
    const { VERSION } = await import("../version.ts");
    await print(VERSION);
    return 0;
  }
  if (name === "--help" || name === "-h") {
    const { overview } = await import("./help.ts");
    await print(overview());
    return 0;
  }
  const entry = findCommand(name);
  const command = await entry.load();
  const parsed = parseArguments(rest, name, command);
  if (parsed.isOn("help")) {
    const { commandHelp } = await import("./help.ts");
    await print(commandHelp(name, command));
    return 0;
  }
  const allowed = parsed.switches.get("allow-insecure-transport");
  return await command.run({
    ...parsed,
    parts: allowed === undefined ? parts : allowTransport(parts, allowed),
    print,
    loadCommands,
  });
}

/** As the variable does, for the commands of the job as well. */
function allowTransport(parts: RunnerParts, isAllowed: boolean): RunnerParts {
  const { host, masker } = parts;
  const name = Variable.allowInsecureTransport;
  const env = withVariable(host.env, name, String(isAllowed));
  return createParts({ ...host, env }, { masker });
}

function findCommand(name: string | undefined) {
  if (name === undefined) throw usageError("A command is required");
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name];
  const kind = name.startsWith("-") ? "option" : "command";
  const near = suggest(name.replace(/^-+/, ""), Object.keys(COMMANDS));
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  throw usageError(`Unknown ${kind} "${shownArgument(name)}"${hint}`);
}

/** What a user is told; anything but a foreseen error is a fault of ours. */
function reportOf(error: unknown): string {
  if (error instanceof RunnerError) return error.message;
  if (error instanceof Deno.errors.NotCapable) return error.message;
  return `Internal error: ${showUrlsIn(messageOf(error))}`;
}
