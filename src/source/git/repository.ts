import type { CaptureResult } from "../../process/capture.ts";
import { removeTree } from "../../workspace/remove.ts";
import { redactUrl } from "../redact_url.ts";
import { withoutSecret } from "./credential_url.ts";
import { gitError } from "./failure.ts";
import { gitReason } from "./reason.ts";
import { type GitContext, runGit } from "./run_git.ts";

/** Kind of the ids in a repository. */
export type ObjectFormat = "sha1" | "sha256";

/** A repository of the runner, with a remote of the name `origin`. */
export interface Repository {
  /** Absolute path of the repository itself, which is in its work tree if it has one. */
  readonly gitDirectory: string;
  /** Location of the remote, with whatever secret is in it. */
  readonly url: string;
  /** The location as it is shown. */
  readonly shownUrl: string;
  /** Runs git on the repository. */
  git(
    args: readonly string[],
    variables?: GitContext["variables"],
  ): Promise<CaptureResult>;
  /**
   * Makes the repository, anew if it is there.
   *
   * @throws {RunnerError} With code `source-failed`, if git cannot.
   */
  make(objectFormat: ObjectFormat): Promise<void>;
}

/**
 * Tells how git is run on a repository, which need not exist yet.
 *
 * @param place Absolute path of an existing directory, and whether it is the
 * repository itself or its work tree.
 * @param url Location of the remote; a secret in it is written nowhere.
 * @param context What the run offers.
 * @returns The repository.
 */
export function repositoryAt(
  { path, bare = false }: { path: string; bare?: boolean },
  url: string,
  context: GitContext,
): Repository {
  const { publicUrl, config } = withoutSecret(url);
  const gitDirectory = bare ? path : `${path}/.git`;
  // Named outright, the repository is not searched for in the directories above.
  const place = [`--git-dir=${gitDirectory}`];
  if (!bare) place.push(`--work-tree=${path}`);
  const repository: Repository = {
    gitDirectory,
    url,
    shownUrl: redactUrl(url),
    git: (args, variables) =>
      runGit([...place, ...args], path, {
        ...context,
        config: [...context.config ?? [], ...config],
        variables: { ...context.variables, ...variables },
      }),
    async make(objectFormat) {
      await removeTree(gitDirectory);
      if (bare) await Deno.mkdir(path);
      await must(repository, [
        "init",
        "--quiet",
        "--initial-branch=main",
        `--object-format=${objectFormat}`,
        ...bare ? ["--bare"] : [],
      ]);
      // As "git remote add" does, without a program: its start takes longer.
      const config = `${gitDirectory}/config`;
      await Deno.writeTextFile(config, remoteConfig(publicUrl), {
        append: true,
      });
    },
  };
  return repository;
}

/**
 * Finds the commit that a name stands for.
 *
 * @param repository Repository.
 * @param name Name that leaves git nothing to guess.
 * @returns Id of the commit; `undefined` if the name stands for none.
 */
export async function commitOf(
  repository: Repository,
  name: string,
): Promise<string | undefined> {
  const { exitCode, stdout } = await repository.git([
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${name}^{commit}`,
  ]);
  return exitCode === 0 ? stdout.trim() : undefined;
}

function remoteConfig(url: string): string {
  const quoted = url.replace(/["\\]/g, "\\$&");
  return `[remote "origin"]
\turl = "${quoted}"
\tfetch = +refs/heads/*:refs/remotes/origin/*
`;
}

async function must(
  repository: Repository,
  args: readonly string[],
): Promise<void> {
  const result = await repository.git(args);
  if (result.exitCode === 0) return;
  throw gitError(
    `make the repository "${repository.gitDirectory}"`,
    gitReason(result, repository.url),
  );
}
