import { commandText } from "../../command_text.ts";
import { readOptions } from "../../config/load_config.ts";
import { Variable } from "../../environment/variables.ts";
import { PERMISSION_TEXT } from "../../errors.ts";
import { createDirectory } from "../../fs/files.ts";
import { temporaryDirectory } from "../../fs/temporary_directory.ts";
import { pump } from "../../output/pump.ts";
import {
  runInherited,
  type RunInheritedOptions,
} from "../../process/run_inherited.ts";
import { createLauncher } from "../../runner/job_launcher.ts";
import { beginFiles } from "../../runner/job_workspace.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { removeIfEmpty } from "../../workspace/remove.ts";
import type { CliCommand } from "../command.ts";
import { partialJobFileFlag } from "../job_location.ts";
import {
  ALLOW_FLAG,
  pipelineCommand,
  pipelineEnvironment,
  writePythonPackage,
} from "../pipeline.ts";
import { pipelineImports } from "../pipeline_imports.ts";

export const execCommand: CliCommand = {
  usage: "PIPELINE [ARGUMENTS] [OPTIONS] [-- ARGUMENTS]",
  description:
    `Runs a TypeScript pipeline with only the permissions that pipelines need: to read
and write the workspace, run git and the shell, read REACTORCIDE_* and RC_*
variables, and connect to the coordinator. "runnerlib permissions" lists them. A
Python pipeline (PIPELINE.py) gets the same variables and can import runnerlib,
but is not otherwise sandboxed. Exits with the pipeline's exit code.`,
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
      ? await maskedOutput(runner)
      : undefined;
    const socket = output?.socket ?? host.env[Variable.secretsSocket];
    // A path below the workspace could be too long for a socket.
    using temporary = temporaryDirectory({ env: host.env, workspace });
    const { argv, permissions, isPython, path } = await pipelineCommand(
      context,
      "exec",
      { socket, temporary: temporary.path },
    );
    await logger.flush();
    const { triggers_file } = readOptions(host, ["triggers_file"]);
    await beginFiles(runner, triggers_file);
    await using _workspace = await createWorkspace(workspace.base);
    const ofPython = isPython
      ? await writePythonPackage(temporary.path, host.env)
      : {};
    const [program, ...args] = argv;
    // Options of `deno run` must precede the pipeline.
    const command = isPython ? argv : [
      program,
      ...args.slice(0, args.indexOf(path)),
      permissionTextOption(host.cwd),
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
    const ofPipeline = {
      ...pipelineEnvironment({
        ...host.env,
        TMPDIR: temporary.path,
        // Runners that the pipeline starts belong to the same run and share its files.
        [Variable.runId]: run.id,
        ...socket ? { [Variable.secretsSocket]: socket } : {},
      }, permissions),
      ...ofPython,
    };
    const { exitCode } = await runInherited(command, {
      cwd: host.cwd,
      env: launcher?.addTo(ofPipeline) ?? ofPipeline,
      onSignal: (listener) => host.onSignal(listener),
      hasTerminal: host.stdin?.isTerminal() ?? false,
      passOn: output?.passOn,
    });
    return exitCode;
  },
};

/**
 * Masks output that a worker reads, including secrets that the pipeline
 * registers, and ends it with a newline.
 */
async function maskedOutput(runner: RunnerContext): Promise<
  & AsyncDisposable
  & Required<Pick<RunInheritedOptions, "passOn">>
  & { readonly socket: string | undefined }
> {
  const { masker } = runner;
  const { openJobRegistration } = await import(
    "../../runner/job_registration.ts"
  );
  const registration = openJobRegistration(runner);
  return {
    socket: registration?.path,
    async passOn({ stdout, stderr }, stop) {
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

/**
 * Rewords Deno's message about a denied permission, so that it suggests the
 * option of `runnerlib exec`. The function is serialized to run in the process
 * of a pipeline, so it must not use anything from outside.
 */
function permissionText(text: string, cwd: string): string {
  return text.replace(
    /access to "([\s\S]*)", run again with the --allow-(\w+) flag/,
    (_, value, kind) => {
      const isPath = kind === "read" || kind === "write";
      const path = isPath && !value.startsWith("/") ? `${cwd}/${value}` : value;
      const grant = `${kind}=${path}`;
      const word = /^[\w@%+=:,./*-]+$/.test(grant)
        ? grant
        : `'${grant.replaceAll("'", "'\\''")}'`;
      return `access to "${value}", run again with --allow ${word}`;
    },
  ).replace(
    /run again with the --allow-(\w+) flag/,
    (_, kind) => `run again with --allow ${kind}=*`,
  );
}

/**
 * Returns the option of `deno run` that applies {@linkcode permissionText} in a
 * pipeline, to uncaught errors and to errors in its log.
 */
function permissionTextOption(cwd: string): string {
  const script = `
const reword = ${permissionText.toString()};
const cwd = ${JSON.stringify(cwd)};
globalThis[Symbol.for(${JSON.stringify(PERMISSION_TEXT.description)})] =
  (text) => reword(text, cwd);
const improve = (error) => {
  for (let depth = 0; error instanceof Error && depth < 20; depth++) {
    if (error instanceof Deno.errors.NotCapable) {
      error.message = reword(error.message, cwd);
    }
    error = error.cause;
  }
};
addEventListener("error", (event) => improve(event.error));
addEventListener("unhandledrejection", (event) => improve(event.reason));
`;
  return `--preload=data:text/javascript,${encodeURIComponent(script)}`;
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
    const { argv, permissions } = await pipelineCommand(context, "permissions");
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
