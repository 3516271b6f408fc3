import { childEnvironment } from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { defaultOf } from "../../options/options.ts";
import type { LocalJob } from "../local/local_job.ts";
import { clonesSource } from "./placed_job.ts";

/** Variables of the container of a job. */
export interface PodVariables {
  /** Variables that are visible to everyone who can read the Pod. */
  readonly facts: Readonly<Record<string, string>>;
  /** All other variables, which the job gets from a Secret. */
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * Returns the variables of a job in a Pod: the same as in a local container. Values
 * that the runner has not generated itself are kept in a Secret.
 *
 * @param runnerEnv Environment of the runner of the job.
 * @param env Environment that its command would have locally.
 */
export function podVariables(
  job: LocalJob,
  runnerEnv: Environment,
  env: Environment,
): PodVariables {
  const codeDir = job.codeDir ?? defaultOf("code_dir");
  const listed = (job.env[Variable.secretEnvNames] ?? "").split(",");
  const referring = Object.keys(job.env)
    .filter((name) => job.env[name].includes("${secret:"));
  const secretNames = [...new Set([...listed, ...referring])].filter(Boolean);
  const facts = {
    [Variable.inContainer]: "true",
    [Variable.codeDir]: codeDir,
    [Variable.jobDir]: job.jobDir ?? codeDir,
    [Variable.workflowVarsFile]: "/job/workflow-vars.json",
    [Variable.workflowOutputFile]: "/job/workflow-output.json",
    ...job.env.HOME === undefined ? { HOME: "/home/runner" } : {},
    ...job.env.GIT_CONFIG_COUNT === undefined ? SAFE_DIRECTORIES : {},
    ...secretNames.length === 0
      ? {}
      : { [Variable.secretEnvNames]: secretNames.join(",") },
    ...clonesSource(job) ? { [Variable.sourceType]: "git" } : {},
  };
  const { url, ref } = clonesSource(job) ? job.source! : {};
  const names = new Set([
    ...Object.keys(childEnvironment(runnerEnv, {
      ...{ kind: "container", names: [], facts: {}, jobEnv: {} },
    })),
    ...Object.keys(job.env),
    ...[Variable.traceParent, Variable.traceState, Variable.workspaceLock],
  ]);
  const secrets = Object.fromEntries(
    [...names].flatMap((name) =>
      name in facts || env[name] === undefined ? [] : [[name, env[name]]]
    ),
  );
  return {
    facts,
    secrets: {
      ...secrets,
      ...url === undefined ? {} : { [Variable.sourceUrl]: url },
      ...ref === undefined ? {} : { [Variable.sourceRef]: ref },
    },
  };
}

/** Lets git use the directory of the job, which another user owns. */
const SAFE_DIRECTORIES = {
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "safe.directory",
  GIT_CONFIG_VALUE_0: "*",
};
