import { jobFileSchema } from "../../config/job_file/schema.ts";
import type { Command } from "../command.ts";

/** The command `schema`. */
export const schema: Command = {
  usage: "[OPTIONS]",
  description:
    "Prints the JSON Schema of job files, with which an editor completes and judges\nthem.",
  flags: [],
  maxOperands: 0,
  async run(context) {
    await context.print(JSON.stringify(jobFileSchema(), null, 2));
    return 0;
  },
};
