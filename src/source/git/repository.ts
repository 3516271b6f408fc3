import type { CaptureResult } from "../../process/capture.ts";
import { showUrl } from "../../url_secrets.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { ConfigEntry } from "./config.ts";
import { gitReason } from "./failure.ts";
import { ownerConfig } from "./local_owner.ts";
import {
  bindAskpass,
  bindHeaders,
  splitLogin,
  unboundHeaders,
} from "./login.ts";
import { type GitContext, runGit } from "./run_git.ts";
import { sourceError } from "../source_error.ts";

/** Kind of the ids in a repository. */
export type ObjectFormat = "sha1" | "sha256";

/**
 * Guesses the kind of the ids in a repository that was not yet reached.
 *
 * @param ref What is fetched from it.
 * @returns That of the id, if it is a whole one; the usual kind otherwise.
 */
export function formatOf(ref: string | undefined): ObjectFormat {
  return /^[0-9a-f]{64}$/i.test(ref ?? "") ? "sha256" : "sha1";
}

/** What lets git in at the host of a repository, and at no other. */
export interface Access {
  /** Configuration of git. */
  readonly config: readonly ConfigEntry[];
  /** Variables to which the configuration refers. */
  readonly variables: Readonly<Record<string, string>>;
}

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
   * Creates the repository; replaces the one that is there.
   *
   * @throws {RunnerError} With code `source-failed`, if git cannot.
   */
  make(objectFormat: ObjectFormat): Promise<void>;
  /** Resolves what lets git in at the host of the remote. */
  access(): Promise<Access>;
}

/** A place of a repository. */
export interface RepositoryPlace {
  /** Absolute path of an existing directory: the work tree, or the repository. */
  readonly path: string;
  /**
   * Whether the directory is the repository itself.
   *
   * @default {false}
   */
  readonly bare?: boolean;
  /**
   * Locations of its other remotes, without their logins.
   *
   * @default {there are none}
   */
  readonly otherUrls?: readonly string[];
}

/**
 * Describes how git is run on a repository, which need not exist yet.
 *
 * @param place Where the repository is.
 * @param url Location of the remote; a secret in it is written nowhere.
 * @param context What the run offers.
 * @returns The repository.
 */
export function repositoryAt(
  { path, bare = false, otherUrls = [] }: RepositoryPlace,
  url: string,
  context: GitContext,
): Repository {
  const { publicUrl, ...login } = splitLogin(url);
  const gitDirectory = bare ? path : `${path}/.git`;
  // Named outright, the repository is not searched for in the directories above.
  const place = [`--git-dir=${gitDirectory}`];
  if (!bare) place.push(`--work-tree=${path}`);
  let resolved: Promise<Access> | undefined;
  const access = () =>
    resolved ??= accessTo([publicUrl, ...otherUrls], login, path, context);
  const repository: Repository = {
    gitDirectory,
    url,
    shownUrl: showUrl(url),
    access,
    async git(args, variables) {
      const { config, variables: logins } = await access();
      return await runGit([...place, ...args], path, {
        ...context,
        config: [...ownerConfig(url), ...config, ...context.config ?? []],
        variables: { ...logins, ...context.variables, ...variables },
      });
    },
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

async function accessTo(
  urls: readonly string[],
  login: Access,
  cwd: string,
  context: GitContext,
): Promise<Access> {
  const { env } = context;
  const askpass = env.GIT_ASKPASS ?? "";
  const headers = unboundHeaders(env);
  let access = login;
  if (askpass === "" && headers.values.length === 0) return access;
  for (const url of urls) {
    // The configuration of a user may lead to another host.
    const { stdout } = await runGit(
      ["ls-remote", "--get-url", "--end-of-options", url],
      cwd,
      { ...context, config: login.config },
    );
    const bound = bindAskpass(stdout.trim(), askpass);
    access = {
      config: [
        ...access.config,
        ...bound.config,
        ...bindHeaders(stdout.trim(), headers.values),
      ],
      variables: { ...access.variables, ...bound.variables },
    };
  }
  return {
    ...access,
    variables: { ...access.variables, ...headers.variables },
  };
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
  throw sourceError(
    `make the repository "${repository.gitDirectory}"`,
    gitReason(result, repository.url),
  );
}
