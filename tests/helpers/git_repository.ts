import {
  type ChildEnvironment,
  fixedEnvironment,
} from "../../src/environment/child_environment.ts";
import { makeFiles } from "./temporary_directory.ts";

/** Environment in which git behaves the same on every machine. */
export const GIT_ENV: ChildEnvironment = fixedEnvironment({
  PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A. U. Thor",
  GIT_AUTHOR_EMAIL: "author@example.com",
  GIT_AUTHOR_DATE: "2026-01-02T03:04:05Z",
  GIT_COMMITTER_NAME: "C. O. Mitter",
  GIT_COMMITTER_EMAIL: "committer@example.com",
  GIT_COMMITTER_DATE: "2026-01-02T03:04:05Z",
});

/** A repository of a test. */
export interface GitRepository {
  /** Absolute path of the work tree. */
  readonly path: string;
  /** Runs git in the repository and returns what it prints, trimmed. */
  git(...args: string[]): Promise<string>;
  /** Writes files, commits everything and returns the ID of the commit. */
  commit(files: Record<string, string>): Promise<string>;
}

/** Creates an empty repository with the branch `main`. */
export async function makeRepository(path: string): Promise<GitRepository> {
  await Deno.mkdir(path, { recursive: true });
  const git = (...args: string[]) => runGit(path, args);
  await git("init", "--quiet", "--initial-branch=main");
  // As on large hosts: commits can be fetched even if no branch contains them.
  await git("config", "uploadpack.allowAnySHA1InWant", "true");
  return {
    path,
    git,
    async commit(files) {
      await makeFiles(path, files);
      await git("add", "--all");
      await git("commit", "--quiet", "--message", "Change");
      return await git("rev-parse", "HEAD");
    },
  };
}

async function runGit(cwd: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("git", {
    args,
    cwd,
    clearEnv: true,
    env: GIT_ENV,
    stdin: "null",
  }).output();
  if (code !== 0) {
    throw new Error(
      `git ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`,
    );
  }
  return new TextDecoder().decode(stdout).trim();
}
