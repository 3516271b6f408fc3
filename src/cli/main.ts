import type { Layer } from "../config/settings.ts";
import { withVariable } from "../environment/child_environment.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { maskEnvironment } from "../runner/mask_secrets.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../runner/runner_context.ts";
import { showUrlsIn } from "../url_secrets.ts";
import type { ParsedArguments } from "./command.ts";
import { CATALOG } from "./commands.ts";
import { argumentLayer } from "./config_flags.ts";
import { parseArguments, QUIET_FLAG, VERBOSE_FLAG } from "./parse_arguments.ts";

/** Exit code for a usage error. */
const USAGE_EXIT_CODE = 2;

/** Commands by the options of the program that run them. */
const COMMAND_OF_OPTION: Readonly<Record<string, string>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-v": "version",
  "-V": "version",
};

/**
 * Runs the command line.
 *
 * @param args Arguments after the name of the program.
 * @returns Exit code: that of the job, 1 for errors, 2 for usage errors.
 */
export async function main(
  args: readonly string[],
  host: Host,
): Promise<number> {
  const layer = argumentLayer(args);
  let runner: RunnerContext | undefined;
  try {
    runner = createRunnerContext(host, { layer });
    return await runCommandLine(args, runner);
  } catch (error) {
    const { env, stdin, stdout, stderr, consoleSize, onSignal } = host;
    const cwd = currentDirectory(host);
    const around = { env, cwd, stdin, stdout, stderr, consoleSize, onSignal };
    const { logger, masker } = runner ?? contextForError(around, layer);
    // No job is running: mask everything that may be secret.
    maskEnvironment(masker, around, layer, { hasJobFile: true });
    logger.error("runnerlib", describeError(error));
    await logger.flush();
    return error instanceof RunnerError ? error.exitCode : 1;
  }
}

/** Creates the context to report an error, which may be about `inContainer` itself. */
function contextForError(host: Host, layer: Layer): RunnerContext {
  try {
    return createRunnerContext(host, { layer });
  } catch {
    const { [Variable.inContainer]: _, ...env } = host.env;
    return createRunnerContext({ ...host, env }, { layer });
  }
}

/** Returns the current directory; if it is missing, one without job files. */
function currentDirectory(host: Host): string {
  try {
    return host.cwd;
  } catch {
    // The caller is about to report this error.
    return "/";
  }
}

async function runCommandLine(
  args: readonly string[],
  runner: RunnerContext,
): Promise<number> {
  const [commandName, ...rest] = args;
  const print = (text: string) =>
    runner.stdout.write(
      new TextEncoder().encode(`${runner.masker.maskText(text)}\n`),
    );
  if (commandName === undefined) {
    const { getHelpColumns, formatOverview } = await import(
      "./commands/help.ts"
    );
    const text = formatOverview(CATALOG, getHelpColumns(runner.host));
    await runner.stderr.write(new TextEncoder().encode(`${text}\n`));
    return USAGE_EXIT_CODE;
  }
  const name = Object.hasOwn(COMMAND_OF_OPTION, commandName)
    ? COMMAND_OF_OPTION[commandName]
    : commandName;
  const command = await CATALOG.find(name).load();
  const parsed = parseArguments(rest, name, command);
  if (parsed.isOn("help")) {
    const { formatCommandHelp, getHelpColumns } = await import(
      "./commands/help.ts"
    );
    await print(formatCommandHelp(name, command, getHelpColumns(runner.host)));
    return 0;
  }
  const allowed = parsed.switches.get("allow-insecure-transport");
  const changes: Environment = {
    ...allowed === undefined
      ? {}
      : { [Variable.allowInsecureTransport]: String(allowed) },
    ...command.flags.includes(QUIET_FLAG) ? logLevelVariables(parsed) : {},
  };
  return await command.run({
    ...parsed,
    runner: Object.keys(changes).length === 0
      ? runner
      : withVariables(runner, changes),
    print,
    catalog: CATALOG,
    runProgram: main,
  });
}

/** Returns the variable for the log level of `--quiet` or `--verbose`. */
function logLevelVariables({ isOn }: ParsedArguments): Environment {
  if (isOn(QUIET_FLAG.name)) return { [Variable.logLevel]: "warning" };
  return isOn(VERBOSE_FLAG.name) ? { [Variable.logLevel]: "debug" } : {};
}

/** Sets the variables of options, so that commands of the job inherit them. */
function withVariables(
  runner: RunnerContext,
  changes: Environment,
): RunnerContext {
  const { host, masker } = runner;
  const env = Object.entries(changes).reduce<Environment>(
    (env, [name, value]) => withVariable(env, name, value),
    host.env,
  );
  return createRunnerContext({ ...host, env }, { masker });
}

/** Returns the message of an error; unexpected errors are bugs of the runner. */
function describeError(error: unknown): string {
  if (error instanceof RunnerError) return error.message;
  if (error instanceof Deno.errors.NotCapable) return error.message;
  return `Internal error: ${showUrlsIn(messageOf(error))}`;
}

/** Commands that use neither the network nor a socket. */
const WITHOUT_NETWORK: ReadonlySet<string> = new Set([
  "completions",
  "config",
  "explain-masks",
  "permissions",
  "report",
  "schema",
  "validate",
]);

/**
 * Commands that read files that Deno allows only with all permissions: the
 * environment of a job's processes, or an open descriptor.
 */
const READING_PROCESSES: ReadonlySet<string> = new Set([
  "doctor",
  "mcp",
  "run",
  "ui",
  "workflow",
  "secrets",
]);

/**
 * Commands that remove directory trees. They need to see mounts in them, which
 * Deno allows only with all permissions.
 */
const REMOVING_TREES: ReadonlySet<string> = new Set([
  "artifacts",
  "cache",
  "checkout",
  "cleanup",
  "copy",
]);

/** Commands that do not start programs. */
const WITHOUT_PROGRAMS: ReadonlySet<string> = new Set([
  ...WITHOUT_NETWORK,
  "register-secret",
]);

/**
 * Irrevocably drops permissions that a command does not need, before anything
 * else happens: native code, system information, the network and programs.
 *
 * A job needs network access even without a coordinator, for the socket where
 * its programs register secrets.
 *
 * @param args Arguments, starting with the name of the command.
 */
export function dropPermissions(args: readonly string[]): void {
  const [name = "", ...rest] = args;
  // For example, a workspace at /dev/shm needs all permissions.
  if (rest.some((arg) => /(?:^|=)\/(?:dev|proc)\//.test(arg))) return;
  if (REMOVING_TREES.has(name)) return;
  if (!READING_PROCESSES.has(name)) {
    Deno.permissions.revokeSync({ name: "ffi" });
    Deno.permissions.revokeSync({ name: "sys" });
  }
  if (WITHOUT_NETWORK.has(name)) Deno.permissions.revokeSync({ name: "net" });
  if (WITHOUT_PROGRAMS.has(name)) Deno.permissions.revokeSync({ name: "run" });
}
