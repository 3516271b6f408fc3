import {
  ALWAYS_INHERITED,
  type Environment,
  findVariable,
  GIT_CONFIG_VARIABLES,
  GIT_HOOK_VARIABLES,
  isSystemName,
  PREFERENCE_VARIABLES,
  PROXY_VARIABLES,
  TERMINAL_VARIABLES,
  UNTRUSTED_ALLOWLIST,
  Variable,
} from "./variables.ts";

/** Variables that git needs to run and to find the user's ignored files. */
const GIT_QUERY_VARIABLES: ReadonlySet<string> = new Set([
  ...["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "LD_LIBRARY_PATH"],
  "GIT_EXEC_PATH",
]);

declare const CHILD: unique symbol;

/**
 * The complete environment of a program that the runner starts. Only {@linkcode
 * childEnvironment} and {@linkcode fixedEnvironment} create one, so that no
 * program gets the runner's own environment by mistake.
 */
export type ChildEnvironment = Environment & { readonly [CHILD]: true };

/** Variables of a job's command or step, in addition to inherited ones. */
interface JobLayers {
  /** Variables that the runner sets for every command of the job. */
  readonly facts: Environment;
  /** Variables of the job. They override the facts. */
  readonly jobEnv: Environment;
  /**
   * Variables of the step or container. They override those of the job.
   *
   * @default {{}}
   */
  readonly own?: Environment;
}

/** The command of a job, or a trusted step. */
interface JobChild extends JobLayers {
  readonly kind: "job";
  /**
   * Variables of the runner that it inherits: all, a minimum, or a minimum and
   * these.
   */
  readonly inherit: boolean | readonly string[];
}

/** A step that runs untrusted code. */
interface UntrustedChild extends JobLayers {
  readonly kind: "untrusted-step";
  /**
   * Whether it inherits only what a trusted step with `inherit_env: false` does.
   */
  readonly isNarrow: boolean;
  /**
   * Variables of the runner and the job that the step names in `inherit_env`.
   */
  readonly names: readonly string[];
  /** Checks whether a text contains a known secret. */
  readonly containsSecret: (text: string) => boolean;
  /** Called with the name of each requested variable that is withheld. */
  readonly onWithheld?: (name: string) => void;
}

/** The container of a job, which has its own environment. */
interface ContainerChild extends JobLayers {
  readonly kind: "container";
  /** Variables of the runner that it gets in addition to system variables. */
  readonly names: readonly string[];
}

/** A program that gets only the variables that it is allowed to use. */
interface LimitedChild {
  readonly kind: "plugin" | "pipeline";
  /** Checks whether it needs a variable or has a permission for it. */
  readonly mayUse: (name: string) => boolean;
  /**
   * Checks whether it was granted a variable by name or prefix. Variables with
   * a reserved prefix that are not in the table, such as a team's own, require
   * this.
   *
   * @default {no variable}
   */
  readonly isNamed?: (name: string) => boolean;
}

/** Git when it only reads a repository, whose owner may not be trusted. */
interface GitQuery {
  readonly kind: "git-query";
}

/**
 * A tool of the runner, such as git, another source client or its helper, or a
 * container engine.
 */
interface Tool {
  readonly kind: "git" | "source-client" | "container-engine" | "tool";
}

/** A program that prints a secret. */
interface SecretProviderChild {
  readonly kind: "secret-provider";
  /**
   * Directories to search for programs; tested code cannot write to any of
   * them.
   */
  readonly path: string;
}

/** The runner of another job, in this process. */
interface NestedRunner {
  readonly kind: "nested-runner";
}

/** A program that the runner starts. */
export type Child =
  | JobChild
  | UntrustedChild
  | ContainerChild
  | LimitedChild
  | GitQuery
  | Tool
  | SecretProviderChild
  | NestedRunner;

/**
 * Creates the environment of a program that the runner starts. This is the only
 * place that decides what each kind of program sees.
 *
 * - Variables for the runner alone, such as the password of the secret store,
 *   are never passed on.
 * - Variables that point a git hook to its repository are not inherited.
 * - A job's command and its trusted steps inherit everything else, or what
 *   `inherit_env` allows.
 * - An untrusted step inherits an allowlist, and the variables that it names. A
 *   value that contains a known secret is withheld, wherever it was set.
 * - A container gets the worker's variables that do not describe the host, and
 *   variables that are passed by name.
 * - Plugins and pipelines get the variables that they may use. Unknown variables
 *   with a reserved prefix must be granted by name. Only pipelines get variables
 *   for commands of the job.
 * - A git query gets what git needs to run, and no tokens.
 * - Tools of the runner inherit everything except variables for commands of the
 *   job, since they do not need its tokens. Only git itself gets the variables
 *   with which an operator configures git.
 * - A secret provider gets what a tool gets, including its own credentials
 *   such as `VAULT_TOKEN`, but a `PATH` without directories of the workspace. It
 *   must not prompt the user, and does not get the name of a terminal.
 * - The runner of another job, in this process, gets the settings.
 */
export function childEnvironment(
  parent: Environment,
  child: Child,
): ChildEnvironment {
  switch (child.kind) {
    case "job":
      return fixedEnvironment({
        ...pick(
          parent,
          (name) => isInheritedByJob(name, child.inherit),
        ),
        ...mergeLayers(child),
      });
    case "untrusted-step":
      return createUntrustedEnvironment(parent, child);
    case "container":
      return fixedEnvironment({
        ...pick(
          parent,
          (name) => isInheritedByContainer(name, child.names),
        ),
        ...mergeLayers(child),
      });
    case "plugin":
      return pick(
        parent,
        (name) =>
          child.mayUse(name) &&
          (isForTools(name) ||
            isUnknownSystemName(name) && (child.isNamed?.(name) ?? false)),
      );
    case "git-query":
      return pick(
        parent,
        (name) => GIT_QUERY_VARIABLES.has(name) && isForTools(name),
      );
    case "pipeline":
      return pick(
        parent,
        (name) => !GIT_HOOK_VARIABLES.has(name) && child.mayUse(name),
      );
    case "secret-provider":
      return fixedEnvironment({
        ...pick(
          parent,
          (name) =>
            isForTools(name) && !PREFERENCE_VARIABLES.has(name) &&
            !TERMINAL_VARIABLES.has(name),
        ),
        PATH: child.path,
        GIT_TERMINAL_PROMPT: "0",
      });
    case "nested-runner":
      return pick(
        parent,
        (name) => !GIT_HOOK_VARIABLES.has(name) && isSetting(name),
      );
    case "git":
      return pick(
        parent,
        (name) =>
          isForTools(name) && (!name.startsWith("GIT_") ||
            GIT_CONFIG_VARIABLES.some((pattern) => pattern.test(name))),
      );
    default:
      return pick(
        parent,
        (name) => isForTools(name) && !PREFERENCE_VARIABLES.has(name),
      );
  }
}

/** Creates the environment of a program that inherits nothing. */
export function fixedEnvironment(variables: Environment): ChildEnvironment {
  return variables as ChildEnvironment;
}

/**
 * Returns the environment of standard file tools that the runner itself uses:
 * their directories, regardless of the job's variables.
 */
export function toolEnvironment(): ChildEnvironment {
  return fixedEnvironment({
    LC_ALL: "C",
    PATH:
      "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin",
  });
}

/**
 * Sets a variable in the runner's own environment, so that an option also
 * applies to the programs that the runner starts.
 */
export function withVariable(
  env: Environment,
  name: string,
  value: string,
): Environment {
  return { ...env, [name]: value };
}

/**
 * Puts a directory first on `PATH`. Without `PATH`, a shell uses a default one,
 * which must stay.
 */
export function withProgramDirectory<Env extends Environment>(
  env: Env,
  directory: string,
): Env {
  return env.PATH ? { ...env, PATH: `${directory}:${env.PATH}` } : env;
}

/**
 * Removes the variables for the runner alone.
 *
 * @returns Variables that a job may refer to.
 */
export function visibleToJobs(env: Environment): Environment {
  return pick(env, isForJobs);
}

function createUntrustedEnvironment(
  parent: Environment,
  child: UntrustedChild,
): ChildEnvironment {
  const { facts, jobEnv, own, names, isNarrow, containsSecret } = child;
  const offered = { ...parent, ...jobEnv };
  const named = pick(
    offered,
    (name) => names.includes(name) && isForEveryone(name),
  );
  const env = {
    ...pick(
      parent,
      (name) => isHarmless(name, parent[name], isNarrow),
    ),
    ...selectSafeDirectories(parent),
    ...pick(facts, (name) => isHarmless(name, facts[name], false)),
    ...named,
    ...own,
  };
  const kept = pick(env, (name) => !containsSecret(env[name]));
  const requested = [...Object.keys(own ?? {}), ...names];
  for (const name of new Set(requested)) {
    if (Object.hasOwn(offered, name) || Object.hasOwn(env, name)) {
      if (!Object.hasOwn(kept, name)) child.onWithheld?.(name);
    }
  }
  return kept;
}

function isHarmless(name: string, value: string, isNarrow: boolean): boolean {
  if (ALWAYS_INHERITED.has(name)) return true;
  const info = findVariable(name);
  if (info !== undefined) {
    return isForEveryone(name) && !(info.isUrl && hasCredentials(value)) &&
      (!isNarrow || isSystemName(name));
  }
  if (isNarrow) return false;
  if (PROXY_VARIABLES.has(name)) return !value.includes("@");
  return UNTRUSTED_ALLOWLIST.has(name);
}

/** Selects the entries of git's configuration that only name directories. */
function selectSafeDirectories(env: Environment): Environment {
  const count = Number(env.GIT_CONFIG_COUNT);
  const safe: Record<string, string> = {};
  let kept = 0;
  for (let index = 0; index < Math.min(count, 1_000); index++) {
    const key = env[`GIT_CONFIG_KEY_${index}`];
    if (key?.toLowerCase() !== "safe.directory") continue;
    safe[`GIT_CONFIG_KEY_${kept}`] = key;
    safe[`GIT_CONFIG_VALUE_${kept}`] = env[`GIT_CONFIG_VALUE_${index}`] ?? "";
    kept++;
  }
  return kept === 0 ? {} : { ...safe, GIT_CONFIG_COUNT: String(kept) };
}

/**
 * In an ssh address, a user name alone is not a credential. A query may contain a signature.
 */
function hasCredentials(url: string): boolean {
  if (/[?#]/.test(url)) return true;
  const [, scheme = "ssh", rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is
    .exec(url)!;
  const end = rest.lastIndexOf("@");
  if (end === -1) return false;
  return !/ssh$/i.test(scheme) || rest.slice(0, end).includes(":");
}

function isInheritedByJob(
  name: string,
  inherit: boolean | readonly string[],
): boolean {
  if (!isForJobs(name) || isTrace(name)) return false;
  if (inherit === true) return !GIT_HOOK_VARIABLES.has(name);
  return ALWAYS_INHERITED.has(name) || isSystemName(name) ||
    inherit !== false && inherit.includes(name);
}

function isInheritedByContainer(
  name: string,
  names: readonly string[],
): boolean {
  if (!isForJobs(name) || isTrace(name)) return false;
  if (findVariable(name)?.isOutside) return false;
  return isSystemName(name) || names.includes(name);
}

/** A job gets its trace from the runner's own variables. */
function isTrace(name: string): boolean {
  return name === Variable.traceParent || name === Variable.traceState;
}

function isSetting(name: string): boolean {
  const info = findVariable(name);
  return info === undefined ? !isSystemName(name) : info.isSetting === true;
}

function isForTools(name: string): boolean {
  return isForEveryone(name) && !isUnknownSystemName(name) &&
    !GIT_HOOK_VARIABLES.has(name);
}

function isUnknownSystemName(name: string): boolean {
  return findVariable(name) === undefined && isSystemName(name);
}

function isForEveryone(name: string): boolean {
  const { seenBy = "everyone" } = findVariable(name) ?? {};
  return seenBy === "everyone";
}

function isForJobs(name: string): boolean {
  return findVariable(name)?.seenBy !== "runner";
}

function mergeLayers({ facts, jobEnv, own }: JobLayers): Environment {
  return { ...facts, ...jobEnv, ...own };
}

function pick(
  env: Environment,
  isKept: (name: string) => boolean,
): ChildEnvironment {
  return fixedEnvironment(
    Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name))),
  );
}

/**
 * Returns the directory for state of the user that outlives a run. Untrusted
 * steps in a sandbox can neither see nor change it.
 *
 * @param env Environment of the runner.
 * @returns Absolute path, which need not exist; `undefined` if no variable
 * contains one.
 */
export function findStateDirectory(env: Environment): string | undefined {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = env;
  if (state.startsWith("/")) return `${state}/reactorcide`;
  return home.startsWith("/") ? `${home}/.local/state/reactorcide` : undefined;
}
