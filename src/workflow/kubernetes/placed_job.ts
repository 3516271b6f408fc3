import { imageProblem } from "../../container/container_arguments.ts";
import { normalizePath } from "../../job_path.ts";
import { defaultOf } from "../../options/options.ts";
import type { LocalJob } from "../local/local_job.ts";
import { remoteStepsProblem } from "../remote_steps.ts";

/** Names of variables that every version of Kubernetes accepts. */
const VARIABLE_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** Capabilities that need a privileged container. */
const PRIVILEGED: readonly string[] = ["docker", "builder"];

/** User and group of a job, unless it sets them. */
const RUNNER = { uid: 1001, gid: 1001 };

/** Returns the reasons why a job cannot run on Kubernetes. */
export function clusterProblems(job: LocalJob): string[] {
  const { name, image, env, capabilities = [], runAsUser } = job;
  const problems: string[] = [];
  const stepsProblem = remoteStepsProblem(job);
  if (stepsProblem !== undefined) problems.push(`its steps ${stepsProblem}`);
  const problem = image === undefined ? undefined : imageProblem(image);
  if (problem !== undefined) {
    problems.push(`its image ${JSON.stringify(image)}: ${problem}`);
  }
  for (const capability of capabilities) {
    if (!PRIVILEGED.includes(capability)) continue;
    problems.push(
      `its capability "${capability}" needs a privileged container`,
    );
  }
  for (const variable of Object.keys(env)) {
    if (VARIABLE_NAME.test(variable)) continue;
    problems.push(
      `its variable ${
        JSON.stringify(variable)
      } has a name that Kubernetes does not accept`,
    );
  }
  if (parseUserIds(job) === undefined) {
    problems.push(
      `its user ${JSON.stringify(runAsUser)} is not runner, root or uid[:gid]`,
    );
  }
  return problems.map((text) => `job "${name}": ${text}`);
}

/** Returns the program of the container of a job, and its arguments. */
export function jobArgv({ command = "", isWrapped }: LocalJob): string[] {
  return isWrapped
    ? ["runnerlib", "run", `--job-command=${command}`]
    : ["sh", "-c", command];
}

/** Returns the user and group of a job; `undefined` if they are not known. */
export function parseUserIds(
  { runAsUser = "" }: LocalJob,
): { readonly uid: number; readonly gid: number } | undefined {
  if (runAsUser === "" || runAsUser === "runner") return RUNNER;
  if (runAsUser === "root") return { uid: 0, gid: 0 };
  const [, uid, gid = uid] = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(runAsUser) ??
    [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** Whether the runner in the Pod clones the source of the job. */
export function clonesSource({ source, isWrapped }: LocalJob): boolean {
  return isWrapped === true && source?.type === "git";
}

/**
 * Returns the files and directories that may contain artifacts of a job, relative to
 * its workspace: the part of each pattern before wildcards.
 */
export function artifactPaths({ artifacts = [], codeDir }: LocalJob): string[] {
  const code = normalizePath(codeDir ?? defaultOf("code_dir"));
  const root = code.replace(/^\/job\/?/, "");
  const paths = artifacts.flatMap(({ paths }) => paths).map((pattern) => {
    const parts = pattern.split("/").filter((part) => part && part !== ".");
    const firstWildcard = parts.findIndex((part) => /[*?[\]{}\\!]/.test(part));
    const fixed = firstWildcard === -1 ? parts : parts.slice(0, firstWildcard);
    return [...root === "" ? [] : [root], ...fixed].join("/");
  });
  // A path is fetched with everything in it.
  return [...new Set(paths)].filter((path) =>
    !paths.some((other) => path.startsWith(`${other}/`))
  );
}
