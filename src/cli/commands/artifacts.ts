import type { CliCommand, CommandContext } from "../command.ts";
import { findAction } from "../find_action.ts";

type ArtifactsAction = (
  context: CommandContext,
  name: string | undefined,
) => Promise<void>;

const ACTIONS: Readonly<Record<string, ArtifactsAction>> = {
  async list(context, name) {
    const actions = await import("../artifact_actions.ts");
    await (name === undefined
      ? actions.showArtifacts(context)
      : actions.showFiles(context, name));
  },
  async get(context, name) {
    const actions = await import("../artifact_actions.ts");
    await actions.getArtifacts(context, name);
  },
};

export const artifactsCommand: CliCommand = {
  usage: "list [NAME] | get [NAME] [OPTIONS]",
  description:
    `Lists the artifacts of the last run of a workflow in the current directory, or gets
their files.

Actions:
  list         Print the artifacts
  list NAME    Print the files of an artifact: permissions, size, SHA-256, path
  get NAME     Write the files of an artifact to --output, by default ./NAME
  get          Write the files of all artifacts to NAME in --output, by default
               the current directory

Existing files are replaced. Nothing is written through a link.`,
  examples: [
    ["artifacts list", "Print the artifacts of the last run"],
    ["artifacts get app --output dist", "Write the files of app to dist"],
  ],
  flags: [
    {
      name: "job",
      valueName: "JOB",
      names: "job",
      help: "Only artifacts of a job, or of one item of its for_each: JOB[0]",
    },
    {
      name: "run",
      valueName: "ID",
      help: "Artifacts of another run, which --all lists",
    },
    {
      name: "all",
      help: "List the artifacts of all runs in the store",
    },
    {
      name: "output",
      short: "o",
      valueName: "DIR",
      help: "Directory for the files",
    },
    { name: "json", help: "Print JSON" },
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  run: runArtifactsAction,
};

async function runArtifactsAction(context: CommandContext): Promise<number> {
  const { operands: [action, name], runner: { logger } } = context;
  const run = findAction(ACTIONS, action, { command: "artifacts" });
  await run(context, name);
  await logger.flush();
  return 0;
}
