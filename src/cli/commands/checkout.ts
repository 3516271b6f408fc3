import {
  checkJobCredentials,
  prepareJobSource,
  removeJobCredentials,
} from "../../runner/prepare_sources.ts";
import { lockWorkspace } from "../../workspace/lock.ts";
import { cancelOnSignal } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { checkCommandConfig, loadCommandConfig } from "../command_config.ts";
import { checkedFlags, configFlags, flagsLayer } from "../config_flags.ts";
import { runnerInWorkDir, WORK_DIR_FLAG } from "../job_location.ts";
import { readChoice, usageError } from "../parse_arguments.ts";

/** Source types that can be checked out. */
const TYPES: readonly string[] = ["git", "tarball", "hg", "svn"];

export const checkoutCommand: CliCommand = {
  usage: "URL [OPTIONS]",
  description:
    "Checks out a repository, or unpacks an archive, into the code directory and\nreplaces what an earlier run put there.",
  examples: [
    ["checkout https://example.com/repo.git --ref v1", "Check out a tag"],
    [
      "checkout source.tar.gz --source-type tarball --archive-strip-top",
      "Unpack an archive",
    ],
  ],
  flags: [
    {
      name: "source-type",
      valueName: "TYPE",
      choices: TYPES,
      help: `Type of the source: ${TYPES.join(", ")} (git)`,
      group: "Source",
    },
    {
      name: "ref",
      short: "r",
      valueName: "REF",
      help: "Branch, tag or commit; for an archive, its checksum as sha256:HEX",
      group: "Source",
    },
    ...configFlags([
      ...["code_dir", "fetch_depth"] as const,
      ...["git_filter", "sparse_paths", "submodules", "git_lfs"] as const,
      ...["git_mirror", "archive_strip_top", "archive_max_entries"] as const,
      ...["archive_max_bytes", "archive_max_ratio"] as const,
      ...["archive_timeout", "wait"] as const,
    ]),
    ...checkedFlags(),
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run(context) {
    const type = readChoice(context, "source-type", TYPES, "checkout") ?? "git";
    return prepareCommandSource(context, "checkout", type);
  },
};

/**
 * Prepares the source of a command, without a job.
 *
 * @throws {RunnerError} If the source cannot be prepared.
 */
async function prepareCommandSource(
  context: CommandContext,
  name: string,
  type: string,
): Promise<number> {
  const [url] = context.operands;
  if (!url) throw usageError("A source is required", name);
  const runner = runnerInWorkDir(context);
  const ref = context.flags.get("ref");
  const origin = "the command line";
  const path = await cancelOnSignal(runner.host, async (cancellation) => {
    try {
      const loaded = await loadCommandConfig(context, {
        runner,
        layer: {
          ...flagsLayer(context),
          source_type: { value: type, origin },
          source_url: { value: url, origin },
          source_ref: { value: typeof ref === "string" ? ref : "", origin },
          ci_source_type: { value: "none", origin },
        },
        needsCommand: false,
      });
      const { config } = checkCommandConfig(loaded);
      await using _lock = await lockWorkspace(runner.workspace, {
        command: name,
        env: runner.host.env,
        sourceDirs: [config.sourceDir],
        wait: config.wait,
        signal: cancellation.graceful,
        onWait: (reason) => runner.logger.info("workspace", reason),
      });
      await checkJobCredentials({ runner }, config);
      return await prepareJobSource(
        { runner, cancellation },
        config,
        config.source,
        {
          replace: true,
        },
      );
    } finally {
      // Remove credentials even if preparation did not start.
      await removeJobCredentials({ runner });
    }
  });
  if (path !== undefined) await context.print(path);
  await runner.logger.flush();
  return 0;
}

export const copyCommand: CliCommand = {
  usage: "DIRECTORY [OPTIONS]",
  description:
    "Copies a directory into the code directory and replaces what an earlier run put\nthere.",
  examples: [
    ["copy .", "Copy the current directory"],
    ["copy ../project --copy-ignore node_modules", "Leave out some files"],
  ],
  flags: [
    ...configFlags([
      "code_dir",
      "copy_ignore",
      "wait",
    ]),
    ...checkedFlags(),
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run: (context) => prepareCommandSource(context, "copy", "copy"),
};
