import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import type { CaptureResult } from "../../process/capture.ts";
import type { SourceContext } from "../source.ts";
import { runClient } from "../source_client.ts";
import { type ConfigEntry, withConfigEntries } from "./git_config.ts";

/** Transports that git may use, regardless of URLs and redirects. */
const PROTOCOLS = ["file", "git", "http", "https", "ssh"];

/** Options that prevent a repository or template from running programs. */
const NEUTRAL_OPTIONS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "init.templateDir=",
  "submodule.recurse=false",
  // Maintenance would continue in the background of a directory that may be
  // removed.
  "gc.auto=0",
  "maintenance.auto=false",
  "advice.detachedHead=false",
].flatMap((option) => ["-c", option]);

/** Parts of a run that {@linkcode runGit} needs. */
export interface GitContext
  extends Pick<SourceContext, "env" | "cancellation"> {
  /**
   * Settings for this call only.
   *
   * @default {[]}
   */
  config?: readonly ConfigEntry[];
  /**
   * Variables that override all others.
   *
   * @default {{}}
   */
  variables?: Readonly<Record<string, string>>;
}

/**
 * Runs git with the safe settings of source preparation, which always uses this
 * function.
 *
 * Neither the environment nor a repository can redirect it, make it prompt for
 * a password, or run hooks. Other settings of the environment
 * (`GIT_CONFIG_COUNT`, credential helpers, the ssh command) stay in effect.
 *
 * @param args Arguments. The caller must have validated untrusted values.
 * @returns Exit status and output.
 * @throws {RunnerError} With code `source-failed`, if git is not installed.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
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
    // Directories are always given explicitly, so their owners do not matter.
    ...withConfigEntries(inherited, [["safe.directory", "*"], ...config]),
    // A server that sends nothing for two minutes is treated as a broken
    // connection and retried.
    GIT_HTTP_LOW_SPEED_LIMIT: env.GIT_HTTP_LOW_SPEED_LIMIT ?? "1",
    GIT_HTTP_LOW_SPEED_TIME: env.GIT_HTTP_LOW_SPEED_TIME ?? "120",
    GIT_ALLOW_PROTOCOL: allowedProtocols(env.GIT_ALLOW_PROTOCOL).join(":"),
    GIT_TERMINAL_PROMPT: "0",
    // The empty value also disables core.askPass and SSH_ASKPASS. The program
    // that the environment names is used for the host of the source only: see
    // login.ts.
    GIT_ASKPASS: "",
    // Without a terminal and askpass, ssh fails instead of prompting.
    // GIT_SSH_COMMAND is kept, because setting it would override
    // core.sshCommand of the user.
    SSH_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    // Error messages are parsed and must not be translated.
    LC_ALL: "C",
    // The code reads refs as files.
    GIT_DEFAULT_REF_FORMAT: "files",
    ...variables,
  };
}

/**
 * Lists the transports that git may use. The environment can restrict them
 * further.
 *
 * @param inherited Value of `GIT_ALLOW_PROTOCOL`.
 */
export function allowedProtocols(inherited: string | undefined): string[] {
  const wanted = inherited?.split(":") ?? PROTOCOLS;
  return PROTOCOLS.filter((protocol) => wanted.includes(protocol));
}
