import { Variable } from "../environment/variables.ts";
import { RunnerError, thrownText } from "../errors.ts";
import type { Host } from "../host.ts";
import { expandPaths, readGrants } from "../plugins/rights/grants.ts";
import { parseRight } from "../plugins/rights/plugin_manifest.ts";
import type { PluginPermissions } from "../plugins/rights/rights.ts";
import { permissionFlag } from "../plugins/sandbox/deno_command.ts";
import type { Workspace } from "../workspace/layout.ts";

/** Variables that programs commonly need, or that change how a log looks. */
const COMMON_VARIABLES = [
  ...["PATH", "HOME", "USER", "SHELL", "LANG", "LC_*", "TERM", "TMPDIR", "TZ"],
  ...["CI", "NO_COLOR", "FORCE_COLOR", "LOG_FORMAT", "LOG_LEVEL"],
  ...[Variable.traceParent, Variable.traceState],
];

/** A permission of a pipeline. */
export interface PipelinePermission {
  /** Kind, as Deno names it. */
  readonly kind: "read" | "write" | "run" | "env" | "net" | "sys" | "import";
  /** Paths, programs, variables and so on; `*` for all. */
  readonly values: readonly string[];
  /** Why the pipeline has it. */
  readonly reason: string;
}

const KINDS = ["read", "write", "run", "env", "net", "sys", "import"] as const;

/** Settings that the permissions of a pipeline depend on. */
export interface PipelineSetting {
  /** The process. */
  readonly host: Host;
  /** Workspace of jobs. */
  readonly workspace: Workspace;
  /** Socket where the pipeline registers secrets. */
  readonly socket?: string;
}

/**
 * Returns the permissions of a pipeline: those that every pipeline needs, and
 * those that are granted.
 *
 * @param grants Lines `KIND=VALUE,VALUE` from flags and the job file.
 * @throws {RunnerError} `invalid-config` if a grant is invalid.
 */
export function pipelinePermissions(
  { host, workspace, socket }: PipelineSetting,
  grants: readonly string[],
): PipelinePermission[] {
  const coordinator = coordinatorHost(host.env[Variable.coordinatorUrl]);
  const granted = readPermissions(grants, workspace);
  return [
    { kind: "read", values: [workspace.base], reason: "the workspace" },
    { kind: "write", values: [workspace.base], reason: "the workspace" },
    {
      kind: "run",
      values: ["git", "/bin/sh", "sh"],
      reason: "git and the shell, which are not restricted",
    },
    {
      kind: "env",
      values: ["REACTORCIDE_*", "RC_*"],
      reason: "the configuration of jobs",
    },
    {
      kind: "env",
      values: COMMON_VARIABLES,
      reason: "locations of programs and files",
    },
    ...coordinator === undefined ? [] : [
      {
        kind: "net",
        values: [coordinator],
        reason: "the coordinator",
      } as const,
    ],
    ...socket
      ? ([["read", socket], ["write", socket], [
        "net",
        `unix:${socket}`,
      ]] as const)
        .map(([kind, value]) => ({
          kind,
          values: [value],
          reason: "secrets that it registers",
        }))
      : [],
    ...KINDS.flatMap((kind) => {
      const values = granted[kind] ?? [];
      return values.length === 0 ? [] : [{ kind, values, reason: "granted" }];
    }),
  ];
}

/**
 * Converts permissions to options of Deno.
 *
 * @throws {RunnerError} `invalid-config` if Deno would split a value into
 * several.
 */
export function denoFlags(
  permissions: readonly PipelinePermission[],
): string[] {
  try {
    return KINDS.flatMap((kind) => {
      const values = permissions.filter((permission) =>
        permission.kind === kind
      ).flatMap((permission) => permission.values);
      return permissionFlag(kind, values);
    });
  } catch (error) {
    throw unusable(error);
  }
}

/** Ignores an invalid URL, which is reported where it is used. */
function coordinatorHost(url = ""): string | undefined {
  const host = URL.parse(url)?.host ?? "";
  try {
    return host === "*" ? undefined : parseRight("net", host);
  } catch {
    return undefined;
  }
}

function unusable(error: unknown): RunnerError {
  return new RunnerError(`Cannot use a permission: ${thrownText(error)}`, {
    code: "invalid-config",
    cause: error,
  });
}

/** Parses grants, which have the form of those of plugins without a name. */
function readPermissions(
  grants: readonly string[],
  workspace: Workspace,
): PluginPermissions {
  const lines = grants.map((grant) => `pipeline:${grant}`);
  const { read = [], ...rest } = readGrants(lines)("pipeline");
  const directories = { JOB_DIR: workspace.base };
  // Pipelines do not get the default permissions of plugins.
  const own = read.filter((path) =>
    path !== "$JOB_DIR" && path !== "$PLUGIN_DIR"
  );
  try {
    return expandPaths({ read: own, ...rest }, directories);
  } catch (error) {
    throw unusable(error);
  }
}
