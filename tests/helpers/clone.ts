import { gitSource } from "../../src/source/git/git_source.ts";
import { GIT_ENV } from "./git_repository.ts";
import { type RecordingLog, sourceContext } from "./source_context.ts";
import { exists } from "./temporary_directory.ts";
import type { GitOptions } from "../../src/source/source.ts";

/** Options of a clone. */
export interface CloneOptions extends GitOptions {
  /** Branch, tag or commit. */
  ref?: string;
  /** Environment, on top of the one for git. */
  env?: Record<string, string>;
}

/** A finished clone. */
export interface Clone {
  readonly commit: string | undefined;
  readonly path: string;
  readonly log: RecordingLog;
  /** Runs git in the clone and returns what it prints, trimmed. */
  git(...args: string[]): Promise<string>;
}

/** Clones into `clone` in a directory, and replaces its content. */
export async function clone(
  directory: string,
  url: string,
  options: CloneOptions = {},
): Promise<Clone> {
  const { ref, env, ...gitOptions } = options;
  const path = `${directory}/clone`;
  if (await exists(path)) await Deno.remove(path, { recursive: true });
  await Deno.mkdir(path);
  const context = sourceContext({ cwd: directory, env });
  const fill = gitSource(url, ref, context, {
    retry: { attempts: 1 },
    ...gitOptions,
  });
  const commit = await fill(path);
  return {
    commit,
    path,
    log: context.log,
    async git(...args) {
      const { code, stdout, stderr } = await new Deno.Command("git", {
        args,
        cwd: path,
        clearEnv: true,
        env: GIT_ENV,
        stdin: "null",
      }).output();
      const text = new TextDecoder().decode(code === 0 ? stdout : stderr);
      if (code !== 0) throw new Error(`git ${args.join(" ")}: ${text}`);
      return text.trim();
    },
  };
}
