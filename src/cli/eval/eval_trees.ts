import { defaultOf } from "../../options/options.ts";
import { resolve } from "@std/path/posix/resolve";
import { childEnvironment } from "../../environment/child_environment.ts";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { CI_DIRECTORY, isInside, OWN_DIRECTORY } from "../../job_path.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import { changedFiles } from "../../source/git/queries/revisions.ts";
import {
  changesBetween,
  type Manifest,
  takeManifest,
} from "../../source/directory_manifest.ts";
import { comparedRevision } from "../../runner/event_facts.ts";
import { prepareSource } from "../../source/prepare.ts";
import type { EvalEvent } from "../../workflow/eval/eval_event.ts";
import type { CommandContext } from "../command.ts";
import { evalValue } from "./eval_inputs.ts";
import { pathExists } from "../../fs/files.ts";

/** Full history; file contents are fetched on demand. */
const HISTORY = { depth: 0, filter: "blob:none" };

/** Directories with the code of an evaluation. */
export interface EvalTrees {
  /** Absolute path of the trusted CI root. */
  readonly base: string;
  /** Absolute path of the CI root of the pull request, if there is one. */
  readonly head: string | undefined;
  /** Absolute path of the code. */
  readonly source: string;
}

/**
 * Finds the code of an evaluation, and fetches missing code if its repository
 * is known. If the code of a pull request cannot be checked out, it stays
 * missing.
 *
 * @throws {RunnerError} `source-failed` or `workspace` if any other code
 * cannot be fetched.
 */
export async function evalTrees(
  context: CommandContext,
  event: EvalEvent,
  cancellation: Cancellation,
): Promise<EvalTrees> {
  const ci = resolveJobPath(
    context,
    evalValue(context, "ci-source-dir", CI_DIRECTORY),
  );
  const source = resolveJobPath(
    context,
    evalValue(context, "source-dir", defaultOf("code_dir")),
  );
  const hasSides = event.prNumber !== "" &&
    !await pathExists(`${ci}/.reactorcide`);
  const base = hasSides ? `${ci}/base` : ci;
  const head = hasSides ? `${ci}/head` : undefined;
  const { sourceUrl, sourceRef, ciSourceUrl, ciSourceRef, headUrl } = event;
  const get = (url: string, ref: string, target: string, git = {}) =>
    fetchTree(context, { url, ref, target, git }, cancellation);
  // File names in a pull request must not make the evaluation fail.
  const getProposed: typeof get = async (...args) => {
    try {
      await get(...args);
    } catch (error) {
      cancellation.graceful.throwIfAborted();
      if (event.prNumber === "" || !(error instanceof RunnerError)) throw error;
      context.runner.logger.warn(
        "eval",
        `The code of the pull request is not used: ${error.message}`,
      );
    }
  };
  if (ciSourceUrl !== "" && !await pathExists(`${base}/.reactorcide`)) {
    await get(ciSourceUrl, ciSourceRef, base);
  }
  if (
    head !== undefined && headUrl !== "" && sourceRef !== "" &&
    await isEmpty(head)
  ) await getProposed(headUrl, sourceRef, head);
  if (sourceUrl !== "" && !await pathExists(`${source}/.git`)) {
    await getProposed(sourceUrl, sourceRef, source, HISTORY);
  }
  await requireDirectory(base, "the CI code", "ci-source-dir");
  if (evalValue(context, "source-dir") !== "") {
    await requireDirectory(source, "the code", "source-dir");
  }
  return { base, head, source };
}

/** Fails early: without definitions, nothing would start and no error appear. */
async function requireDirectory(
  path: string,
  what: string,
  flag: string,
): Promise<void> {
  let state: string;
  try {
    const { isDirectory } = await Deno.stat(path);
    if (isDirectory) return;
    state = "it is not a directory";
  } catch (error) {
    state = osReason(error);
  }
  throw new RunnerError(
    `Cannot read ${what} in "${path}": ${state}; set its directory with --${flag}`,
    { code: "workspace" },
  );
}

/**
 * Determines the changed files.
 *
 * @param source Absolute path of the code.
 * @returns Paths; `undefined` if they are unknown. A failed comparison is
 * logged as a warning.
 */
export async function evalChanges(
  context: CommandContext,
  source: string,
  event: EvalEvent,
): Promise<readonly string[] | undefined> {
  const given = context.flags.get("changed-file");
  if (Array.isArray(given)) return given;
  if (!await pathExists(`${source}/.git`)) return undefined;
  const { host, logger } = context.runner;
  const base = comparedRevision({
    ...event,
    diffBase: evalValue(context, "diff-base"),
  });
  try {
    return await changedFiles(base, { directory: source, env: host.env });
  } catch (error) {
    logger.warn(
      "eval",
      `Path filters are ignored because the changed files are unknown: ${
        messageOf(error)
      }`,
    );
    return undefined;
  }
}

/**
 * Lists the files of CI definitions that differ between the trusted tree and
 * the tree of the pull request.
 *
 * This is a fallback if git cannot compare them, such as for a fork whose base
 * cannot be fetched. It also lists files that the base branch has changed
 * since.
 *
 * @param signal Cancels the comparison.
 * @returns Paths; all trusted ones if the tree of the pull request cannot be
 * read.
 */
export async function changedDefinitions(
  { base, head }: EvalTrees,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (head === undefined) return [];
  const trusted = await definitionFiles(base, signal);
  try {
    const proposed = await definitionFiles(head, signal);
    return changesBetween(trusted, proposed).map(([path]) => path);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RunnerError)) throw error;
    return [...trusted.keys()];
  }
}

/** Ignores write permissions, which are removed from the trusted tree. */
async function definitionFiles(
  root: string,
  signal: AbortSignal,
): Promise<Manifest> {
  const directory = `${root}/.reactorcide`;
  if (!await pathExists(directory)) return new Map();
  const manifest = await takeManifest(directory, { signal });
  const files = [...manifest].filter(([, line]) =>
    !line.startsWith("directory")
  );
  return new Map(files.map(([name, line]) => [
    name === "" ? OWN_DIRECTORY : `${OWN_DIRECTORY}/${name}`,
    line.replace(
      /^(\w+) (\d+)/,
      (_, kind, bits) => `${kind} ${Number.parseInt(bits, 8) & 0o100}`,
    ),
  ]));
}

/**
 * Resolves a path.
 *
 * @param path Path below `/job`, or relative to the current directory.
 * @returns Absolute path.
 */
export function resolveJobPath(
  { runner: { host, workspace } }: CommandContext,
  path: string,
): string {
  return isInside("/job", path)
    ? workspace.pathOf(path)
    : resolve(host.cwd, path);
}

async function fetchTree(
  { runner: { host, workspace, logger } }: CommandContext,
  { url, ref, target, git }: {
    url: string;
    ref: string;
    target: string;
    git: { depth?: number; filter?: string };
  },
  cancellation: Cancellation,
): Promise<void> {
  const request = {
    type: "git",
    url,
    ...ref === "" ? {} : { ref },
    git: { depth: 1, submodules: "off", lfs: "off", ...git } as const,
    target,
    replace: false,
  };
  await prepareSource(request, {
    workspace,
    env: childEnvironment(host.env, { kind: "source-client" }),
    cwd: host.cwd,
    log: logger,
    cancellation,
  });
}

/** A pull request may delete all definitions, so only an empty tree counts as missing. */
async function isEmpty(path: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
