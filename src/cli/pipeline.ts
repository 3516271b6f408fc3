import { RunnerError } from "../errors.ts";
import { JobRun } from "../job/job_run.ts";
import { resolveSettings } from "../job/resolve_settings.ts";
import { linesOf } from "../job/sandbox_setting.ts";
import { osReason } from "../os_reason.ts";
import { findDeno } from "../plugins/sandbox/find_deno.ts";
import { Cancellation } from "../process/cancellation.ts";
import type { CommandContext, Flag } from "./command.ts";
import { jobFileOf } from "./job_file_flag.ts";
import { usageError } from "./parse_arguments.ts";
import { findPython, isPythonPipeline } from "./python_pipeline.ts";
import {
  denoFlags,
  type PipelinePermission,
  pipelinePermissions,
} from "./pipeline_permissions.ts";

/** Option that grants a permission. */
export const ALLOW_FLAG: Flag = {
  name: "allow",
  valueName: "KIND=VALUES",
  isRepeatable: true,
  help: "Permission of the pipeline besides the usual ones: net=example.com",
};

/** How a pipeline is run. */
export interface PipelineCommand {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** What the pipeline may do, and why. */
  readonly permissions: readonly PipelinePermission[];
  /** Whether Python runs it, and not Deno. */
  readonly isPython: boolean;
}

/**
 * Puts together how a pipeline is run.
 *
 * @param context What the command got to work with.
 * @param name Name of the command.
 * @returns Command line and permissions.
 * @throws {RunnerError} If there is no such file, or a permission is wrong.
 */
export async function pipelineCommand(
  context: CommandContext,
  name: string,
): Promise<PipelineCommand> {
  const { operands: [file, ...args], rest = [], flags, parts } = context;
  if (!file) throw usageError("A pipeline is required", name);
  const run = new JobRun(parts, new Cancellation());
  await resolveSettings(run, {}, jobFileOf(context));
  const allowed = flags.get(ALLOW_FLAG.name);
  const permissions = pipelinePermissions(parts, [
    ...linesOf(run, "pipeline_permissions"),
    ...typeof allowed === "object" ? allowed : [],
  ]);
  const path = await realFile(
    file.startsWith("/") ? file : `${parts.host.cwd}/${file}`,
    file,
  );
  // Nothing confines Python: the permissions say what it sees.
  const program = isPythonPipeline(path)
    ? [await findPython(file, parts.host.env)]
    : [
      await findDeno(parts.host.env),
      ...["run", "--no-prompt", ...denoFlags(permissions)],
    ];
  const argv = [...program, path, ...args, ...rest];
  return { argv, permissions, isPython: isPythonPipeline(path) };
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
