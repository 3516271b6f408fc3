import type { StepPermissions } from "../config/step_config.ts";
import type { Environment } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { dropNested, isInside } from "../job_path.ts";
import type { SandboxLimits } from "../process/sandbox/find_sandbox.ts";
import type { Link } from "../process/sandbox/mount_words.ts";
import { guardPath, realPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import type { Step } from "./step.ts";

/** Directories that every sandboxed command can read. */
const SYSTEM_DIRECTORIES = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"],
  ...["/opt", "/nix", "/gnu", "/snap", "/proc", "/sys"],
  // Links in /etc lead there.
  ...["/run/systemd/resolve", "/run/resolvconf"],
];

/** Devices that every sandboxed command can use. */
const DEVICES = [
  ...["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx"],
];

const READ_ONLY_DEVICES = ["/dev/random", "/dev/urandom"];

/** Names of directories with programs; the installation is around them. */
const PROGRAM_DIRECTORIES = ["bin", "sbin", "shims", ".bin"];

/** Installations in a home directory that also contain the user's own data. */
const USER_DATA = [".local", ".cargo"];

/** An untrusted step runs in a sandbox even if it declares no permissions. */
export function isSandboxed({ untrusted, permissions }: Step): boolean {
  return permissions !== undefined || untrusted === true;
}

/**
 * Checks that this system can enforce the permissions of steps.
 *
 * @throws {RunnerError} `invalid-job` if it cannot, and a step has some.
 */
export async function checkSandbox(
  steps: readonly Step[],
  { inContainer }: Workspace,
): Promise<void> {
  if (steps.every(({ permissions }) => !permissions)) return;
  const { findSandbox } = await import(
    "../process/sandbox/find_sandbox.ts"
  );
  const { problem } = await findSandbox(inContainer);
  if (problem === undefined) return;
  const { sandboxError } = await import("../process/sandbox/isolate.ts");
  throw sandboxError(problem);
}

/** Messages of programs that the kernel denied access. */
const DENIED =
  /permission denied|operation not permitted|read-only file system|\b(?:EACCES|EPERM|EROFS)\b/i;

/** Messages about a path that does not exist in the sandbox. */
const HIDDEN = /no such file or directory|\bENOENT\b/i;

const ABSOLUTE_PATH = /(?:^|[\s'"`:(])\/./;

/**
 * Explains a failure that the sandbox may have caused.
 *
 * @param lines Last lines of the step, without escape sequences.
 * @returns The explanation; `undefined` if nothing was denied.
 */
export function sandboxHint(lines: readonly string[]): string | undefined {
  return lines.some((line) =>
      DENIED.test(line) || HIDDEN.test(line) && ABSOLUTE_PATH.test(line)
    )
    ? "The step runs in a sandbox. If it denied or hid something that the step needs, allow it with `permissions`"
    : undefined;
}

/** A step to sandbox. */
export interface StepSandboxInput {
  /** Name of the step. */
  readonly name: string;
  /** Its permissions. */
  readonly permissions: StepPermissions;
  /** Whether it is untrusted. */
  readonly isUntrusted: boolean;
  /** Its environment. */
  readonly env: Environment;
  /** Absolute path of the directory in which it runs. */
  readonly cwd: string;
  /** Absolute path of the directory in which the job runs. */
  readonly jobPath: string;
  /** Absolute path of the job's artifacts. */
  readonly artifactsPath: string;
  /** The workspace. */
  readonly workspace: Workspace;
  /** Absolute paths of files of the runner that the step uses. */
  readonly needed: readonly string[];
}

/**
 * Determines what the kernel lets the commands of a step access. Files of an
 * attempt are not included.
 *
 * Access for which a step lists no permission is not restricted. Untrusted steps
 * are an exception: they read the system, the installations on `PATH` and the
 * workspace, and write to the directories that they work in.
 *
 * @throws {RunnerError} `workspace` for a path that does not exist, or a
 * relative one that leads out of its directory.
 */
export async function sandboxLimits(
  step: StepSandboxInput,
): Promise<SandboxLimits> {
  const { permissions, isUntrusted, cwd, jobPath, artifactsPath } = step;
  const own = [cwd, jobPath, artifactsPath];
  const { read = !isUntrusted, write = !isUntrusted } = permissions;
  const writable = write === true
    ? ["/"]
    : typeof write === "object"
    ? await resolvePaths(step, write, "write to")
    : permissions.write === false
    ? []
    : own;
  const readable = read === true
    ? ["/"]
    : typeof read === "object"
    ? await resolvePaths(step, read, "read")
    : permissions.read === false
    ? []
    : [...own, step.workspace.base];
  const devices = resolvedOnce(DEVICES);
  const system = read === true ? NOTHING : resolveSystem(step.env);
  // Most of what it reads, it may also write to.
  const known = new Map<string, string | undefined>();
  const others = resolve([...readable, ...step.needed], known);
  const written = resolve(writable, known);
  return {
    read: dropNested(
      [others, written, system, devices].flatMap(({ real }) => real),
    ),
    write: dropNested([written, devices].flatMap(({ real }) => real)),
    links: [others, written, system].flatMap(({ links }) => links),
    hasNetwork: permissions.net ?? true,
    hasRawSockets: !isUntrusted,
  };
}

/** Resolves the paths of a permission. */
async function resolvePaths(
  { name, jobPath, workspace }: StepSandboxInput,
  paths: readonly string[],
  action: string,
): Promise<string[]> {
  return await Promise.all(paths.map(async (path) => {
    try {
      const real = await resolvePath(path, jobPath, workspace);
      const isMissing = !isThere(real);
      if (isMissing && path.endsWith("/")) {
        await Deno.mkdir(real, { recursive: true });
      } else if (isMissing) {
        throw new TypeError(
          'it does not exist; a directory is created if its path ends with "/"',
        );
      }
      // The step uses the path as written, through its links.
      return path.startsWith("/") && !isJobPath(path) ? path : real;
    } catch (cause) {
      throw new RunnerError(
        `Cannot let step "${name}" ${action} "${path}": ${messageOf(cause)}`,
        { code: "workspace", cause },
      );
    }
  }));
}

/** Checks whether a path exists, or may exist but is hidden from this runner. */
function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}

function isJobPath(path: string): boolean {
  return isInside("/job", path);
}

async function resolvePath(
  path: string,
  jobPath: string,
  workspace: Workspace,
): Promise<string> {
  if (isJobPath(path)) {
    return await guardPath(workspace.base, workspace.pathOf(path));
  }
  // The source, which may be hostile, can contain links.
  return path.startsWith("/")
    ? await realPath(path)
    : await guardPath(jobPath, path);
}

/**
 * Returns the directories of `PATH` and the installations that they belong to.
 */
function listInstallations(env: Environment): string[] {
  const home = env.HOME ?? "";
  const kept = [home, ...USER_DATA.map((name) => `${home}/${name}`)];
  return (env.PATH ?? "").split(":").filter((path) => path.startsWith("/"))
    .flatMap((path) => {
      const [, parent, name] = /^(.+)\/([^/]+)\/*$/.exec(path) ?? [];
      const isInstallation = parent !== undefined &&
        PROGRAM_DIRECTORIES.includes(name) &&
        !(home !== "" && kept.some((directory) => isInside(parent, directory)));
      return isInstallation ? [path, parent] : [path];
    });
}

/** Paths, and where they lead. */
interface ResolvedPaths {
  /** The paths without links. */
  readonly real: readonly string[];
  /** The links on the given paths. */
  readonly links: readonly Link[];
}

const NOTHING: ResolvedPaths = { real: [], links: [] };

const found = new Map<string, ResolvedPaths>();

/** Finds the system once for each `PATH` and `HOME`. */
function resolveSystem(env: Environment): ResolvedPaths {
  return resolvedOnce([
    ...SYSTEM_DIRECTORIES,
    ...READ_ONLY_DEVICES,
    ...listInstallations(env),
  ]);
}

/** Resolves paths outside the workspace, which stay as they are. */
function resolvedOnce(paths: readonly string[]): ResolvedPaths {
  const key = paths.join("\0");
  const known = found.get(key) ?? resolve(paths);
  found.set(key, known);
  return known;
}

/**
 * Resolves links, and drops paths that do not exist.
 *
 * @param known Paths that were resolved; receives the given ones.
 */
function resolve(
  paths: readonly string[],
  known = new Map<string, string | undefined>(),
): ResolvedPaths {
  const real: string[] = [];
  const links: Link[] = [];
  for (const path of new Set(paths)) {
    const resolved = known.has(path) ? known.get(path) : resolveLinks(path);
    known.set(path, resolved);
    if (resolved === undefined) continue;
    real.push(resolved);
    if (resolved !== path) links.push(...findLinks(path));
  }
  return { real, links };
}

/**
 * Returns where a path leads; `undefined` if nothing is there.
 *
 * A runner without all permissions cannot see `/proc`, `/sys` and most devices.
 * Their paths are used as written: the sandbox opens paths without
 * following links, and skips missing ones.
 */
function resolveLinks(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    return error instanceof Deno.errors.NotCapable ? path : undefined;
  }
}

/** Maximum number of links on a path, as in the kernel. */
const MAX_LINKS = 40;

/** Returns the links that are followed on a path. */
function findLinks(path: string): Link[] {
  const links: Link[] = [];
  const rest = path.split("/");
  let at = "";
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(at.lastIndexOf("/"), 0));
      continue;
    }
    const next = `${at}/${part}`;
    const target = readIfPresent(() => Deno.readLinkSync(next));
    if (target === undefined) {
      at = next;
      continue;
    }
    if (links.length === MAX_LINKS) break;
    links.push({ path: next, target });
    if (target.startsWith("/")) at = "";
    rest.unshift(...target.split("/"));
  }
  return links;
}

/** Returns `undefined` if a path does not exist or is not a link. */
function readIfPresent(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
