import { messageOf } from "../../errors.ts";
import type { PluginContext } from "../plugin.ts";

/** Settings that may hold secrets before anybody knows which. */
const HIDDEN: ReadonlySet<string> = new Set([
  "job_env",
  "secret_values_list",
  "secrets_file",
]);

/** What a plugin in a process of its own is told: data, and only what it may know. */
export interface ContextData {
  /** Settings by name, with secrets masked. */
  readonly config: Readonly<Record<string, string>>;
  /** Variables of the job that it may see. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the workspace. */
  readonly jobPath: string;
  /** Absolute path of the source, once it is there. */
  readonly sourcePath: string | undefined;
  /** Absolute path of the trusted CI code, once it is there. */
  readonly ciSourcePath: string | undefined;
  /** Exit code of the job's command, `null` before it ended. */
  readonly exitCode: number | null;
  /** What went wrong first, with secrets masked. */
  readonly error: { readonly name: string; readonly message: string } | null;
  /** What plugins left for one another, as far as JSON can tell it. */
  readonly shared: Readonly<Record<string, unknown>>;
}

/** Options for {@linkcode contextData}. */
export interface ContextDataOptions {
  /** Checks whether the plugin sees a variable of the job. */
  readonly sees: (variable: string) => boolean;
  /** Takes secrets out of a text. */
  readonly maskText: (text: string) => string;
}

/**
 * Takes out of a context what a plugin may know.
 *
 * @param context What plugins of this process are told.
 * @param options What the plugin may know.
 * @returns Data.
 */
export function contextData(
  context: PluginContext,
  { sees, maskText }: ContextDataOptions,
): ContextData {
  const { config, env, error, shared } = context;
  const { jobPath, sourcePath, ciSourcePath, exitCode } = context;
  const settings = config.keys().filter((key) => !HIDDEN.has(key))
    .map((key) => [key, maskText(withoutLogin(config.get(key) ?? ""))]);
  const variables = Object.entries(env)
    .filter(([name]) => sees(name));
  return {
    config: Object.fromEntries(settings),
    env: Object.fromEntries(variables),
    jobPath,
    sourcePath,
    ciSourcePath,
    exitCode,
    error: error === undefined ? null : {
      name: error instanceof Error ? error.name : "Error",
      message: maskText(messageOf(error)),
    },
    shared: Object.fromEntries([...shared].filter(isJson)),
  };
}

/** Masks a password in an address, which nobody may have registered yet. */
function withoutLogin(text: string): string {
  return text.replace(/:\/\/[^/@\s]*@/g, "://");
}

function isJson([, value]: [string, unknown]): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    // A cycle, say: it stays among the plugins of this process.
    return false;
  }
}
