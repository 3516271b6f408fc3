import { commandText, joinList } from "../../command_text.ts";
import { readOptions } from "../../config/load_config.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import {
  DENO_DOWNLOAD_VARIABLES,
  DENO_VARIABLES,
  type Environment,
  Variable,
} from "../../environment/variables.ts";
import { osReason, RunnerError, thrownText } from "../../errors.ts";
import { createDirectory } from "../../fs/files.ts";
import { temporaryDirectory } from "../../fs/temporary_directory.ts";
import type { Host } from "../../host.ts";
import { absolutePath } from "../../job_path.ts";
import { pump } from "../../output/pump.ts";
import { expandPaths, readGrants } from "../../plugins/permissions/grants.ts";
import { parsePermission } from "../../plugins/permissions/plugin_manifest.ts";
import {
  covers,
  type PluginPermissions,
} from "../../plugins/permissions/plugin_permissions.ts";
import { PYTHON_PACKAGE } from "../../plugins/python/python_command.ts";
import { permissionFlag } from "../../plugins/sandbox/deno_command.ts";
import { findDeno, findOnPath } from "../../plugins/sandbox/find_deno.ts";
import {
  runInherited,
  type RunInheritedOptions,
} from "../../process/run_inherited.ts";
import { createLauncher } from "../../runner/job_launcher.ts";
import { beginFiles } from "../../runner/job_workspace.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type { Workspace } from "../../workspace/layout.ts";
import { removeIfEmpty } from "../../workspace/remove.ts";
import type { CliCommand, CommandContext, Flag } from "../command.ts";
import { loadCommandConfig } from "../command_config.ts";
import { partialJobFileFlag } from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";
import { pipelineImports } from "../pipeline_imports.ts";
import {
  denoColors,
  ERROR_FILE,
  logUncaughtError,
  preloadOption,
} from "../pipeline_errors.ts";

/** Option that grants a permission. */
const ALLOW_FLAG: Flag = {
  name: "allow",
  valueName: "KIND=VALUES",
  isRepeatable: true,
  help: "Additional permission of the pipeline, such as net=example.com",
};

export const execCommand: CliCommand = {
  usage: "PIPELINE [ARGUMENTS] [OPTIONS] [-- ARGUMENTS]",
  description:
    `Runs a TypeScript pipeline with only the permissions that pipelines need: to read
and write the workspace, run git and the shell, read REACTORCIDE_* and RC_*
variables, and connect to the coordinator. "runnerlib permissions" lists them. A
Python pipeline (PIPELINE.py) gets the same variables and can import runnerlib,
but is not otherwise sandboxed. Exits with the pipeline's exit code, or with that
of an uncaught RunnerError.`,
  usesCoordinator: true,
  examples: [
    ["exec pipeline.ts", "Run a pipeline"],
    [
      "exec pipeline.ts --allow net=example.com -- --verbose",
      "Run it with another permission and an argument",
    ],
  ],
  flags: [ALLOW_FLAG, partialJobFileFlag("pipeline_permissions")],
  maxOperands: Infinity,
  takesRest: true,
  async run(context) {
    const { runner } = context;
    const { host, logger, workspace, run } = runner;
    await using output = runner.isReadByWorker
      ? await openMaskedOutput(runner)
      : undefined;
    const socket = output?.socket ?? host.env[Variable.secretsSocket];
    // A path below the workspace could be too long for a socket.
    using temporary = temporaryDirectory({ env: host.env, workspace });
    const { argv, permissions, isPython, path } = await createPipelineCommand(
      context,
      "exec",
      { socket, temporary: temporary.path },
    );
    await logger.flush();
    const { triggers_file } = readOptions(host, ["triggers_file"]);
    await beginFiles(runner, triggers_file);
    await using _workspace = await createWorkspace(workspace.base);
    const pythonEnv = isPython
      ? await writePythonPackage(temporary.path, host.env)
      : {};
    const errorFile = `${temporary.path}/${ERROR_FILE}`;
    const [program, ...args] = argv;
    // Options of `deno run` must precede the pipeline.
    const command = isPython ? argv : [
      program,
      ...args.slice(0, args.indexOf(path)),
      preloadOption(host, errorFile),
      ...await pipelineImports(path, {
        directory: temporary.path,
        // Files above the trusted CI source are not trusted.
        roots: [
          ...host.env[Variable.ciSourceDir]?.startsWith("/")
            ? [host.env[Variable.ciSourceDir]]
            : [],
          workspace.pathOf("/job/ci"),
        ],
      }),
      ...args.slice(args.indexOf(path)),
    ];
    const launcher = createLauncher(host, temporary.path);
    const env = {
      ...createPipelineEnvironment({
        ...host.env,
        TMPDIR: temporary.path,
        // Runners that the pipeline starts belong to the same run and share its files.
        [Variable.runId]: run.id,
        ...socket ? { [Variable.secretsSocket]: socket } : {},
      }, permissions),
      ...pythonEnv,
      ...isPython ? {} : denoColors(host),
    };
    const { exitCode } = await runInherited(command, {
      cwd: host.cwd,
      env: launcher?.addTo(env) ?? env,
      onSignal: (listener) => host.onSignal(listener),
      hasTerminal: host.stdin?.isTerminal() ?? false,
      forwardOutput: output?.forwardOutput,
    });
    if (exitCode !== 0) await logUncaughtError(runner, errorFile);
    return exitCode;
  },
};

/**
 * Masks output that a worker reads, including secrets that the pipeline
 * registers, and ends it with a newline.
 */
async function openMaskedOutput(runner: RunnerContext): Promise<
  & AsyncDisposable
  & Required<Pick<RunInheritedOptions, "forwardOutput">>
  & { readonly socket: string | undefined }
> {
  const { masker } = runner;
  const { openJobRegistration } = await import(
    "../../runner/job_registration.ts"
  );
  const registration = openJobRegistration(runner);
  return {
    socket: registration?.path,
    async forwardOutput({ stdout, stderr }, stop) {
      await Promise.all([
        pump(stdout, runner.stdout, { startMask: () => masker.stream(), stop }),
        pump(stderr, runner.stderr, { startMask: () => masker.stream(), stop }),
      ]);
      await runner.endLines();
    },
    async [Symbol.asyncDispose]() {
      await registration?.[Symbol.asyncDispose]();
    },
  };
}

/** Creates the directory of the workspace; it is removed if it stays empty. */
async function createWorkspace(base: string): Promise<AsyncDisposable> {
  await createDirectory(base);
  return {
    async [Symbol.asyncDispose]() {
      await removeIfEmpty(base);
    },
  };
}

export const permissionsCommand: CliCommand = {
  usage: "PIPELINE [ARGUMENTS] [OPTIONS] [-- ARGUMENTS]",
  description:
    `Shows the permissions that "runnerlib exec" gives a pipeline, the reason for each
one, and the resulting command line. Runs nothing.`,
  examples: [
    ["permissions pipeline.ts", "Show the permissions of a pipeline"],
    [
      "permissions pipeline.ts --allow net=example.com",
      "Show the effect of another permission",
    ],
  ],
  flags: [
    ALLOW_FLAG,
    partialJobFileFlag("pipeline_permissions"),
    { name: "flags", help: "Print only the options of deno run" },
  ],
  maxOperands: Infinity,
  takesRest: true,
  async run(context) {
    const { print, isOn } = context;
    const { argv, permissions } = await createPipelineCommand(
      context,
      "permissions",
    );
    if (isOn("flags")) {
      const options = argv.filter((word) => /^--(allow-|no-prompt)/.test(word));
      await print(commandText(options));
      return 0;
    }
    for (const { kind, values, reason } of permissions) {
      await print(`${kind.padEnd(6)} ${values.join(" ")}  # ${reason}`);
    }
    await print(`\n${commandText(argv)}`);
    return 0;
  },
};

/** File extensions of pipelines. */
const LANGUAGES: readonly string[] = [
  ...[".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"],
  ".py",
];

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
async function createPipelineCommand(
  context: CommandContext,
  name: string,
  places: PipelinePlaces = {},
): Promise<PipelineCommand> {
  const { operands: [file, ...args], rest = [], flags, runner } = context;
  if (!file) throw usageError("A pipeline is required", name);
  const { settings } = await loadCommandConfig(context, { layer: {} });
  const { host, workspace } = runner;
  const allowed = flags.get(ALLOW_FLAG.name);
  const permissions = collectPermissions({ host, workspace, ...places }, [
    ...settings.lines("pipeline_permissions"),
    ...typeof allowed === "object" ? allowed : [],
  ]);
  const path = await resolveFile(
    absolutePath(file, runner.host.cwd),
    file,
  );
  checkLanguage(path, file);
  // Python is not sandboxed; permissions only determine its environment.
  const program = isPythonPipeline(path)
    ? [await findPython(file, runner.host.env)]
    : [
      await findDeno(runner.host.env),
      ...["run", "--quiet", "--no-prompt", ...createDenoFlags(permissions)],
    ];
  const argv = [...program, path, ...args, ...rest];
  return { argv, permissions, isPython: isPythonPipeline(path), path };
}

async function resolveFile(path: string, name: string): Promise<string> {
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
async function writePythonPackage(
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
function createPipelineEnvironment(
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

const PERMISSION_KINDS = [
  "read",
  "write",
  "run",
  "env",
  "net",
  "sys",
  "import",
] as const;

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
function collectPermissions(
  { host, workspace, socket, temporary }: PipelineSetting,
  grants: readonly string[],
): PipelinePermission[] {
  const coordinator = findCoordinatorHost(host.env[Variable.coordinatorUrl]);
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
    ...PERMISSION_KINDS.flatMap((kind) => {
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
function createDenoFlags(
  permissions: readonly PipelinePermission[],
): string[] {
  try {
    return PERMISSION_KINDS.flatMap((kind) => {
      const values = permissions.filter((permission) =>
        permission.kind === kind
      ).flatMap((permission) => permission.values);
      return permissionFlag(kind, values);
    });
  } catch (error) {
    throw permissionError(error);
  }
}

/** Ignores an invalid URL, which is reported where it is used. */
function findCoordinatorHost(url = ""): string | undefined {
  const host = URL.parse(url)?.host ?? "";
  try {
    return host === "*" ? undefined : parsePermission("net", host);
  } catch {
    return undefined;
  }
}

function permissionError(error: unknown): RunnerError {
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
    throw permissionError(error);
  }
}
