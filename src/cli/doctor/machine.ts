import { childEnvironment } from "../../environment/child_environment.ts";
import { osReason } from "../../errors.ts";
import type { Host } from "../../host.ts";
import { findDeno, findOnPath } from "../../plugins/sandbox/find_deno.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture } from "../../process/capture.ts";
import { findContainment } from "../../process/containment.ts";
import { findInheritedFiles } from "../../process/inherited_files.ts";
import { confinedCommand } from "../../process/sandbox/confined_command.ts";
import { findSandbox } from "../../process/sandbox/find_sandbox.ts";
import { wrapText } from "../../terminal/width.ts";
import type { Workspace } from "../../workspace/layout.ts";

/** Result of a check. */
export interface Finding {
  /**
   * State: `ok`, `missing` if the job does not need it, or `needed` if it is
   * missing but a job with this configuration needs it.
   */
  readonly state: "ok" | "missing" | "needed";
  /** Checked item. */
  readonly name: string;
  /** Details, such as a version. */
  readonly detail: string;
  /** Purpose of the item. */
  readonly purpose: string;
}

/**
 * Formats findings as lines.
 *
 * @param columns Width of a line; unlimited if `undefined`.
 */
export function findingLines(
  findings: readonly Finding[],
  columns: number = Infinity,
): string[] {
  const widths = (["state", "name", "detail"] as const).map((key) =>
    [key, Math.max(...findings.map((finding) => finding[key].length))] as const
  );
  return findings.flatMap((finding) => {
    const cells = widths.map(([key, width]) => finding[key].padEnd(width));
    const start = `  ${cells.join("  ")}  `;
    if (start.length > columns / 2) {
      const below = wrapText(finding.purpose, { columns, indent: 6 });
      return [start.trimEnd(), ...below];
    }
    const lines = wrapText(finding.purpose, { columns, indent: start.length });
    return [`${start}${lines[0].trimStart()}`.trimEnd(), ...lines.slice(1)];
  });
}

/** Checks whether jobs can write to their workspace. */
export async function findWorkspace(
  { base, inContainer }: Workspace,
): Promise<Finding> {
  const common = { name: inContainer ? "container" : "laptop", detail: base };
  try {
    const directory = await nearestDirectory(base);
    const file = await Deno.makeTempFile({ dir: directory, prefix: ".try-" });
    await Deno.remove(file);
    const exists = directory === base;
    const purpose = exists ? "is writable" : "will be created";
    return { state: "ok", ...common, purpose };
  } catch (error) {
    const purpose = `cannot be written to: ${osReason(error)}`;
    return { state: "needed", ...common, purpose };
  }
}

/** Returns the nearest existing directory, in which a workspace is created. */
async function nearestDirectory(path: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    const isTop = path === "/" || path === "";
    if (isTop || !(error instanceof Deno.errors.NotFound)) throw error;
    return await nearestDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
  }
}

/**
 * Checks whether processes of an untrusted step can outlive it here.
 *
 * @param isInContainer Whether the runner runs in a container for a single job.
 */
export async function findUntrustedContainment(
  isInContainer: boolean,
): Promise<Finding> {
  const { namespace, problem } = await findContainment(isInContainer);
  return {
    state: problem === undefined ? "ok" : "missing",
    name: "untrusted steps",
    detail: namespace
      ? `PID${namespace.hasMounts ? " and mount" : ""} namespace`
      : "tags",
    purpose: problem === undefined
      ? "their processes end with them"
      : `their processes may outlive them: ${problem}`,
  };
}

/** Checks whether programs can read files that the runner inherited. */
export async function findOpenFiles(): Promise<Finding> {
  const problem = await findInheritedFiles();
  return {
    state: problem === undefined ? "ok" : "missing",
    name: "open files",
    detail: "",
    purpose: problem === undefined
      ? "programs do not inherit them from the runner"
      : `programs inherit them from the runner: ${problem}`,
  };
}

/** Checks whether the kernel can sandbox steps. */
export async function findSandboxOfSteps(
  isInContainer: boolean,
): Promise<Finding> {
  const { sandbox, problem = sandbox?.weakness } = await findSandbox(
    isInContainer,
  );
  return {
    state: sandbox ? "ok" : "missing",
    name: "sandbox",
    detail: sandbox ? `Landlock ${sandbox.landlockVersion}` : "",
    purpose: "permissions of steps, and untrusted steps" +
      (problem === undefined ? "" : `: ${problem}`),
  };
}

/** Checks whether the kernel confines the processes of plugins. */
export async function findConfinement(host: Host): Promise<Finding> {
  const isSupported = Deno.build.os === "linux" && await isConfined(host);
  return {
    state: isSupported ? "ok" : "missing",
    name: "landlock",
    detail: "",
    purpose: "plugins, against links that are swapped while they run",
  };
}

async function isConfined(host: Host): Promise<boolean> {
  try {
    const command = confinedCommand(
      ["/bin/sh", "-c", ":"],
      { read: ["/"], write: ["/"], env: {} },
      {
        deno: await findDeno(host.env),
        perl: await findOnPath("perl", host.env),
      },
    );
    const { exitCode, stdout } = await capture(command, {
      cwd: host.cwd,
      env: childEnvironment(host.env, { kind: "tool" }),
      cancellation: new Cancellation(),
    });
    return exitCode === 0 && stdout === "";
  } catch {
    // Without Perl or Deno, plugins cannot be confined.
    return false;
  }
}

/**
 * Permissions that the runner uses, and their purposes. It drops all others at
 * startup.
 */
const KINDS = {
  read: "job files, sources, plugins",
  write: "the workspace",
  run: "commands of jobs",
  env: "configuration",
  net: "the coordinator, downloads, plugins, the socket for secrets",
} as const;

/**
 * Checks the permissions of this process.
 *
 * @param directory Directory that jobs write to.
 * @returns Findings; permissions that every job requires are marked as needed.
 */
export function findPermissions(directory: string): Finding[] {
  const needs: readonly Deno.PermissionDescriptor[] = [
    { name: "read", path: directory },
    { name: "write", path: directory },
    { name: "run", command: "/bin/sh" },
  ];
  return Object.entries(KINDS).map(([kind, purpose]) => {
    const isAll = isGranted({ name: kind } as Deno.PermissionDescriptor);
    const permission = needs.find(({ name }) => name === kind);
    const isEnough = isAll ||
      (permission !== undefined && isGranted(permission));
    return {
      state: isEnough ? "ok" : permission === undefined ? "missing" : "needed",
      name: kind,
      detail: isAll ? "all" : isEnough ? "what a job needs" : "not all",
      purpose,
    };
  });
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  return state === "granted" && !partial;
}
