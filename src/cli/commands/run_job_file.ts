import type { Command } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { usageError } from "../parse_arguments.ts";
import { WORK_DIR_FLAG } from "../work_dir.ts";
import { ENGINE_FLAG, engineOf, runWith } from "./run.ts";

/** Image of a job file that names none. */
const DEFAULT_IMAGE = "alpine:latest";

/** The command `run-job`. */
export const runJobFile: Command = {
  usage: "FILE [OPTIONS]",
  description: `Runs the job of a job file in a nested container, like
run --job-file FILE --container. The default image is ${DEFAULT_IMAGE}.`,
  flags: [
    ...configFlags(["runner_image", "secrets_file"]),
    { name: "dry-run", help: "Validate and print the plan without running it" },
    ENGINE_FLAG,
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  async run(context) {
    const { operands: [jobFile = ""], flags } = context;
    if (jobFile === "") throw usageError("A job file is required", "run-job");
    return await runWith(context, {
      layer: flagsLayer(context),
      jobFile,
      container: { ...engineOf(flags), defaultImage: DEFAULT_IMAGE },
    });
  },
};
