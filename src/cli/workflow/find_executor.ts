import type { WorkflowExecutor } from "../../workflow/workflow_executor.ts";
import type { CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

/** Sources of the code of jobs. */
const SOURCES = ["copy", "in-place", "none"] as const;

/** Creates an executor from the options of the command. */
type CreateExecutor = (context: CommandContext) => Promise<WorkflowExecutor>;

/** Executors by the value of `--executor`; each loads its modules on demand. */
const EXECUTORS: Readonly<Record<string, CreateExecutor>> = {
  process: (context) => local(context),
  docker: (context) => local(context, "docker"),
  podman: (context) => local(context, "podman"),
};

/**
 * Creates the executor that the options of a command select.
 *
 * @throws {RunnerError} `usage` if an option is invalid.
 */
export async function findExecutor(
  context: CommandContext,
): Promise<WorkflowExecutor> {
  const { flags } = context;
  const name = String(flags.get("executor") ?? "process");
  if (Object.hasOwn(EXECUTORS, name)) return await EXECUTORS[name](context);
  const names = Object.keys(EXECUTORS);
  throw usageError(
    `Option --executor must be ${names.slice(0, -1).join(", ")} or ${
      names.at(-1)
    }`,
    "workflow",
  );
}

/**
 * Runs the jobs on this machine.
 *
 * @param program Container engine; by default, jobs run without containers.
 */
async function local(
  { flags }: CommandContext,
  program?: string,
): Promise<WorkflowExecutor> {
  const { processExecutor } = await import(
    "../../workflow/local/process_executor.ts"
  );
  const network = flags.get("network");
  return processExecutor({
    source: sourceOf(flags.get("source")),
    container: program === undefined
      ? undefined
      : { program, ...typeof network === "string" ? { network } : {} },
  });
}

function sourceOf(given: unknown = "copy"): (typeof SOURCES)[number] {
  const source = SOURCES.find((known) => known === given);
  if (source !== undefined) return source;
  throw usageError(
    `Option --source must be ${SOURCES.join(" or ")}`,
    "workflow",
  );
}
