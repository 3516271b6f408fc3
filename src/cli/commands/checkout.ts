import type { CliCommand } from "../command.ts";
import { CHECKED_FLAGS, configFlags } from "../config_flags.ts";
import { usageError } from "../parse_arguments.ts";
import { prepareCommandSource } from "../command_source.ts";
import { WORK_DIR_FLAG } from "../job_location.ts";

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
    ...CHECKED_FLAGS,
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run(context) {
    const type = context.flags.get("source-type") ?? "git";
    if (typeof type !== "string" || !TYPES.includes(type)) {
      throw usageError(
        `--source-type must be one of ${TYPES.join(", ")}, not "${type}"`,
        "checkout",
      );
    }
    return prepareCommandSource(context, "checkout", type);
  },
};
