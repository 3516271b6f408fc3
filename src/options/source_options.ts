import type { Option } from "./option.ts";

/** Built-in source types. */
export const SOURCE_TYPES = [
  "none",
  "git",
  "copy",
  "tarball",
  "hg",
  "svn",
] as const;

/**
 * Type of a source: a git, Mercurial or Subversion repository, a directory, an
 * archive, or a registered type.
 */
export type SourceType =
  | "none"
  | "git"
  | "copy"
  | "tarball"
  | "hg"
  | "svn"
  // Without the intersection, editors would not complete the built-in types.
  | (string & Record<never, never>);

/**
 * Pattern of a source type, built in or registered. A worker may set an empty
 * one.
 */
export const SOURCE_TYPE = /^([a-z][a-z0-9_-]{0,62})?$/;

/** Options of sources and their preparation. */
export const SOURCE_OPTIONS = [
  {
    name: "source_type",
    option: "source.type",
    flag: "source-type",
    valueName: "TYPE",
    env: { name: "REACTORCIDE_SOURCE_TYPE", setBy: "worker" },
    keys: ["source.type"],
    type: "sourceType",
    default: "none",
    doc: "Type of the source",
    details: "Can also be a type that was registered with `registerSource()`.",
  },
  {
    name: "source_url",
    option: "source.url",
    flag: "source-url",
    valueName: "URL",
    env: { name: "REACTORCIDE_SOURCE_URL", setBy: "worker", isUrl: true },
    keys: ["source.url"],
    type: "text",
    doc: "Repository, archive or directory of the source",
  },
  {
    name: "source_ref",
    option: "source.ref",
    flag: "source-ref",
    valueName: "REF",
    env: { name: "REACTORCIDE_SOURCE_REF", setBy: "worker" },
    keys: ["source.ref"],
    type: "text",
    defaultText: "the default branch",
    doc: "Branch, tag or commit; for an archive, its checksum as sha256:HEX",
  },
  {
    name: "ci_source_type",
    option: "ciSource.type",
    flag: "ci-source-type",
    valueName: "TYPE",
    env: { name: "REACTORCIDE_CI_SOURCE_TYPE", setBy: "worker" },
    keys: ["ci_source.type"],
    type: "sourceType",
    default: "none",
    doc: "Type of the trusted CI source",
    details: "Can also be a type that was registered with `registerSource()`.",
  },
  {
    name: "ci_source_url",
    option: "ciSource.url",
    flag: "ci-source-url",
    valueName: "URL",
    env: { name: "REACTORCIDE_CI_SOURCE_URL", setBy: "worker", isUrl: true },
    keys: ["ci_source.url"],
    type: "text",
    doc: "Repository, archive or directory of the trusted CI source",
  },
  {
    name: "ci_source_ref",
    option: "ciSource.ref",
    flag: "ci-source-ref",
    valueName: "REF",
    env: { name: "REACTORCIDE_CI_SOURCE_REF", setBy: "worker" },
    keys: ["ci_source.ref"],
    type: "text",
    defaultText: "the default branch",
    doc:
      "Branch, tag or commit of the trusted CI source; for an archive, sha256:HEX",
  },
  {
    name: "copy_ignore",
    option: "copy.ignore",
    flag: "copy-ignore",
    valueName: "PATTERN,...",
    env: { name: "REACTORCIDE_COPY_IGNORE", setBy: "user", isSetting: true },
    type: "list",
    doc: "Files to leave out of a copied source, as .gitignore patterns",
  },
  {
    name: "archive_strip_top",
    option: "archive.stripTop",
    flag: "archive-strip-top",
    env: {
      name: "REACTORCIDE_ARCHIVE_STRIP_TOP",
      setBy: "user",
      isSetting: true,
    },
    type: "boolean",
    doc: "Unpack an archive without its top-level directory",
  },
  {
    name: "archive_max_entries",
    option: "archive.maxEntries",
    flag: "archive-max-entries",
    env: {
      name: "REACTORCIDE_ARCHIVE_MAX_ENTRIES",
      setBy: "user",
      isSetting: true,
    },
    type: { minimum: 1, maximum: 100_000_000 },
    default: "1000000",
    doc: "Maximum number of files, directories and links in an archive",
  },
  {
    name: "archive_max_bytes",
    option: "archive.maxBytes",
    flag: "archive-max-bytes",
    env: {
      name: "REACTORCIDE_ARCHIVE_MAX_BYTES",
      setBy: "user",
      isSetting: true,
    },
    type: { minimum: 1, maximum: 1_000_000_000_000_000 },
    default: "17179869184",
    doc: "Maximum size of an unpacked archive, in bytes",
  },
  {
    name: "archive_max_ratio",
    option: "archive.maxRatio",
    flag: "archive-max-ratio",
    env: {
      name: "REACTORCIDE_ARCHIVE_MAX_RATIO",
      setBy: "user",
      isSetting: true,
    },
    type: { minimum: 1, maximum: 1_000_000 },
    default: "200",
    doc: "Maximum compression ratio of an archive",
  },
  {
    name: "archive_timeout",
    option: "archive.timeoutMs",
    flag: "archive-timeout",
    env: {
      name: "REACTORCIDE_ARCHIVE_TIMEOUT",
      setBy: "user",
      isSetting: true,
    },
    type: "timeLimit",
    default: "1h",
    doc: "Time limit for the download of an archive",
  },
  {
    name: "checkout_mode",
    option: "checkout.mode",
    env: {
      name: "REACTORCIDE_CHECKOUT_MODE",
      setBy: "worker",
      isSetting: true,
    },
    keys: ["checkout.mode"],
    type: { choices: ["isolated", "shared"] },
    default: "isolated",
    doc: "Whether both sources share one repository",
  },
  {
    name: "fetch_depth",
    option: "checkout.fetchDepth",
    flag: "fetch-depth",
    env: { name: "REACTORCIDE_FETCH_DEPTH", setBy: "user", isSetting: true },
    keys: ["checkout.fetch_depth"],
    type: { minimum: 0, maximum: 999_999_999 },
    default: "1",
    doc:
      "Number of commits that git fetches; 0 for the whole history of every branch",
  },
  {
    name: "git_filter",
    option: "checkout.filter",
    flag: "git-filter",
    valueName: "FILTER",
    env: { name: "REACTORCIDE_GIT_FILTER", setBy: "user", isSetting: true },
    keys: ["checkout.filter"],
    type: "text",
    doc: "Objects that git fetches only when needed, such as blob:none",
    details:
      "A filter of a partial clone: `blob:none`, `blob:limit=SIZE` or `tree:DEPTH`.",
  },
  {
    name: "sparse_paths",
    option: "checkout.sparsePaths",
    flag: "sparse-paths",
    valueName: "DIR,...",
    env: { name: "REACTORCIDE_SPARSE_PATHS", setBy: "user", isSetting: true },
    keys: ["checkout.sparse_paths"],
    type: "list",
    defaultText: "all",
    doc: "Directories of the source to check out",
    details: "Files in their parent directories are also checked out.",
  },
  {
    name: "submodules",
    option: "checkout.submodules",
    flag: "submodules",
    env: { name: "REACTORCIDE_SUBMODULES", setBy: "user", isSetting: true },
    keys: ["checkout.submodules"],
    type: { choices: ["off", "on", "recursive"] },
    default: "off",
    doc: "Whether to check out git submodules",
  },
  {
    name: "git_lfs",
    option: "checkout.lfs",
    flag: "git-lfs",
    env: { name: "REACTORCIDE_GIT_LFS", setBy: "user", isSetting: true },
    keys: ["checkout.lfs"],
    type: { choices: ["auto", "off"] },
    default: "auto",
    doc: "Whether to fetch files in Git LFS",
    details: "With `auto`, a repository with such files needs `git-lfs`.",
  },
  {
    name: "git_mirror",
    option: "checkout.mirror",
    flag: "git-mirror",
    valueName: "PATH",
    env: { name: "REACTORCIDE_GIT_MIRROR", setBy: "user", isSetting: true },
    type: "text",
    doc: "Directory of git mirrors shared between runs",
    details: "Checkouts do not depend on it.",
  },
] as const satisfies readonly Option[];
