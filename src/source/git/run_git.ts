import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import type { CaptureResult } from "../../process/capture.ts";
import { runClient } from "../client.ts";
import type { SourceContext } from "../source_request.ts";
import { type ConfigEntry, withConfigEntries } from "./config.ts";

/** Transports that git may use, whatever a URL or a redirection asks for. */
const PROTOCOLS = ["file", "git", "http", "https", "ssh"];

/** Options that keep a repository, or a template, from running its own programs. */
const NEUTRAL_OPTIONS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "init.templateDir=",
  "submodule.recurse=false",
  // Maintenance would go on in the background of a directory that may be removed.
  "gc.auto=0",
  "maintenance.auto=false",
  "advice.detachedHead=false",
].flatMap((option) => ["-c", option]);

/** What {@linkcode runGit} needs of the run. */
export interface GitContext
  extends Pick<SourceContext, "env" | "cancellation"> {
  /**
   * Configuration that holds for this one call and is written nowhere.
   *
   * @default {[]}
   */
  config?: readonly ConfigEntry[];
  /**
   * Variables that have the last word.
   *
   * @default {{}}
   */
  variables?: Readonly<Record<string, string>>;
}

/**
 * Runs git: the one way in which source preparation does.
 *
 * Neither the environment nor a repository can redirect it, make it ask for a
 * password or run hooks. What the environment configures beside that
 * (`GIT_CONFIG_COUNT`, credential helpers, the ssh command) stays in force.
 *
 * @param args Arguments; the caller has validated what came from outside.
 * @param cwd Working directory.
 * @param context Environment and cancellation.
 * @returns Exit status and output.
 * @throws {RunnerError} With code `source-failed`, if git is not installed.
 * @throws {DOMException} An `AbortError` if the job was cancelled meanwhile.
 */
export async function runGit(
  args: readonly string[],
  cwd: string,
  context: GitContext,
): Promise<CaptureResult> {
  return await runClient(
    ["git", ...NEUTRAL_OPTIONS, ...args],
    { cwd, env: gitEnvironment(context) },
    context,
  );
}

function gitEnvironment(
  { env, config = [], variables = {} }: GitContext,
): ChildEnvironment {
  const inherited = childEnvironment(env, { kind: "git" });
  return {
    // The directories are named outright, so it does not matter who owns them.
    ...withConfigEntries(inherited, [["safe.directory", "*"], ...config]),
    // A server that falls silent is a broken connection, which is retried.
    GIT_HTTP_LOW_SPEED_LIMIT: env.GIT_HTTP_LOW_SPEED_LIMIT ?? "1",
    GIT_HTTP_LOW_SPEED_TIME: env.GIT_HTTP_LOW_SPEED_TIME ?? "120",
    GIT_ALLOW_PROTOCOL: allowedProtocols(env.GIT_ALLOW_PROTOCOL).join(":"),
    GIT_TERMINAL_PROMPT: "0",
    // Empty, it also silences core.askPass and SSH_ASKPASS. The program that the
    // environment names answers for the host of the source alone: see login.ts.
    GIT_ASKPASS: "",
    // Without terminal and askpass ssh fails instead of asking. GIT_SSH_COMMAND
    // is left alone: setting it would override the core.sshCommand of a user.
    SSH_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    // Git's reasons are shown and must not be translated.
    LC_ALL: "C",
    // References are read as files.
    GIT_DEFAULT_REF_FORMAT: "files",
    ...variables,
  };
}

/**
 * Lists the transports that git may use: an environment may allow less, not more.
 *
 * @param inherited The variable `GIT_ALLOW_PROTOCOL`, if it is set.
 * @returns Names of transports.
 */
export function allowedProtocols(inherited: string | undefined): string[] {
  const wanted = inherited?.split(":") ?? PROTOCOLS;
  return PROTOCOLS.filter((protocol) => wanted.includes(protocol));
}
