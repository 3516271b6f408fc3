import { commandText } from "../../command_text.ts";
import type { CliCommand } from "../command.ts";
import { partialJobFileFlag } from "../job_location.ts";
import { ALLOW_FLAG, pipelineCommand } from "../pipeline.ts";

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
