import type { CliCommand } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { openJobFile, WORK_DIR_FLAG } from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";
import {
  DRY_RUN_FLAG,
  ENGINE_FLAG,
  readContainerEngine,
  runWith,
} from "./run.ts";

/** Image if the job file does not set one. */
const DEFAULT_IMAGE = "alpine:latest";

export const runJobFileCommand: CliCommand = {
  usage: "FILE [OPTIONS]",
  description: `Runs the job of a job file in a nested container, like
run --job-file FILE --container. The default image is ${DEFAULT_IMAGE}.`,
  examples: [
    ["run-job job.yaml", "Run the job in a container"],
    [
      "run-job job.yaml --runner-image node:22",
      "Run it in a container of another image",
    ],
  ],
  flags: [
    ...configFlags(["runner_image", "secrets_file"]),
    DRY_RUN_FLAG,
    ENGINE_FLAG,
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  async run(context) {
    const { operands: [file = ""], flags } = context;
    if (file === "") throw usageError("A job file is required", "run-job");
    return await runWith(context, {
      layer: flagsLayer(context),
      jobFile: await openJobFile(context, file),
      container: { ...readContainerEngine(flags), defaultImage: DEFAULT_IMAGE },
    });
  },
};
