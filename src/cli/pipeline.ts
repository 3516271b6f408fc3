import { joinList } from "../command_text.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import {
  DENO_DOWNLOAD_VARIABLES,
  DENO_VARIABLES,
  type Environment,
  Variable,
} from "../environment/variables.ts";
import { osReason, RunnerError, thrownText } from "../errors.ts";
import type { Host } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import { expandPaths, readGrants } from "../plugins/permissions/grants.ts";
import { parsePermission } from "../plugins/permissions/plugin_manifest.ts";
import {
  covers,
  type PluginPermissions,
} from "../plugins/permissions/plugin_permissions.ts";
import { PYTHON_PACKAGE } from "../plugins/python/python_command.ts";
import { permissionFlag } from "../plugins/sandbox/deno_command.ts";
import { findDeno, findOnPath } from "../plugins/sandbox/find_deno.ts";
import type { Workspace } from "../workspace/layout.ts";
import type { CommandContext, Flag } from "./command.ts";
import { loadCommandConfig } from "./command_config.ts";
import { usageError } from "./parse_arguments.ts";

/** File extensions of pipelines. */
const LANGUAGES: readonly string[] = [
  ...[".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"],
  ".py",
];

/** Option that grants a permission. */
export const ALLOW_FLAG: Flag = {
  name: "allow",
  valueName: "KIND=VALUES",
  isRepeatable: true,
  help: "Additional permission of the pipeline, such as net=example.com",
};

/** Command that runs a pipeline. */
export interface PipelineCommand {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Permissions of the pipeline, and their reasons. */
  readonly permissions: readonly PipelinePermission[];
  /** Whether Python runs the pipeline instead of Deno. */
  readonly isPython: boolean;
  /** Absolute path of the pipeline. */
  readonly path: string;
}

/**
 * Builds the command that runs a pipeline.
 *
 * @param places Paths outside the workspace that the pipeline uses.
 * @throws {RunnerError} If the file does not exist, or a permission is invalid.
 */
export async function pipelineCommand(
  context: CommandContext,
  name: string,
  places: PipelinePlaces = {},
): Promise<PipelineCommand> {
  const { operands: [file, ...args], rest = [], flags, runner } = context;
  if (!file) throw usageError("A pipeline is required", name);
  const { settings } = await loadCommandConfig(context, { layer: {} });
  const { host, workspace } = runner;
  const allowed = flags.get(ALLOW_FLAG.name);
  const permissions = pipelinePermissions({ host, workspace, ...places }, [
    ...settings.lines("pipeline_permissions"),
    ...typeof allowed === "object" ? allowed : [],
  ]);
  const path = await realFile(
    absolutePath(file, runner.host.cwd),
    file,
  );
  checkLanguage(path, file);
  // Python is not sandboxed; permissions only determine its environment.
  const program = isPythonPipeline(path)
    ? [await findPython(file, runner.host.env)]
    : [
      await findDeno(runner.host.env),
      ...["run", "--quiet", "--no-prompt", ...denoFlags(permissions)],
    ];
  const argv = [...program, path, ...args, ...rest];
  return { argv, permissions, isPython: isPythonPipeline(path), path };
}

async function realFile(path: string, name: string): Promise<string> {
  let reason = "it is not a file";
  try {
    const real = await Deno.realPath(path);
    if ((await Deno.stat(real)).isFile) return real;
  } catch (error) {
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot run pipeline "${name}": ${reason}`, {
    code: "invalid-config",
  });
}

/** Rejects other files, which Deno would run as JavaScript. */
function checkLanguage(path: string, name: string): void {
  const [extension] = /\.\w+$/.exec(path) ?? [];
  if (extension === undefined || LANGUAGES.includes(extension)) return;
  const hint = /^\.(ya?ml|json)$/.test(extension)
    ? `; "runnerlib run --job-file ${name}" runs a job file`
    : "";
  throw new RunnerError(
    `Cannot run pipeline "${name}": it must be a file of TypeScript, JavaScript or Python${hint}`,
    { code: "invalid-config" },
  );
}

/** Checks whether Python runs a pipeline. */
function isPythonPipeline(file: string): boolean {
  return file.endsWith(".py");
}

/**
 * Finds the Python that runs pipelines.
 *
 * @param name Pipeline as typed.
 * @throws {RunnerError} `invalid-config` if Python is not found.
 */
async function findPython(
  name: string,
  env: Environment,
): Promise<string> {
  const path = await findOnPath("python3", env);
  if (path !== undefined) return path;
  throw new RunnerError(
    `Cannot run pipeline "${name}": python3 is not on PATH`,
    { code: "invalid-config" },
  );
}

/**
 * Writes the Python package `runnerlib`.
 *
 * @param directory Directory for the package; the caller removes it.
 * @returns Variables that let Python find the package.
 */
export async function writePythonPackage(
  directory: string,
  env: Environment,
): Promise<Record<string, string>> {
  const { PYTHONPATH } = env;
  const root = `${directory}/python`;
  await Deno.mkdir(`${root}/runnerlib`, { recursive: true });
  await Promise.all(
    Object.entries(PYTHON_PACKAGE).map(([module, text]) => {
      const [, name = "__init__"] = module.split(".");
      return Deno.writeTextFile(`${root}/runnerlib/${name}.py`, text);
    }),
  );
  return { PYTHONPATH: PYTHONPATH ? `${root}:${PYTHONPATH}` : root };
}

/** Variables that Deno itself needs; pipelines cannot read them. */
const REQUIRED_BY_DENO = [
  ...DENO_VARIABLES,
  ...DENO_DOWNLOAD_VARIABLES,
  "DENO_NO_UPDATE_CHECK",
];

/**
 * Returns the environment of a pipeline: permitted variables, and those that
 * Deno needs.
 */
export function pipelineEnvironment(
  env: Environment,
  permissions: readonly PipelinePermission[],
): ChildEnvironment {
  const granted = permissions.filter(({ kind }) => kind === "env")
    .flatMap(({ values }) => values);
  const isGranted = (name: string) =>
    granted.some((value) => covers("env", value, name));
  const inherited = childEnvironment(env, {
    kind: "pipeline",
    mayUse: (name) => REQUIRED_BY_DENO.includes(name) || isGranted(name),
  });
  // The separator "=" is the only character that names cannot contain.
  const names = Object.keys(inherited)
    .filter((name) => name !== "" && isGranted(name));
  return {
    ...inherited,
    // A pipeline cannot list its permitted variables by itself.
    [Variable.envNames]: joinList(names, "=", Variable.envNames),
  };
}

/** Variables that programs commonly need, or that change how a log looks. */
const COMMON_VARIABLES = [
  ...["PATH", "HOME", "USER", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "TZ"],
  ...["CI", "NO_COLOR", "FORCE_COLOR", "LOG_FORMAT", "LOG_LEVEL"],
  ...[Variable.traceParent, Variable.traceState],
];

/** A permission of a pipeline. */
interface PipelinePermission {
  /** Kind, as Deno names it. */
  readonly kind: "read" | "write" | "run" | "env" | "net" | "sys" | "import";
  /** Paths, programs, variables and so on; `*` for all. */
  readonly values: readonly string[];
  /** Why the pipeline has it. */
  readonly reason: string;
}

const KINDS = ["read", "write", "run", "env", "net", "sys", "import"] as const;

/** Absolute paths outside the workspace that a pipeline uses. */
export interface PipelinePlaces {
  /** Socket where the pipeline registers secrets. */
  readonly socket?: string;
  /** Directory for temporary files of the pipeline alone. */
  readonly temporary?: string;
}

/** Settings that the permissions of a pipeline depend on. */
interface PipelineSetting extends PipelinePlaces {
  /** The process. */
  readonly host: Host;
  /** Workspace of jobs. */
  readonly workspace: Workspace;
}

/**
 * Returns the permissions of a pipeline: those that every pipeline needs, and
 * those that are granted.
 *
 * @param grants Lines `KIND=VALUE,VALUE` from flags and the job file.
 * @throws {RunnerError} `invalid-config` if a grant is invalid.
 */
export function pipelinePermissions(
  { host, workspace, socket, temporary }: PipelineSetting,
  grants: readonly string[],
): PipelinePermission[] {
  const coordinator = coordinatorHost(host.env[Variable.coordinatorUrl]);
  const granted = readPermissions(grants, workspace);
  return [
    { kind: "read", values: [workspace.base], reason: "the workspace" },
    { kind: "write", values: [workspace.base], reason: "the workspace" },
    ...temporary === undefined ? [] : (["read", "write"] as const).map((
      kind,
    ) => ({ kind, values: [temporary], reason: "its temporary files" })),
    {
      kind: "run",
      values: ["git", "/bin/sh", "sh"],
      reason: "git and the shell, which are not restricted",
    },
    {
      kind: "env",
      values: ["REACTORCIDE_*", "RC_*"],
      reason: "the configuration of jobs",
    },
    {
      kind: "env",
      values: COMMON_VARIABLES,
      reason: "locations of programs and files",
    },
    ...coordinator === undefined ? [] : [
      {
        kind: "net",
        values: [coordinator],
        reason: "the coordinator",
      } as const,
    ],
    ...socket
      ? ([["read", socket], ["write", socket], [
        "net",
        `unix:${socket}`,
      ]] as const)
        .map(([kind, value]) => ({
          kind,
          values: [value],
          reason: "secrets that it registers",
        }))
      : [],
    ...KINDS.flatMap((kind) => {
      const values = granted[kind] ?? [];
      return values.length === 0 ? [] : [{ kind, values, reason: "granted" }];
    }),
  ];
}

/**
 * Converts permissions to options of Deno.
 *
 * @throws {RunnerError} `invalid-config` if Deno would split a value into
 * several.
 */
function denoFlags(
  permissions: readonly PipelinePermission[],
): string[] {
  try {
    return KINDS.flatMap((kind) => {
      const values = permissions.filter((permission) =>
        permission.kind === kind
      ).flatMap((permission) => permission.values);
      return permissionFlag(kind, values);
    });
  } catch (error) {
    throw unusable(error);
  }
}

/** Ignores an invalid URL, which is reported where it is used. */
function coordinatorHost(url = ""): string | undefined {
  const host = URL.parse(url)?.host ?? "";
  try {
    return host === "*" ? undefined : parsePermission("net", host);
  } catch {
    return undefined;
  }
}

function unusable(error: unknown): RunnerError {
  return new RunnerError(`Cannot use a permission: ${thrownText(error)}`, {
    code: "invalid-config",
    cause: error,
  });
}

/** Parses grants, which have the form of those of plugins without a name. */
function readPermissions(
  grants: readonly string[],
  workspace: Workspace,
): PluginPermissions {
  const lines = grants.map((grant) => `pipeline:${grant}`);
  const { read = [], ...rest } = readGrants(lines)("pipeline");
  const directories = { JOB_DIR: workspace.base };
  // Pipelines do not get the default permissions of plugins.
  const own = read.filter((path) =>
    path !== "$JOB_DIR" && path !== "$PLUGIN_DIR"
  );
  try {
    return expandPaths({ read: own, ...rest }, directories);
  } catch (error) {
    throw unusable(error);
  }
}
